"""Look through a folder of records and name every fault, so that a reviewer need not believe a contributor.

`bench.soundness` holds a record against the registry and its own graph, `bench.plausible` its numbers against each
other, and `bench.suspicion` records against each other. What needs a rerun to be found out is not found here.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.errors import DamagedRecord, UsageError
from bench.soundness import faults_of, unchecked
from bench.store import LOCAL, MINING, TRIALS, TUNING, Store
from bench.suspicion import Fingerprint, Ledger, fingerprint_of
from bench.tables import count_of


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with one file."""

    file: str
    """Its path inside the results folder."""
    sentence: str
    """The file, what is wrong with it, and what to do."""


@dataclass(frozen=True)
class Report:
    """What a folder of records held."""

    records: int
    """Files that lie where a record belongs."""
    faults: tuple[Fault, ...]
    notes: tuple[str, ...] = ()
    """One sentence for each task whose facts could not be looked up."""

    @property
    def refused(self) -> int:
        """Files with at least one fault."""
        return len({fault.file for fault in self.faults})


def validate(root: Path) -> Report:
    """Check every record under a results folder.

    Raises:
        UsageError: there is no such folder.
    """
    if not root.is_dir():
        raise UsageError(f"there is no results folder {root}: name one, as in `bench validate results`")
    store, ledger = Store(root), Ledger()
    paths = list(store.paths())
    faults = list(_strays(root, set(paths)))
    fingerprints: list[Fingerprint] = []
    blind: Counter[str] = Counter()
    for path in paths:
        file = _inside(root, path)
        try:
            record = store.read(path)
        except DamagedRecord as error:
            faults.append(Fault(file, f"{error}: remove it and run the cell again"))
            continue
        fingerprint = fingerprint_of(record, file)
        faults += [Fault(file, f"{file} {fault}") for fault in (*faults_of(record), *ledger.copies(fingerprint))]
        ledger.add(fingerprint)
        fingerprints.append(fingerprint)
        blind.update([unchecked(record)] if unchecked(record) else [])
    faults += [Fault(one.file, f"{one.file} {fault}") for one in fingerprints for fault in ledger.odd_score(one)]
    notes = tuple(f"{count_of(blind[what], 'record')} of {what}" for what in sorted(blind))
    return Report(len(paths), tuple(sorted(faults, key=lambda fault: fault.file)), notes)


def show(report: Report) -> int:
    """Print faults on standard error and a summary on standard output; returns the exit status."""
    for fault in report.faults:
        print(f"refused: {_printable(fault.sentence)}", file=sys.stderr)
    for note in report.notes:
        print(f"note: {_printable(note)}", file=sys.stderr)
    print(f"{count_of(report.records, 'record')}, {f'{report.refused} refused' if report.faults else 'no fault'}")
    return 1 if report.faults else 0


def _strays(root: Path, records: set[Path]) -> Iterator[Fault]:
    """Files that look like records and lie where none belongs, and damaged ones that were set aside."""
    for folder, below, names in os.walk(root):
        top = Path(folder) == root
        below[:] = [name for name in below if name[0] != "." and not (top and name in (LOCAL, TRIALS, TUNING, MINING))]
        for name in names:
            path = Path(folder, name)
            file = _inside(root, path)
            if name.lower().endswith(".damaged"):
                yield Fault(file, f"{file} is a damaged record that was set aside: remove it")
            elif name.lower().endswith(".json") and path not in records:
                yield Fault(file, f"{file} lies where no record belongs: records are PROFILE/TASK/NAME.json; move it")


def _inside(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix().encode(errors="replace").decode()  # a name on a disk may be no UTF-8


def _printable(text: str) -> str:
    """On one line, and without what would steer a terminal: it may come from a stranger's file."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)
