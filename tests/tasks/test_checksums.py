"""A file or folder is the publisher's, or holds what it should, or is wrong."""

import gzip
import hashlib
from pathlib import Path

import pytest

from tasks.checksums import State, is_there, judge, tree_digest, unpacked_digest


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_a_file_is_judged_by_its_bytes_then_by_its_content(tmp_path: Path, algorithm: str) -> None:
    file, text = tmp_path / "table.csv.gz", b"1,2\n" * 100
    file.write_bytes(gzip.compress(text, mtime=0))
    published = f"{algorithm}:{hashlib.new(algorithm, file.read_bytes()).hexdigest()}"
    assert judge(file, published) == (State.PUBLISHED, published)
    file.write_bytes(gzip.compress(text, compresslevel=1, mtime=9))
    content = unpacked_digest(gzip.compress(text))
    assert judge(file, published).state is State.WRONG
    assert judge(file, published, content) == (State.REBUILT, content)
    file.write_bytes(gzip.compress(text + b"3,4\n"))
    assert judge(file, published, content).state is State.WRONG


def test_what_is_no_gzip_file_has_no_content(tmp_path: Path) -> None:
    assert unpacked_digest(b"plain") == ""
    assert unpacked_digest(gzip.compress(b"cut" * 100)[:-5]) == ""
    (tmp_path / "file").write_bytes(b"plain")
    assert judge(tmp_path / "file", "sha256:0", "sha256-unpacked:0").state is State.WRONG


def hexed(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


def test_a_folders_digest_is_that_of_the_list_that_sha256sum_prints(tmp_path: Path) -> None:
    """In the order of bytes: `b/` comes after `b-`, and names that a file system lists in any order are sorted."""
    content = {"b/2": b"two", "b-": b"dash", "b/10": b"ten", "a": b""}
    for name, text in content.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(text)
    listed = "".join(f"{hexed(content[name])}  {name}\n" for name in ("a", "b-", "b/10", "b/2"))
    assert tree_digest(tmp_path) == f"sha256-tree:{hexed(listed.encode())}"


def test_a_folder_is_judged_by_names_and_bytes_and_links_are_followed(tmp_path: Path) -> None:
    folder = tmp_path / "train"
    (folder / "n01").mkdir(parents=True)
    (folder / "n01" / "1").write_bytes(b"one")
    published = tree_digest(folder)
    assert judge(folder, published) == (State.PUBLISHED, published)
    (folder / "n01").rename(tmp_path / "elsewhere")
    (folder / "n01").symlink_to(tmp_path / "elsewhere")
    assert judge(folder, published).state is State.PUBLISHED
    (folder / "n01" / "1").rename(folder / "n01" / "2")
    assert judge(folder, published).state is State.WRONG
    (folder / "n01" / "2").rename(folder / "n01" / "1")
    (folder / "n01" / "1").write_bytes(b"on")
    assert judge(folder, published).state is State.WRONG


def test_what_is_there_is_a_folder_where_a_folders_checksum_is_due(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert is_there(tmp_path, "sha256-tree:0")
    assert is_there(tmp_path / "file", "sha256:0")
    assert not is_there(tmp_path, "sha256:0")
    assert not is_there(tmp_path / "file", "sha256-tree:0")


def test_a_folder_with_a_file_that_cannot_be_read_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "n01").mkdir()
    published = tree_digest(tmp_path)
    (tmp_path / "n01" / "1").symlink_to(tmp_path / "nothing")
    assert judge(tmp_path, published) == (State.WRONG, f"{tmp_path}/n01/1 cannot be read")
