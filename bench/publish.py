"""From records to what others read: render a board, and move chosen records from `local` to the published ones."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from bench.errors import BenchError, DamagedRecord, StoreError, UsageError, unknown
from bench.evidence import Evidence, gather
from bench.findings import render_findings
from bench.groups import members
from bench.leaderboard import lay_out
from bench.records import Record
from bench.soundness import faults_of, registered
from bench.store import LOCAL, Loaded, Store
from bench.suspicion import Ledger, fingerprint_of, ledger_of
from bench.tables import count_of

BOARD = "leaderboard.md"
FINDINGS = "findings.md"


def write_board(results: Path, local: bool, output: Path | None = None, figures: Path | None = None) -> Path:
    """Render the published records to `leaderboard.md` beside the results folder, or the local ones inside theirs.

    Args:
        figures: folder for the pictures, which the board then shows; None writes a board without any.

    Raises:
        UsageError: there is no such folder.
        StoreError: a file cannot be written.
    """
    root = results / LOCAL if local else results
    path = output or (root / BOARD if local else results.parent / BOARD)
    loaded = load(root, curves=figures is not None)
    _keep(path, loaded, local)
    place = "" if figures is None else Path(os.path.relpath(figures, path.parent)).as_posix()
    boards = gather(loaded.records)
    text = lay_out(boards, loaded.damaged, local, place)
    with _named(path):
        if figures is not None:
            _draw(boards, figures)
        _write(path, text)
    print(f"{path}: {count_of(len(loaded.records), 'record')}", file=sys.stderr)
    return path


def write_findings(results: Path, local: bool, output: Path | None = None) -> Path:
    """Answer the suite's questions from the published records in `docs/findings.md` beside the results folder, or from
    the local ones inside theirs.

    Raises:
        UsageError: there is no such folder.
        StoreError: the file cannot be written.
    """
    root = results / LOCAL if local else results
    path = output or (root if local else results.parent / "docs") / FINDINGS
    loaded = load(root, curves=False)
    _keep(path, loaded, local)
    with _named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, render_findings(gather(loaded.records), local))
    print(f"{path}: {count_of(len(loaded.records), 'record')}", file=sys.stderr)
    return path


def _keep(path: Path, loaded: Loaded, local: bool) -> None:
    """A wrong folder must not empty a published page.

    Raises:
        UsageError: there is a page, and no record for it.
    """
    if not local and not loaded.records and path.exists():
        raise UsageError(f"there are no records, so {path} stays as it is: name their folder with --results")


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Turn what the system refuses into a sentence."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"cannot write {error.filename or path}: {(error.strerror or str(error)).lower()}") from None


def _write(path: Path, text: str) -> None:
    """Whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        draft.write_text(text, encoding="utf-8", newline="\n")
        draft.replace(path)
    except OSError:
        with contextlib.suppress(OSError):  # its folder may be a file: nothing was written
            draft.unlink(missing_ok=True)
        raise


def load(root: Path, curves: bool) -> Loaded:
    """The records of a folder; damaged ones are named on standard error.

    Raises:
        UsageError: there is no such folder.
    """
    if not root.is_dir():
        way = "`bench run` makes local records" if root.name == LOCAL else "name one with --results"
        raise UsageError(f"there is no results folder {root}: {way}")
    loaded = Store(root).load(curves)
    for sentence in loaded.damaged:
        print(f"refused: {sentence}", file=sys.stderr)
    return loaded


def _draw(boards: Sequence[Evidence], folder: Path) -> None:
    """Draw the pictures of every board into a folder of its own, and remove those that earlier drawings left there."""
    from bench.figures import draw, is_ours

    drawn = {path for evidence in boards for path in draw(evidence, folder / evidence.folder)}
    for track in ("real", "stand-in"):
        for path in set(folder.glob(f"*-{track}/*.svg")).difference(drawn):
            if is_ours(path.name):
                path.unlink()


def publish(results: Path, chosen: Callable[[Record], bool], allow_dirty: bool) -> int:
    """Move the chosen local records to the published ones; returns how many were refused.

    Refused are records in which `bench validate` would find a fault, those of a task that is not registered, those that
    were made with local changes to the source or from no commit (unless allowed), and those of a cell that is published
    already.

    Raises:
        BenchError: no local record was chosen.
        StoreError: a file cannot be written.
    """
    local, public = Store(results / LOCAL), Store(results)
    ledger = ledger_of(public)
    moved, refused = 0, 0
    for path in list(local.paths()):
        try:
            record = local.read(path)
            if not chosen(record):
                continue
            where = f"{record.profile}/{record.task.name}/{record.file_name}"
            faults = [f"{where} {fault}" for fault in refusals(record, where, public, ledger, allow_dirty)]
        except DamagedRecord as error:
            faults = [str(error)]
        for fault in faults:
            print(f"refused: {fault}", file=sys.stderr)
        if faults:
            refused += 1
            continue
        public.write(record)
        ledger.add(fingerprint_of(record, where))
        path.unlink()
        moved += 1
    if not moved and not refused:
        raise BenchError(f"{local.root} holds no such record: nothing to publish")
    print(f"{count_of(moved, 'record')} published, {refused} refused", file=sys.stderr)
    if moved:
        print("To show them: bench leaderboard", file=sys.stderr)
    return refused


def refusals(record: Record, where: str, public: Store, ledger: Ledger, allow_dirty: bool) -> list[str]:
    """Why a record may not be published, if so; sentences without their subject, the record's file.

    Args:
        ledger: what is published.
    """
    found = faults_of(record)
    spec = registered(record)
    if spec is None:
        found.append("is of a task that is not registered here: name the file that registers it with --plugin")
    elif record.task.version < spec.version:
        found.append(f"is of version {record.task.version} of its task, which is {spec.version} here: run it again")
    if (record.commit is None or record.dirty is None) and not allow_dirty:
        found.append("does not name the source that made it: run it from a clean clone, or pass --allow-dirty")
    elif record.dirty and not allow_dirty:
        found.append("was made with local changes to the source: commit and run again, or pass --allow-dirty")
    if public.find(record.profile, record.task.name, record.seed, record.id) is not None:
        return [*found, "is published already"]
    fingerprint = fingerprint_of(record, where)
    return [*found, *ledger.copies(fingerprint), *ledger.odd_score(fingerprint)]


def check_words(results: Path, tasks: Sequence[str], activations: Sequence[str]) -> None:
    """Whether each name or pattern means something among the local records.

    Raises:
        UsageError: one does not; the message gives the nearest names.
    """
    paths = list(Store(results / LOCAL).paths())
    recorded = {path.parent.name for path in paths}, {path.name.rpartition("-s")[0] for path in paths}
    for kind, words, known in zip(("task", "activation"), (tasks, activations), recorded, strict=True):
        for word in words:
            patterns = members(word) if kind == "activation" else (word,)
            if known and not any(fnmatchcase(name, pattern) for name in known for pattern in patterns):
                raise unknown(f"recorded {kind}", word, sorted(known))


def matching(profile: str, tasks: Sequence[str], activations: Sequence[str]) -> Callable[[Record], bool]:
    """Choose records by profile and by names, patterns or groups; what is empty matches everything."""
    functions = [name for word in activations for name in members(word)]

    def chosen(record: Record) -> bool:
        return (
            (not profile or record.profile == profile)
            and (not tasks or any(fnmatchcase(record.task.name, word) for word in tasks))
            and (not activations or any(fnmatchcase(record.activation.name, word) for word in functions))
        )

    return chosen
