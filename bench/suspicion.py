"""What records say about each other: the same cell twice, a run copied under another seed or name, an odd score.

A loss curve is made of the seed's weights and data and of the function, so two runs cannot share one to five digits.
Other curves may repeat honestly (a count of steps, a learning rate, a validation score that saturates); they are not
looked at, and neither are short or flat ones.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.errors import DamagedRecord
from bench.plausible import score_names
from bench.records import Record
from bench.soundness import Reading, has_stated_recipe, read_graph
from bench.store import Store

if TYPE_CHECKING:
    from activations import Graph

FEWEST_VALUES = 10
"""A loss curve with fewer distinct values tells nothing: it is short, or nothing was learned."""


@dataclass(frozen=True)
class Fingerprint:
    """What is kept of a record to hold others against it."""

    file: str
    id: str
    profile: str
    protocol: tuple[str, int, str]
    """Task, version and recipe: only runs under the same one are held against each other."""
    seed: int
    graph: Graph | None
    """None where it cannot be read."""
    losses: frozenset[str]
    """Digests of the loss curves, of a scored run alone."""
    scored_by: frozenset[str]
    """Metrics whose value is the score; empty where there is no score, or no such metric."""
    stated: bool
    """Whether the registered task states this recipe for this profile."""


def fingerprint_of(record: Record, file: str) -> Fingerprint:
    """What is kept of a record that lies in this file."""
    read = read_graph(record)
    return Fingerprint(
        file=file,
        id=record.id,
        profile=record.profile,
        protocol=(record.task.name, record.task.version, json.dumps(record.recipe, sort_keys=True)),
        seed=record.seed,
        graph=read.graph if isinstance(read, Reading) else None,
        losses=_loss_digests(record) if record.outcome == "ok" else frozenset(),
        scored_by=score_names(record),
        stated=has_stated_recipe(record),
    )


class Ledger:
    """The records seen so far."""

    def __init__(self) -> None:
        self._cells: dict[str, Fingerprint] = {}
        self._losses: dict[tuple[str, int, str, str], Fingerprint] = {}
        self._scored: dict[tuple[str, int], Counter[str]] = defaultdict(Counter)
        self._scores: Counter[tuple[str, int]] = Counter()

    def add(self, fingerprint: Fingerprint) -> None:
        """Take a record into account from now on."""
        self._cells.setdefault(fingerprint.id, fingerprint)
        for digest in fingerprint.losses:
            self._losses.setdefault((*fingerprint.protocol, digest), fingerprint)
        if fingerprint.scored_by:
            self._scored[fingerprint.protocol[:2]].update(fingerprint.scored_by)
            self._scores[fingerprint.protocol[:2]] += 1

    def copies(self, fingerprint: Fingerprint) -> list[str]:
        """What shows a record to be a copy of one seen before; sentences without their subject, the record's file."""
        found = []
        same = self._cells.get(fingerprint.id)
        if same is not None and (same.profile == fingerprint.profile or not (same.stated and fingerprint.stated)):
            found.append(f"is the same cell as {same.file}: keep one of them")
        for digest in sorted(fingerprint.losses):
            other = self._losses.get((*fingerprint.protocol, digest))
            if other is None or other.id == fingerprint.id or _may_agree(fingerprint, other):
                continue
            what = "seed" if fingerprint.seed != other.seed else "function"
            found.append(
                f"has the loss curve of {other.file}, a run of another {what}, so one of them is a copy: remove both "
                "and run them again"
            )
            break
        return found

    def odd_score(self, fingerprint: Fingerprint) -> list[str]:
        """Whether a record's score is another metric than in most records of its task; a sentence as in `copies`."""
        task = fingerprint.protocol[:2]
        most = max(self._scored[task].values(), default=0)
        usual = {name for name, count in self._scored[task].items() if count == most}
        if not fingerprint.scored_by or 2 * most <= self._scores[task] or usual & fingerprint.scored_by:
            return []
        return [
            f"has its {' and '.join(sorted(fingerprint.scored_by))} as the score, where other records of {task[0]} "
            f"have their {' and '.join(sorted(usual))}: remove it and run the cell again"
        ]


def ledger_of(store: Store) -> Ledger:
    """The sound records of a store."""
    ledger = Ledger()
    for path in store.paths():
        with contextlib.suppress(DamagedRecord):
            ledger.add(fingerprint_of(store.read(path), "/".join(path.parts[-3:])))
    return ledger


def _loss_digests(record: Record) -> frozenset[str]:
    digests = set()
    for name, curve in record.curves.items():
        values = [f"{value:.4e}" for value in curve] if "loss" in name else []
        if len(set(values)) >= FEWEST_VALUES:
            digests.add(hashlib.sha256(f"{name} {' '.join(values)}".encode()).hexdigest())
    return frozenset(digests)


def _may_agree(first: Fingerprint, second: Fingerprint) -> bool:
    """Whether two runs can honestly be alike: one seed, and functions that hardly differ where networks compute."""
    if first.seed != second.seed or first.graph is None or second.graph is None:
        return False
    import numpy as np

    from activations.to_numpy import to_numpy

    x = np.linspace(-1.0, 1.0, 96).reshape(8, 12)
    try:
        with np.errstate(all="ignore"):
            one, other = to_numpy(first.graph)(x), to_numpy(second.graph)(x)
    except Exception:  # a stranger's graph may be well formed and yet fail to run, in any way
        return False
    return bool(np.allclose(one, other, rtol=1e-3, atol=1e-6, equal_nan=True))
