"""Files appear whole or not at all; a damaged one is named and harms no other; a cell is claimed once."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.errors import DamagedRecord, StoreError
from bench.store import LOCAL, Claims, Store

from .conftest import ROOT, MakeRecord


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_what_is_written_is_read_back(tmp_path: Path, make_record: MakeRecord) -> None:
    store, record = Store(tmp_path), make_record("fake-good", "gelu", 3)
    path = store.write(record)
    assert path == tmp_path / "smoke" / "fake-good" / f"gelu-s3-{record.id}.json"
    assert store.read(path) == record
    assert store.find("smoke", "fake-good", 3, record.id) == path
    assert store.find("cpu", "fake-good", 3, record.id) is None
    assert len(files(tmp_path)) == 1


def test_a_cell_has_one_file_whatever_its_name(tmp_path: Path, make_record: MakeRecord) -> None:
    store = Store(tmp_path)
    store.write(make_record(activation="silu", graph_hash="one"))
    second = store.write(make_record(activation="swish-1", graph_hash="one"))
    assert list(store.paths()) == [second]


def test_damaged_records_are_named_and_the_others_go_on(tmp_path: Path, make_record: MakeRecord) -> None:
    store = Store(tmp_path)
    good, half, moved = (store.write(make_record(seed=seed)) for seed in range(3))
    half.write_text(half.read_text()[:300])
    moved.rename(moved.with_name("relu-s2-0000000000000000.json"))
    loaded = store.load()
    assert [record.seed for record in loaded.records] == [0]
    assert good.name in files(tmp_path)[0]
    assert len(loaded.damaged) == 2
    assert half.name in loaded.damaged[0]
    assert "does not lie in its place" in loaded.damaged[1] or "does not lie in its place" in loaded.damaged[0]


def test_a_damaged_record_is_kept_aside_when_its_cell_is_recorded_again(
    tmp_path: Path, make_record: MakeRecord
) -> None:
    store, record = Store(tmp_path), make_record()
    path = store.write(record)
    path.write_text("half a rec")
    store.write(record)
    assert store.read(path) == record
    assert path.with_suffix(".json.damaged").read_text() == "half a rec"
    assert store.load().damaged == ()


def test_local_records_are_no_published_ones(tmp_path: Path, make_record: MakeRecord) -> None:
    Store(tmp_path).write(make_record(seed=0))
    Store(tmp_path / LOCAL).write(make_record(seed=1))
    Store(tmp_path / LOCAL / "try").write(make_record(seed=2))
    assert [record.seed for record in Store(tmp_path).load().records] == [0]
    assert [record.seed for record in Store(tmp_path / LOCAL).load().records] == [1]


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path, make_record: MakeRecord) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    for attempt in (Store(blocked / "results").check_writable, lambda: Store(blocked).write(make_record())):
        with pytest.raises(StoreError, match=r"cannot write results to .*--results"):
            attempt()
    with pytest.raises(StoreError, match="cannot write results"):
        Claims(blocked)


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, make_record: MakeRecord) -> None:
    store, record = Store(tmp_path), make_record()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # as on a disk with 1000 bytes left
    try:
        with pytest.raises(StoreError, match="cannot write results"):
            store.write(record)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert files(tmp_path) == []
    assert store.load().damaged == ()


def test_a_failed_write_keeps_the_earlier_record(
    tmp_path: Path, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, record = Store(tmp_path), make_record()
    path = store.write(record)
    before = path.read_bytes()

    def refuse(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(StoreError, match="input/output error"):
        store.write(record)
    assert path.read_bytes() == before
    assert len(files(tmp_path)) == 1


def test_an_unreadable_file_is_damaged(tmp_path: Path, make_record: MakeRecord) -> None:
    store = Store(tmp_path)
    path = store.write(make_record())
    path.unlink()
    with pytest.raises(DamagedRecord, match="cannot be read"):
        store.read(path)


def test_what_is_no_regular_file_is_damaged_and_not_waited_for(tmp_path: Path, make_record: MakeRecord) -> None:
    store = Store(tmp_path)
    paths = [store.write(make_record(seed=seed)) for seed in range(4)]
    for path in paths[:3]:
        path.unlink()
    paths[0].mkdir()
    os.mkfifo(paths[1])
    paths[2].symlink_to("/dev/zero")
    loaded = store.load()
    assert [record.seed for record in loaded.records] == [3]
    assert [sentence.partition(" ")[2] for sentence in loaded.damaged] == ["cannot be read (no regular file)"] * 3


HOLDER = """
import sys, time
from pathlib import Path
from bench.store import Claims
claims = Claims(Path(sys.argv[1]))
print(claims.take("00112233445566aa"), flush=True)
time.sleep(600)
"""


def test_a_claim_holds_against_other_processes_until_its_own_ends(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip() == "True"
        claims = Claims(tmp_path)
        assert not claims.take("00112233445566aa")
        assert claims.take("ffffffffffffffff")
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        deadline = time.monotonic() + 30
        while not claims.take("00112233445566aa"):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        claims.close()
    finally:
        holder.kill()
        holder.wait()
        assert holder.stdout is not None
        holder.stdout.close()
