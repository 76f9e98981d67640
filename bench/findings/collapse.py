"""Question 2: do functions that look at statistics of a batch or of features collapse in the field?

A function has collapsed on a task if training broke down (`diverged`, `out_of_memory`), or if it keeps less than `KEPT`
of ReLU's skill, beyond chance: a one-sided paired t test of skill − `KEPT` · ReLU's skill. It holds its ground if it
keeps more, beyond chance. Everything else is open. The share and the rule are our choice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum

from bench.compare import BASELINE, Row, Spread, TaskTable
from bench.evidence import Evidence
from bench.findings.predict import learned_tasks
from bench.inference import ALPHA, FEWEST_PAIRS, Estimate, holm, lower_tail
from bench.overall import Means, is_logarithm, skill

KEPT = 0.9
"""Share of ReLU's skill, its score counted from the level of a guess, below which a function has collapsed."""
BROKE_DOWN = ("diverged", "out_of_memory")
"""Outcomes that say something of the function; the others say something of the machine or the harness."""


class State(Enum):
    """What became of a function."""

    COLLAPSED = "✕"
    HELD = "✓"
    OPEN = "?"


@dataclass(frozen=True)
class OnTask:
    """One function on one task of the field."""

    task: str
    ratio: Estimate | None
    """Log-ratio to ReLU; None where its mean is no better than a guess, or no seed is shared."""
    pairs: int
    broke_down: int
    """Cells whose training did."""
    failed: int
    """Other cells without a score."""
    below: float
    """p that it keeps less than `KEPT`, adjusted by Holm over the function's tasks; NaN where nothing is tested."""
    above: float
    """p that it keeps more; not adjusted, since it must do so on every task."""

    @property
    def state(self) -> State:
        """On this task."""
        if self.broke_down or self.below < ALPHA:
            return State.COLLAPSED
        return State.HELD if self.above < ALPHA and not self.failed else State.OPEN


@dataclass(frozen=True)
class Fate:
    """What became of one function in the field."""

    function: str
    pointwise: bool
    lab: Estimate | None
    field: Estimate | None
    """Mean log-ratios to ReLU, as on the board; None where a task is missing or failed."""
    tasks: tuple[OnTask, ...]
    """Of the field, those that are learned and that it was run on."""
    missed: int
    """Others of these tasks."""

    @property
    def collapsed(self) -> tuple[str, ...]:
        """The tasks on which it did."""
        return tuple(one.task for one in self.tasks if one.state is State.COLLAPSED)

    @property
    def state(self) -> State:
        """Collapsed somewhere, held its ground everywhere, or open."""
        if self.collapsed:
            return State.COLLAPSED
        return State.HELD if not self.missed and all(one.state is State.HELD for one in self.tasks) else State.OPEN

    @property
    def judged(self) -> bool:
        """Whether it was tried often enough on every task to be counted, whatever came out."""
        return not self.missed and all(one.pairs + one.broke_down >= FEWEST_PAIRS for one in self.tasks)


def fates(evidence: Evidence) -> tuple[Fate, ...]:
    """Every function but ReLU, those that are not pointwise first."""
    board, field = evidence.board, learned_tasks(evidence.board)
    overall = {row.label: row for row in evidence.overall}
    rows = []
    for label in board.labels:
        found = [_on_task(table, label) for table in field if label in table.by_label]
        if label == BASELINE or not found:
            continue
        adjusted = holm([one.below for one in found])
        rows.append(
            Fate(
                label,
                evidence.facts[label].pointwise,
                overall[label].lab,
                overall[label].field,
                tuple(replace(one, below=p) for one, p in zip(found, adjusted, strict=True)),
                missed=len(field) - len(found),
            )
        )
    return tuple(sorted(rows, key=lambda row: (row.pointwise, row.function)))


def _on_task(table: TaskTable, label: str) -> OnTask:
    row: Row = table.by_label[label]
    broke_down = sum(record.outcome in BROKE_DOWN for record in row.failures)
    failed = len(row.failures) - broke_down
    excess = Spread.of(_excess(table, row))
    if excess is None:
        return OnTask(table.task.name, None, 0, broke_down, failed, math.nan, math.nan)
    below = above = math.nan
    if excess.n >= FEWEST_PAIRS and excess.sd:
        t = excess.mean / (excess.sd / math.sqrt(excess.n))
        below, above = lower_tail(t, excess.n - 1), lower_tail(-t, excess.n - 1)
    means = Means.of([table], [BASELINE, label])
    ratio = means.against(label) if means is not None else None
    return OnTask(table.task.name, ratio, excess.n, broke_down, failed, below, above)


def _excess(table: TaskTable, row: Row) -> list[float]:
    """By how much a function's skill exceeds the share of ReLU's that it has to keep, seed by seed; better is more."""
    import numpy as np

    relu, higher = table.by_label[BASELINE].scores, table.task.metric.higher_is_better
    seeds = sorted(row.scores.keys() & relu.keys())
    own, theirs = (skill(table, np.array([scores[seed] for seed in seeds])) for scores in (row.scores, relu))
    better, worse = (own, theirs) if higher else (theirs, own)
    excess = better - worse - math.log(KEPT) if is_logarithm(table) else better - KEPT * worse
    return [float(value) for value in excess]
