"""Data sets appear whole and verified, or not at all, and nothing is fetched without consent."""

import gzip
import hashlib
import io
import os
import re
import shutil
import tarfile
import urllib.request
import zipfile
from pathlib import Path

import numpy as np
import pytest

from bench import data
from bench.data import DataError, prepare
from bench.data_sources import Source
from bench.errors import UsageError
from tasks import Dataset
from tasks.checksums import tree_digest, unpacked_digest
from tasks.tiny_imagenet import cut

FILES = {"batch_1": b"first", "raw/batch_2": b"second"}
TOY = Source("toy-py", "toy-task", "toy.tar.gz", "https://example.invalid/toy.tar.gz", inside="hiv")


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A data set of two files in place of the real ones."""
    monkeypatch.setattr(data, "SOURCES", {"toy": TOY})
    monkeypatch.setattr(data, "NAMES", ("toy",))
    sums = {name: "md5:" + hashlib.md5(content, usedforsecurity=False).hexdigest() for name, content in FILES.items()}
    monkeypatch.setattr(data, "dataset", lambda _: Dataset("toy", "made here", sums))


def folder(root: Path, files: dict[str, bytes] = FILES, name: str = "toy-py") -> Path:
    for file, content in files.items():
        (root / name / file).parent.mkdir(parents=True, exist_ok=True)
        (root / name / file).write_bytes(content)
    return root / name


def archive(root: Path, files: dict[str, bytes] = FILES, name: str = "toy-py") -> Path:
    root.mkdir(parents=True, exist_ok=True)
    with tarfile.open(root / "toy.tar.gz", "w:gz") as packed:
        for file, content in files.items():
            entry = tarfile.TarInfo(f"{name}/{file}")
            entry.size = len(content)
            packed.addfile(entry, io.BytesIO(content))
    return root / "toy.tar.gz"


def laid_out(home: Path) -> dict[str, bytes]:
    return {str(path.relative_to(home)): path.read_bytes() for path in home.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", ["folder", "holder", "archive", "archive's folder", "zip"])
def test_local_files_are_laid_out(tmp_path: Path, kind: str) -> None:
    source = tmp_path / "source"
    if kind in ("folder", "holder"):
        origin = folder(source) if kind == "folder" else folder(source).parent
    elif kind == "zip":
        origin = tmp_path / "hiv.zip"
        with zipfile.ZipFile(origin, "w") as packed:
            for file, content in FILES.items():
                packed.writestr(f"hiv/{file}", content)
    else:
        origin = archive(source) if kind == "archive" else archive(source).parent
    prepare(["toy"], tmp_path / "data", origin, download=False)
    assert laid_out(tmp_path / "data" / "toy-py") == FILES
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["toy-py"]


def test_what_lies_there_is_verified(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = folder(tmp_path)
    prepare(["toy"], tmp_path, None, download=False)
    assert "2 files verified" in capsys.readouterr().out
    (home / "batch_1").write_bytes(b"firsts")
    with pytest.raises(DataError, match="wrong checksum"):
        prepare(["toy"], tmp_path, None, download=False)


def test_files_that_may_be_made_anew_are_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sums = data.dataset(TOY).checksums
    known = {"batch_1": unpacked_digest(gzip.compress(b"anew", compresslevel=1))}
    monkeypatch.setattr(data, "dataset", lambda _: Dataset("toy", "made here", sums, rebuilt=known))
    prepare(["toy"], tmp_path / "data", folder(tmp_path, {**FILES, "batch_1": gzip.compress(b"anew")}), download=False)
    assert "1 files verified, 1 made anew, with known contents" in capsys.readouterr().out
    (tmp_path / "data" / "toy-py" / "batch_1").write_bytes(gzip.compress(b"zeros"))
    with pytest.raises(DataError, match="wrong checksum"):
        prepare(["toy"], tmp_path / "data", None, download=False)
    (tmp_path / "data" / "toy-py" / "batch_1").unlink()
    with pytest.raises(DataError, match="is missing"):
        prepare(["toy"], tmp_path / "data", None, download=False)


@pytest.mark.parametrize("files", [{**FILES, "batch_1": b"forged"}, {"batch_1": b"first"}])
def test_wrong_files_are_not_laid_out(tmp_path: Path, files: dict[str, bytes]) -> None:
    with pytest.raises(DataError):
        prepare(["toy"], tmp_path / "data", archive(tmp_path, files), download=False)
    assert list((tmp_path / "data").iterdir()) == []


def test_an_archive_cannot_write_elsewhere(tmp_path: Path) -> None:
    origin = archive(tmp_path / "source", {"../../../evil": b"x", **FILES})
    with pytest.raises(DataError, match="outside the destination"):
        prepare(["toy"], tmp_path / "data", origin, download=False)
    assert not list(tmp_path.rglob("evil"))


def test_an_archive_holds_files_and_folders_only(tmp_path: Path) -> None:
    path = tmp_path / "toy.tar.gz"
    with tarfile.open(path, "w:gz") as packed:
        entry = tarfile.TarInfo("toy-py/batch_1")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        packed.addfile(entry)
    with pytest.raises(DataError, match="batch_1 in it is neither a file nor a folder"):
        prepare(["toy"], tmp_path / "data", path, download=False)


def test_what_is_no_archive_is_said(tmp_path: Path) -> None:
    (tmp_path / "toy.tar.gz").write_text("<html>")
    with pytest.raises(DataError, match="no archive that can be unpacked") as told:
        prepare(["toy"], tmp_path / "data", tmp_path / "toy.tar.gz", download=False)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("kind", ["gz", "xz", "bz2", "zip", "locked"])
def test_a_damaged_archive_is_said_in_one_line(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "toy.tar"
    noise = np.random.default_rng(0).bytes(100_000)
    if kind in ("zip", "locked"):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("toy-py/batch_1", noise)
    else:
        with tarfile.open(path, f"w:{kind}") as packed_tar:  # type: ignore[call-overload]
            entry = tarfile.TarInfo("toy-py/batch_1")
            entry.size = len(noise)
            packed_tar.addfile(entry, io.BytesIO(noise))
    content = bytearray(path.read_bytes())
    if kind == "locked":
        for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            content[content.index(mark) + flags] |= 1
    else:
        start = 100 if kind == "gz" else 50_000
        content[start : start + 100] = bytes(100)
    path.write_bytes(content)
    with pytest.raises(DataError, match="no archive that can be unpacked") as told:
        prepare(["toy"], tmp_path / "data", path, download=False)
    assert "\n" not in str(told.value)
    assert not list((tmp_path / "data").iterdir())


def test_a_path_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no .*nowhere"):
        prepare(["toy"], tmp_path / "data", tmp_path / "nowhere", download=False)


def test_a_link_to_what_lacks_a_part_is_refused_or_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(data, "SOURCES", {"toy": Source("toy-py", "toy-task", terms="By hand", parts=("train", "val"))})
    monkeypatch.setattr(data, "dataset", lambda _: Dataset("toy", "made here"))
    home, empty, good = tmp_path / "data" / "toy-py", tmp_path / "empty", tmp_path / "good"
    (tmp_path / "file.zip").write_text("x")
    empty.mkdir()
    for part in ("train", "val"):
        (good / part).mkdir(parents=True)
    for wrong in (empty, tmp_path / "file.zip"):
        with pytest.raises(DataError, match="holds neither the folders train and val nor a folder toy-py"):
            prepare(["toy"], tmp_path / "data", wrong, download=False)
        assert not home.exists()
    home.symlink_to(empty, target_is_directory=True)
    with pytest.raises(DataError, match="train is missing"):
        prepare(["toy"], tmp_path / "data", None, download=False)
    prepare(["toy"], tmp_path / "data", good, download=False)
    assert home.resolve() == good.resolve()
    assert "is a link to" in capsys.readouterr().out


def test_nothing_is_fetched_without_consent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: pytest.fail("fetched without consent"))
    with pytest.raises(UsageError, match="--download"):
        prepare(["toy"], tmp_path, None, download=False)


def test_no_network_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(urllib.request, "urlopen", unreachable)
    with pytest.raises(DataError, match=r"could not be fetched from .* \(Name or service not known\): bring toy"):
        prepare(["toy"], tmp_path, None, download=True)
    assert list(tmp_path.iterdir()) == []


def test_a_consented_fetch_is_laid_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = archive(tmp_path / "web").read_bytes()
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: io.BytesIO(content))
    prepare(["toy"], tmp_path / "data", None, download=True)
    assert laid_out(tmp_path / "data" / "toy-py") == FILES


@pytest.mark.parametrize("kind", ["archive", "folder", "download"])
def test_a_damaged_file_is_replaced(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = folder(tmp_path / "data")
    (home / "batch_1").write_bytes(b"forged")
    (home / "raw/batch_2").unlink()
    (home / "mine").write_bytes(b"kept")
    packed = archive(tmp_path / "web")
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: io.BytesIO(packed.read_bytes()))
    origin = {"archive": packed, "folder": folder(tmp_path / "good"), "download": None}[kind]
    prepare(["toy"], tmp_path / "data", origin, download=kind == "download")
    assert laid_out(home) == {**FILES, "mine": b"kept"}
    assert "batch_1, raw/batch_2 replaced" in capsys.readouterr().out


@pytest.mark.parametrize("download", [False, True])
def test_an_archive_with_a_wrong_file_is_called_what_the_user_calls_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, download: bool
) -> None:
    packed = archive(tmp_path / "web", {**FILES, "batch_1": b"forged"})
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: io.BytesIO(packed.read_bytes()))
    known_as = TOY.address if download else packed
    with pytest.raises(DataError, match=re.escape(f"toy: batch_1 in {known_as} has the wrong checksum")):
        prepare(["toy"], tmp_path / "data", None if download else packed, download=download)
    packed.write_text("<html>")
    with pytest.raises(DataError, match=re.escape(f"{known_as} is no archive")):
        prepare(["toy"], tmp_path / "data", None if download else packed, download=download)


def test_a_damaged_file_is_not_replaced_by_another_one(tmp_path: Path) -> None:
    home = folder(tmp_path / "data", {**FILES, "batch_1": b"forged"})
    with pytest.raises(DataError, match="wrong checksum"):
        prepare(["toy"], tmp_path / "data", archive(tmp_path, {**FILES, "batch_1": b"other"}), download=False)
    assert (home / "batch_1").read_bytes() == b"forged"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A miniature of Tiny-ImageNet's official folder, and the checksums of what is cut from it."""
    official = {f"train/n01/images/n01_{number}.JPEG": bytes([number]) for number in range(51)}
    official |= {"val/images/val_0.JPEG": b"v", "val/val_annotations.txt": b"val_0.JPEG\tn01\t0\t0\t63\t63\n"}
    home = folder(tmp_path / "official", official, "tiny-imagenet-200")
    source = Source("tiny", "tiny-task", "tiny.zip", "http://example.invalid/tiny.zip", "tiny-imagenet-200", cut=cut)
    monkeypatch.setattr(data, "SOURCES", {"tiny": source})
    monkeypatch.setattr(data, "NAMES", ("tiny",))
    sums = {part: tree_digest(cut(home, tmp_path / "due") / part) for part in ("train", "val")}
    monkeypatch.setattr(data, "dataset", lambda _: Dataset("tiny", "made here", sums))
    return home


@pytest.mark.parametrize("kind", ["official", "holder", "archive", "download", "subset"])
def test_a_subset_is_cut_and_verified(small: Path, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    due = laid_out(tmp_path / "due")
    assert len(due) == 51
    packed = tmp_path / "tiny.zip"
    with zipfile.ZipFile(packed, "w") as written:
        for file, content in laid_out(small).items():
            written.writestr(f"tiny-imagenet-200/{file}", content)
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: io.BytesIO(packed.read_bytes()))
    origins = {"official": small, "holder": small.parent, "archive": packed, "subset": tmp_path / "due"}
    prepare(["tiny"], tmp_path / "data", origins.get(kind), download=kind == "download")
    assert laid_out(tmp_path / "data" / "tiny") == due
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["tiny"]


def test_an_archive_that_lacks_an_image_is_called_what_the_user_calls_it(small: Path, tmp_path: Path) -> None:
    packed = tmp_path / "cut.zip"
    with zipfile.ZipFile(packed, "w") as written:
        for file, content in laid_out(small).items():
            if not file.endswith("_0.JPEG"):
                written.writestr(f"tiny-imagenet-200/{file}", content)
    with pytest.raises(DataError, match=re.escape(f"tiny: in {packed} train/n01/images/n01_0.JPEG is not there")):
        prepare(["tiny"], tmp_path / "data", packed, download=False)


def test_a_damaged_folder_is_replaced(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prepare(["tiny"], tmp_path, small, download=False)
    home, due = tmp_path / "tiny", laid_out(tmp_path / "due")
    (home / "mine").write_bytes(b"kept")
    (home / "val" / "n01" / "val_0.JPEG").write_bytes(b"forged")
    (home / "val" / "mine").write_bytes(b"own")
    with pytest.raises(DataError, match=r"val has the wrong checksum .* bring a good copy"):
        prepare(["tiny"], tmp_path, None, download=False)
    prepare(["tiny"], tmp_path, small, download=False)
    said = capsys.readouterr().out
    (aside,) = home.glob("replaced-*")
    assert f"tiny: val replaced in {home}, 2 folders verified; what lay there is kept in {aside / 'val'}\n" in said
    assert laid_out(aside) == {"val/n01/val_0.JPEG": b"forged", "val/mine": b"own"}
    shutil.rmtree(aside)
    assert laid_out(home) == {**due, "mine": b"kept"}
    (home / "val").rename(tmp_path / "away")
    with pytest.raises(DataError, match="val is missing"):
        prepare(["tiny"], tmp_path, None, download=False)
    prepare(["tiny"], tmp_path, small, download=False)
    assert laid_out(home) == {**due, "mine": b"kept"}
    assert sorted(path.name for path in home.iterdir()) == ["mine", "train", "val"]
    assert "kept in" not in capsys.readouterr().out


@pytest.mark.parametrize("move", [0, 1])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), PermissionError(13, "Permission denied")])
def test_a_damaged_folder_is_back_where_a_move_fails(
    small: Path, tmp_path: Path, move: int, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(["tiny"], tmp_path, small, download=False)
    home, before = tmp_path / "tiny", laid_out(tmp_path / "tiny") | {"val/n01/val_0.JPEG": b"forged"}
    (home / "val" / "n01" / "val_0.JPEG").write_bytes(b"forged")
    moves, replace = iter(range(9)), os.replace

    def failing(origin: Path, target: Path) -> None:
        if next(moves) == move:
            raise error
        replace(origin, target)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else DataError):
        prepare(["tiny"], tmp_path, small, download=False)
    assert laid_out(home) == before
    assert sorted(path.name for path in home.iterdir()) == ["train", "val"]


def test_a_folder_with_a_link_to_nothing_is_replaced(small: Path, tmp_path: Path) -> None:
    prepare(["tiny"], tmp_path, small, download=False)
    image = tmp_path / "tiny" / "val" / "n01" / "val_0.JPEG"
    image.unlink()
    image.symlink_to(tmp_path / "nothing")
    with pytest.raises(DataError, match=r"val has the wrong checksum \(.*val_0.JPEG cannot be read, published"):
        prepare(["tiny"], tmp_path, None, download=False)
    prepare(["tiny"], tmp_path, small, download=False)
    assert image.read_bytes() == b"v"


@pytest.mark.parametrize("fault", ["lost", "forged"])
def test_nothing_is_cut_from_a_faulty_copy(small: Path, tmp_path: Path, fault: str) -> None:
    image = small / "train" / "n01" / "images" / "n01_49.JPEG"
    image.unlink() if fault == "lost" else image.write_bytes(b"forged")
    expected = {
        "lost": f"tiny: in {small} train/n01/images/n01_49.JPEG is not there",
        "forged": f"tiny: train in what is cut from {small} has the wrong checksum",
    }
    with pytest.raises(DataError, match=re.escape(expected[fault])):
        prepare(["tiny"], tmp_path / "data", small, download=False)
    assert list((tmp_path / "data").iterdir()) == []
