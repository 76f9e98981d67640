"""Whether a file of a data set is the published one, or one made anew that is known to hold the same."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from enum import Enum
from pathlib import Path
from typing import NamedTuple


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
    """`algorithm:hex digest` of its bytes; of its content (`sha256-unpacked:...`) where it was made anew."""


def judge(file: Path, published: str, rebuilt: str | None = None) -> Judged:
    """Hold a file against what was published.

    Args:
        file: the file; it must exist.
        published: `algorithm:hex digest` of the publisher's bytes.
        rebuilt: `sha256-unpacked:hex digest` of the content of a gzip file that is right, too.

    Raises:
        OSError: the file cannot be read.
    """
    content = file.read_bytes()
    algorithm = published.partition(":")[0]
    found = f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"
    if found == published:
        return Judged(State.PUBLISHED, found)
    if rebuilt is not None and unpacked_digest(content) == rebuilt:
        return Judged(State.REBUILT, rebuilt)
    return Judged(State.WRONG, found)


def unpacked_digest(content: bytes) -> str:
    """Digest of what a gzip file holds, whatever time and level it was packed with; empty where it is none."""
    try:
        return f"sha256-unpacked:{hashlib.sha256(gzip.decompress(content)).hexdigest()}"
    except (OSError, EOFError, zlib.error):
        return ""
