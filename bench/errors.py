"""What the command line may tell its user instead of a traceback: one sentence, and an exit status."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BenchError(Exception):
    """Something foreseen went wrong; the message is one sentence that says what, and what to do."""

    exit_code = 1


class UsageError(BenchError):
    """The command was called with something that cannot be done: an unknown name, a bad number."""

    exit_code = 2


class StoreError(BenchError):
    """A results folder that cannot be read or written."""


class DamagedRecord(BenchError):
    """A file under a results folder that is no valid record; the message names it and says what is wrong."""


def unknown(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """The error for a name that nothing has, with the nearest names or the list of all."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(names)}."
    return UsageError(f"no {kind} is called {name!r}: {hint}")
