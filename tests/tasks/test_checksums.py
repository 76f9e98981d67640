"""A file is the publisher's, or holds what it should, or is wrong."""

import gzip
import hashlib
from pathlib import Path

import pytest

from tasks.checksums import State, judge, unpacked_digest


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
