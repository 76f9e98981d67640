"""What a language model answered, kept so that a search can be resumed or repeated without asking again.

A file of JSON lines, one for each candidate that was asked for, written as soon as its answer is there. A line is found
again by a hash of everything that the request said and of its place in the search, so one search with one seed finds
its own answers, and no other. Keys and addresses of the endpoint are no part of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

Messages = Sequence[Mapping[str, str]]
"""Messages of a chat: each has a `role` and a `content`."""


class TranscriptError(ValueError):
    """A transcript that cannot be read or written, or lacks an answer; one sentence says what to do."""


@dataclass(frozen=True)
class Exchange:
    """All that was sent and received for one candidate, repeated requests included."""

    key: str
    """What `exchange_key` gives."""
    model: str
    messages: str
    """Hash of the messages, by which a reader can tell that two prompts were the same."""
    text: str = ""
    """The answer as it came; empty where there is none."""
    finish: str = ""
    """Why the model stopped, in the endpoint's word: `stop`, `length`, ..."""
    failure: str = ""
    """Kind of the last request's failure; empty where an answer came."""
    requests: int = 0
    prompt_tokens: int = 0
    """Over all requests; estimated where the endpoint did not count."""
    completion_tokens: int = 0
    """Over all requests; estimated where the endpoint did not count."""
    failures: Mapping[str, int] = field(default_factory=dict)
    """How often a request failed, by kind."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """The last reason of each kind, one line."""


def exchange_key(model: str, messages: Messages, settings: Mapping[str, Any], slot: str) -> str:
    """Name of a request: sha256 of the model, the messages, the sampling settings and its place in the search."""
    return _hash([model, list(messages), dict(settings), slot])


def messages_hash(messages: Messages) -> str:
    """Name of a prompt."""
    return _hash(list(messages))


class Transcript:
    """The exchanges in one file; `add` may be called from several threads."""

    def __init__(self, path: Path, *, writable: bool = True) -> None:
        """Read what the file holds, and go on writing to it; one that does not exist yet is empty.

        A last line that was torn when a process died is dropped.

        Raises:
            TranscriptError: the file cannot be read, or is no transcript.
        """
        self.path = path
        self._writable = writable
        self._lock = threading.Lock()
        self._exchanges: dict[str, Exchange] = {}
        self._torn_at: int | None = None
        self._read()

    @classmethod
    def replay(cls, path: Path) -> Transcript:
        """A transcript that is only read.

        Raises:
            TranscriptError: there is no such file, or it is no transcript.
        """
        if not path.is_file():
            raise TranscriptError(f"there is no transcript {path}: give the file that an earlier search recorded.")
        return cls(path, writable=False)

    def __len__(self) -> int:
        return len(self._exchanges)

    def find(self, key: str) -> Exchange | None:
        """The exchange of this name, None where it is not recorded."""
        return self._exchanges.get(key)

    def add(self, exchange: Exchange) -> None:
        """Write an exchange to the disk; it is there when this returns. One that is only read keeps it in memory.

        Raises:
            TranscriptError: the file cannot be written.
        """
        with self._lock:
            if self._writable:
                self._append(json.dumps(asdict(exchange), sort_keys=True) + "\n")
            self._exchanges.setdefault(exchange.key, exchange)

    def _append(self, line: str) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self._torn_at is not None:
                os.truncate(self.path, self._torn_at)
                self._torn_at = None
            with open(self.path, "ab") as file:
                file.write(line.encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise TranscriptError(f"cannot write the transcript {self.path}: {error.strerror or error}.") from None

    def _read(self) -> None:
        try:
            content = self.path.read_bytes() if self.path.exists() else b""
        except OSError as error:
            raise TranscriptError(f"cannot read the transcript {self.path}: {error.strerror or error}.") from None
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            self._torn_at = whole
        for number, line in enumerate(content[:whole].splitlines(), 1):
            exchange = _exchange(line)
            if exchange is None:
                raise TranscriptError(f"line {number} of {self.path} is no exchange: give a transcript of a search.")
            self._exchanges.setdefault(exchange.key, exchange)  # the first is the one that the search went on with


def _exchange(line: bytes) -> Exchange | None:
    try:
        exchange = Exchange(**json.loads(line))
    except (ValueError, TypeError, RecursionError):
        return None
    kinds = {name: type(value) for name, value in asdict(_BLANK).items()}
    return exchange if all(isinstance(getattr(exchange, name), kind) for name, kind in kinds.items()) else None


_BLANK = Exchange("", "", "")


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
