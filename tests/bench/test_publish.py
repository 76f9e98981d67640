"""Chosen records move to the published ones, once, and only where they are what they say."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

import activations
from bench.errors import BenchError, StoreError, UsageError
from bench.publish import check_words, matching, publish, write_board, write_findings
from bench.records import Record, cell_id
from bench.store import LOCAL, Store

from .conftest import record_fields, run_bench
from .forging import published


def sound(task: str = "lab-harmonics", seed: int = 0) -> Record:
    return Record.model_validate(published(task, seed=seed))


def restated(record: Record, **facts: Any) -> Record:
    """The record of a cell of another task, or of another version of its task."""
    fields = record.model_dump(mode="json")
    task = fields["task"] = fields["task"] | facts
    fields["id"] = cell_id(task["name"], task["version"], record.activation.graph_hash, record.seed, record.recipe)
    return Record.model_validate(fields)


def test_chosen_records_move(tmp_path: Path) -> None:
    local, public = Store(tmp_path / LOCAL), Store(tmp_path)
    for seed in (0, 1):
        local.write(sound(seed=seed))
    local.write(sound("lab-feynman"))
    assert publish(tmp_path, matching("cpu", ["lab-harm*"], []), allow_dirty=False) == 0
    assert [record.task.name for record in public.load().records] == ["lab-harmonics", "lab-harmonics"]
    assert [record.task.name for record in local.load().records] == ["lab-feynman"]


@pytest.mark.parametrize(
    "fault", ["dirty", "source", "task", "older", "graph", "name", "damaged", "twice", "copied", "score"]
)
def test_what_is_refused(tmp_path: Path, fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    local, record = Store(tmp_path / LOCAL), sound()
    if fault == "dirty":
        record = record.model_copy(update={"dirty": True})
    if fault == "source":
        record = record.model_copy(update={"commit": None, "dirty": None})
    if fault == "task":
        record = restated(record, name="imagenet-vit")
    if fault == "older":
        record = restated(record, version=0)
    if fault == "graph":
        other = json.loads(activations.get("gelu").graph.to_json())
        record = record.model_copy(update={"activation": record.activation.model_copy(update={"graph": other})})
    if fault == "name":
        record = record.model_copy(update={"activation": record.activation.model_copy(update={"name": "gelu"})})
    if fault == "twice":
        Store(tmp_path).write(record)
    if fault == "copied":
        Store(tmp_path).write(other := sound(seed=1))
        record = record.model_copy(update={"curves": other.curves})
    if fault == "score":
        record = record.model_copy(update={"score": 99.0})
    path = local.write(record)
    if fault == "damaged":
        path.write_text("{}")
    assert publish(tmp_path, matching("", [], []), allow_dirty=False) == 1
    assert path.exists()
    assert len(list(Store(tmp_path).paths())) == (fault in ("twice", "copied"))
    words = {"dirty": "local changes", "graph": "another graph", "damaged": "no valid", "twice": "published already"}
    words |= {"name": "is called gelu but holds another function", "score": "which none of its metrics is"}
    words |= {"source": "does not name the source", "task": "is of a task that is not registered here: name the file"}
    words["older"] = "is of version 0 of its task, which is 1 here: run it again"
    words["copied"] = "has the loss curve of cpu/lab-harmonics/relu-s1-"
    assert words[fault] in capsys.readouterr().err


@pytest.mark.parametrize("source", [{"dirty": True}, {"commit": None, "dirty": None}])
def test_dirty_records_can_be_allowed(tmp_path: Path, source: dict[str, Any]) -> None:
    Store(tmp_path / LOCAL).write(sound().model_copy(update=source))
    assert publish(tmp_path, matching("", [], []), allow_dirty=True) == 0


def test_a_plugin_registers_the_task(tmp_path: Path) -> None:
    """In processes of their own, so that nothing stays registered here."""
    record = restated(sound(), name="imagenet-vit")
    Store(tmp_path / LOCAL).write(record)
    plugin = tmp_path / "plugin.py"
    plugin.write_text(
        "from dataclasses import replace\nimport tasks\ntask = tasks.get('lab-harmonics')\n"
        "object.__setattr__(task, 'spec', replace(task.spec, name='imagenet-vit'))\ntasks.register_task(task)\n"
    )
    refused = run_bench("publish", "--results", str(tmp_path))
    assert (refused.returncode, list(Store(tmp_path).paths())) == (1, [])
    assert "name the file that registers it with --plugin" in refused.stderr
    done = run_bench("publish", "--results", str(tmp_path), "--plugin", str(plugin))
    assert done.returncode == 0, done.stderr
    assert Store(tmp_path).load().records == (record,)


def test_nothing_to_publish_is_said(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="nothing to publish"):
        publish(tmp_path, matching("", [], []), allow_dirty=False)


def test_a_misspelt_name_gets_the_nearest(tmp_path: Path) -> None:
    Store(tmp_path / LOCAL).write(sound())
    check_words(tmp_path, ["lab-*"], ["relu"])
    with pytest.raises(UsageError, match="did you mean lab-harmonics"):
        check_words(tmp_path, ["lab-harmonix"], [])
    with pytest.raises(UsageError, match="did you mean relu"):
        check_words(tmp_path, [], ["rulu"])


def test_a_group_is_published_as_far_as_it_was_run(tmp_path: Path) -> None:
    local, public = Store(tmp_path / LOCAL), Store(tmp_path)
    local.write(sound())
    check_words(tmp_path, [], ["@paper"])
    with pytest.raises(UsageError, match="no group is called"):
        check_words(tmp_path, [], ["@papers"])
    assert publish(tmp_path, matching("", [], ["@paper"]), allow_dirty=False) == 0
    assert len(public.load().records) == 1


def test_boards_lie_apart(tmp_path: Path) -> None:
    results = tmp_path / "results"
    Store(results).write(sound(seed=0))
    Store(results / LOCAL).write(sound(seed=1))
    public, own = write_board(results, False, None), write_board(results, True, None)
    assert (public, own) == (tmp_path / "leaderboard.md", results / LOCAL / "leaderboard.md")
    assert "--seeds 0`" in public.read_text()
    assert "--seeds 1`" in own.read_text()
    before = public.read_bytes()
    write_board(results, False, None)
    assert public.read_bytes() == before


def test_a_board_is_not_lost_to_a_slip(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no results folder"):
        write_board(tmp_path / "nowhere", False, None)
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="there is no results folder"):
        write_board(tmp_path / "file", False, None)
    assert not (tmp_path / "leaderboard.md").exists()
    (tmp_path / "leaderboard.md").write_text("full")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "findings.md").write_text("full")
    for write, name in ((write_board, "leaderboard.md"), (write_findings, "docs/findings.md")):
        with pytest.raises(UsageError, match=f"there are no records, so .*{name} stays as it is"):
            write(tmp_path / "docs", False)
        assert (tmp_path / name).read_text() == "full"
    with pytest.raises(StoreError, match="cannot write"):
        write_board(tmp_path, False, tmp_path / "file" / "board.md")


def test_a_strange_file_does_not_block_the_board(tmp_path: Path) -> None:
    results = tmp_path / "results"
    folder = Store(results).write(sound()).parent
    (folder / os.fsdecode(b"\xff.json")).write_text("{}")
    (folder / "e.json").mkdir()
    text = write_board(results, False, None).read_text()
    assert "?.json is no valid record" in text
    assert "e.json cannot be read (no regular file)" in text
    assert "--seeds 0`" in text


def test_pictures_beside_the_board(tmp_path: Path) -> None:
    results, pictures = tmp_path / "results", tmp_path / "docs" / "pictures"
    for name in ("relu", "gelu"):
        for seed in range(5):
            fields = record_fields("digits", name, seed, 90.0 + seed + (name == "gelu") * (1 + seed / 9))
            Store(results).write(Record.model_validate(fields))
    drawn = pictures / "smoke-stand-in"
    drawn.mkdir(parents=True)
    (drawn / "forest-gone.svg").write_text("of an earlier rendering")
    (pictures / "mine.svg").write_text("somebody's own")
    gone = pictures / "cpu-real" / "cost.svg"
    gone.parent.mkdir()
    gone.write_text("of a board that is no more")
    (gone.parent / "mine.svg").write_text("somebody's own")
    text = write_board(results, False, figures=pictures).read_text()
    assert "(docs/pictures/smoke-stand-in/forest-digits.svg)" in text
    assert {path.name for path in drawn.iterdir()} == set(re.findall(r"smoke-stand-in/([^)]+)\)", text))
    assert (pictures / "mine.svg").exists()
    assert [path.name for path in gone.parent.iterdir()] == ["mine.svg"]
    assert "pictures" not in write_board(results, False).read_text()
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot write"):
        write_board(results, False, figures=tmp_path / "file" / "pictures")
