"""Whether a file or folder of a data set is the published one, or one made anew that is known to hold the same.

A folder's checksum is `sha256-tree:hex digest`: the SHA-256 of what `find * -type f | LC_ALL=C sort | xargs sha256sum`
prints inside of it, where no name has a blank.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from enum import Enum
from pathlib import Path
from typing import NamedTuple

TREE = "sha256-tree"
"""The algorithm of a folder's checksum."""


class State(Enum):
    """What a file is."""

    PUBLISHED = "published"
    """The publisher's own bytes."""
    REBUILT = "rebuilt"
    """Other bytes that unpack to a content that is known to be right."""
    WRONG = "wrong"


class Judged(NamedTuple):
    """A file and what it is."""

    state: State
    digest: str
    """`algorithm:hex digest` of its bytes; of its content (`sha256-unpacked:...`) where it was made anew.
    Words that name the file where one in a folder cannot be read."""


def is_there(path: Path, published: str) -> bool:
    """Whether there is a folder or file, whichever has such a checksum."""
    return path.is_dir() if published.startswith(f"{TREE}:") else path.is_file()


def judge(file: Path, published: str, rebuilt: str | None = None) -> Judged:
    """Hold a file or folder against what was published.

    Args:
        file: the file or folder; it must exist.
        published: `algorithm:hex digest` of the publisher's bytes.
        rebuilt: `sha256-unpacked:hex digest` of the content of a gzip file that is right, too.

    Raises:
        OSError: the file cannot be read; a folder with such a file is wrong instead.
    """
    if published.startswith(f"{TREE}:"):
        try:
            found = tree_digest(file)
        except OSError as error:
            return Judged(State.WRONG, f"{error.filename} cannot be read")
        return Judged(State.PUBLISHED if found == published else State.WRONG, found)
    content = file.read_bytes()
    algorithm = published.partition(":")[0]
    found = f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"
    if found == published:
        return Judged(State.PUBLISHED, found)
    if rebuilt is not None and unpacked_digest(content) == rebuilt:
        return Judged(State.REBUILT, rebuilt)
    return Judged(State.WRONG, found)


def tree_digest(folder: Path) -> str:
    """`sha256-tree:hex digest` of the names and bytes of every file in a folder; links are followed.

    Raises:
        OSError: a file cannot be read, such as a link to nothing.
    """
    files = [Path(place, name) for place, _, names in os.walk(folder, followlinks=True) for name in names]
    listed = {file.relative_to(folder).as_posix().encode(): file for file in files}
    digest = hashlib.sha256()
    for name, file in sorted(listed.items()):
        digest.update(hashlib.sha256(file.read_bytes()).hexdigest().encode() + b"  " + name + b"\n")
    return f"{TREE}:{digest.hexdigest()}"


def unpacked_digest(content: bytes) -> str:
    """Digest of what a gzip file holds, whatever time and level it was packed with; empty where it is none."""
    try:
        return f"sha256-unpacked:{hashlib.sha256(gzip.decompress(content)).hexdigest()}"
    except (OSError, EOFError, zlib.error):
        return ""
