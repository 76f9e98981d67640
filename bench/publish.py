"""From records to what others read: render a board, and move chosen records from `local` to the published ones."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from bench.errors import BenchError, DamagedRecord, StoreError, UsageError, unknown
from bench.leaderboard import render
from bench.records import Record
from bench.store import LOCAL, Store
from bench.tables import count_of

BOARD = "leaderboard.md"


def write_board(results: Path, local: bool, output: Path | None) -> Path:
    """Render the published records to `leaderboard.md` beside the results folder, or the local ones inside theirs.

    Raises:
        UsageError: there is no such folder.
        StoreError: the file cannot be written.
    """
    root = results / LOCAL if local else results
    path = output or (root / BOARD if local else results.parent / BOARD)
    if not root.is_dir():
        raise UsageError(f"there is no results folder {root}: name one with --results")
    loaded = Store(root).load(curves=False)
    for sentence in loaded.damaged:
        print(f"refused: {sentence}", file=sys.stderr)
    text = render(loaded, local)
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        draft.write_text(text, encoding="utf-8", newline="\n")
        draft.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):  # its folder may be a file: nothing was written
            draft.unlink(missing_ok=True)
        raise StoreError(f"cannot write {path}: {(error.strerror or str(error)).lower()}") from None
    print(f"{path}: {count_of(len(loaded.records), 'record')}", file=sys.stderr)
    return path


def publish(results: Path, chosen: Callable[[Record], bool], allow_dirty: bool) -> int:
    """Move the chosen local records to the published ones; returns how many were refused.

    Refused are damaged records, those whose graph is not the one that their hash names, those that were made with
    local changes to the source (unless allowed), and those of a cell that is published already.

    Raises:
        BenchError: no local record was chosen.
        StoreError: a file cannot be written.
    """
    local, public = Store(results / LOCAL), Store(results)
    moved, refused = 0, 0
    for path in list(local.paths()):
        try:
            record = local.read(path)
            if not chosen(record):
                continue
            check(record, public, allow_dirty)
        except (DamagedRecord, Refused) as error:
            refused += 1
            print(f"refused: {error}", file=sys.stderr)
            continue
        public.write(record)
        path.unlink()
        moved += 1
    if not moved and not refused:
        raise BenchError(f"{local.root} holds no such record: nothing to publish")
    print(f"{count_of(moved, 'record')} published, {refused} refused", file=sys.stderr)
    if moved:
        print("To show them: bench leaderboard", file=sys.stderr)
    return refused


class Refused(BenchError):
    """A sound record that must not be published, with the reason."""


def check(record: Record, public: Store, allow_dirty: bool) -> None:
    """Whether a record may be published.

    Raises:
        Refused: with the reason.
    """
    from activations import Graph, GraphError

    name = f"{record.profile}/{record.task.name}/{record.file_name}"
    try:
        found = Graph.from_json(record.activation.graph).hash
    except GraphError as error:
        raise Refused(f"{name} holds a graph that cannot be read ({error})") from None
    if found != record.activation.graph_hash:
        raise Refused(f"{name} holds another graph ({found}) than its hash names ({record.activation.graph_hash})")
    _check_name(record, name, found)
    if record.dirty and not allow_dirty:
        raise Refused(f"{name} was made with local changes to the source: commit and run again, or pass --allow-dirty")
    if public.find(record.profile, record.task.name, record.seed, record.id) is not None:
        raise Refused(f"{name} is published already")


def _check_name(record: Record, where: str, graph: str) -> None:
    """Whether the record's function may go by its name: a name of the catalogue means that function and no other."""
    from activations import UnknownActivation, get

    try:
        known = get(record.activation.name).graph.hash
    except UnknownActivation:
        return
    if graph != known:
        raise Refused(
            f"{where} is called {record.activation.name} but holds another function ({graph}, {record.activation.name} "
            f"is {known}): register it under a name of its own and run it again"
        )


def check_words(results: Path, tasks: Sequence[str], activations: Sequence[str]) -> None:
    """Whether each name or pattern means something among the local records.

    Raises:
        UsageError: one does not; the message gives the nearest names.
    """
    paths = list(Store(results / LOCAL).paths())
    recorded = {path.parent.name for path in paths}, {path.name.rpartition("-s")[0] for path in paths}
    for kind, words, known in zip(("task", "activation"), (tasks, activations), recorded, strict=True):
        for word in words:
            if known and not any(fnmatchcase(name, word) for name in known):
                raise unknown(f"recorded {kind}", word, sorted(known))


def matching(profile: str, tasks: Sequence[str], activations: Sequence[str]) -> Callable[[Record], bool]:
    """Choose records by profile and by names or patterns; what is empty matches everything."""

    def chosen(record: Record) -> bool:
        return (
            (not profile or record.profile == profile)
            and (not tasks or any(fnmatchcase(record.task.name, word) for word in tasks))
            and (not activations or any(fnmatchcase(record.activation.name, word) for word in activations))
        )

    return chosen
