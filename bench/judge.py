"""From a board to verdicts: every row of every task against ReLU, with interval, corrected test and resolution."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from bench.clrs import clrs_mean
from bench.compare import BASELINE, Board, Row, Spread, TaskTable
from bench.cost import frontier_of
from bench.inference import (
    ALPHA,
    FEWEST_PAIRS,
    Estimate,
    half_width,
    holm,
    p_value,
    probability_of_improvement,
    resolution,
)

Verdict = Literal["better", "worse", "no different", "not enough seeds", "failed"]

SIGNS: Mapping[Verdict, str] = {
    "better": "▲",
    "worse": "▼",
    "no different": "=",
    "not enough seeds": "?",
    "failed": "✕",
}
"""How a verdict is written where there is no room for words."""

MARGINS: Mapping[str, float] = {"vision": 0.2, "molecules": 0.005, "clrs30": 1.0, "lab": 0.02}
"""Region of equivalence by family of tasks, in the unit of its scores: a difference whose whole interval lies within
this distance of 0 is `no different`. Our choice; docs/protocol.md gives the reasons. Other families have none."""


@dataclass(frozen=True)
class Judgement:
    """One activation against ReLU on one task."""

    row: Row
    difference: Estimate | None
    """Score minus ReLU's, paired by seed, with its own 95 % interval; None where no seed is shared."""
    p: float
    """Of the paired t test, adjusted by Holm over the whole board; NaN where there is no test."""
    improvement: float | None
    """Chance that a run with it scores better than a run with ReLU."""
    resolution: float
    """Smallest difference that so many pairs, so scattered, show with 80 % power; NaN where they are too few."""
    verdict: Verdict | None
    """None for ReLU itself."""

    @property
    def label(self) -> str:
        """The activation."""
        return self.row.label


@dataclass(frozen=True)
class TaskJudgement:
    """Every activation against ReLU on one task."""

    table: TaskTable
    margin: float | None
    """Region of equivalence; None where the family has none."""
    rows: tuple[Judgement, ...]
    """In the order of the table."""
    tests: int
    """Rows of the whole board that are or will be tested, and share the error."""

    @cached_property
    def by_label(self) -> dict[str, Judgement]:
        """Rows by activation."""
        return {row.label: row for row in self.rows}

    @cached_property
    def front(self) -> frozenset[str]:
        """The activations that no other one beats in both quality and training time."""
        return frozenset(frontier_of(self.table.rows, self.table.task.metric.higher_is_better))

    @cached_property
    def pairs(self) -> tuple[int, int]:
        """Pairs of the row that has the fewest, and of the one that has the most; 0 where there is none."""
        counts = [row.row.difference.n for row in self.rows if row.verdict and row.row.difference]
        return min(counts, default=0), max(counts, default=0)

    @cached_property
    def scatter(self) -> float:
        """Standard deviation of the paired differences, pooled over rows; NaN where there is none."""
        spreads = [row.row.difference for row in self.rows if row.verdict and row.row.complete]
        known = [(spread.n - 1, spread.sd**2) for spread in spreads if spread and spread.sd is not None]
        df = sum(weight for weight, _ in known)
        return math.sqrt(sum(weight * variance for weight, variance in known) / df) if df else math.nan

    @cached_property
    def paired_off(self) -> float:
        """Share that pairing by seed takes off the variance of a difference to ReLU, pooled over rows; negative where
        it adds to it, NaN where no row has two pairs or nothing scatters."""
        baseline = self.table.by_label.get(BASELINE)
        apart = together = 0.0
        for row in (judged.row for judged in self.rows if judged.verdict and judged.row.complete):
            if baseline and row.difference and row.difference.sd is not None:
                seeds = row.scores.keys() & baseline.scores.keys()
                own, theirs = ([scores[seed] for seed in seeds] for scores in (row.scores, baseline.scores))
                apart += (len(seeds) - 1) * (statistics.variance(own) + statistics.variance(theirs))
                together += (len(seeds) - 1) * row.difference.sd**2
        return 1 - together / apart if apart else math.nan

    @property
    def resolution(self) -> float:
        """Smallest difference that the most pairs of a row, so scattered on the whole, show with 80 % power; NaN where
        they are too few."""
        return self.needed(self.pairs[1]) if self.pairs[1] >= FEWEST_PAIRS else math.nan

    def needed(self, pairs: int) -> float:
        """The same for another number of pairs."""
        return resolution(pairs, self.tests) * self.scatter


def judge(board: Board) -> tuple[TaskJudgement, ...]:
    """Judge every task of a board, and the mean over CLRS-30 where it is formed; the error is shared by all tests."""
    mean = clrs_mean(board)
    tables = [*board.tables, *([mean] if mean is not None else [])]
    drafts = [(table, row, _p(row)) for table in tables for row in table.rows]
    adjusted = holm([p for _, _, p in drafts])
    tests = sum(row.label != BASELINE and row.complete for _, row, _ in drafts)
    found: dict[str, list[Judgement]] = {table.task.name: [] for table in tables}
    for (table, row, _), p in zip(drafts, adjusted, strict=True):
        found[table.task.name].append(_judge(table, row, p, tests))
    return tuple(
        TaskJudgement(table, margin_of(table), tuple(found[table.task.name]), max(1, tests)) for table in tables
    )


def margin_of(table: TaskTable) -> float | None:
    """The region of equivalence of a task."""
    return MARGINS.get(table.task.family)


def _p(row: Row) -> float:
    """Raw p of a row's test; NaN where there are too few pairs or none, a failed cell, or no scatter."""
    difference = row.difference
    if row.label == BASELINE or row.failures or difference is None or difference.n < FEWEST_PAIRS:
        return math.nan
    return p_value(difference.mean, (difference.sd or 0) / math.sqrt(difference.n), difference.n - 1)


def _judge(table: TaskTable, row: Row, p: float, tests: int) -> Judgement:
    baseline = table.by_label.get(BASELINE)
    higher = table.task.metric.higher_is_better
    difference = interval(row)
    shared = bool(baseline and baseline.scores and row.scores)
    improvement = (
        probability_of_improvement(list(row.scores.values()), list(baseline.scores.values()), higher)
        if baseline and shared
        else None
    )
    spread = row.difference
    resolved = math.nan
    if spread is not None and spread.sd and spread.n >= FEWEST_PAIRS:
        resolved = resolution(spread.n, tests) * spread.sd
    verdict = None if row.label == BASELINE else _verdict(row, difference, p, margin_of(table), higher)
    return Judgement(row, difference, p, improvement, resolved, verdict)


def interval(row: Row, alpha: float = ALPHA) -> Estimate | None:
    """Mean paired difference to ReLU with Student's interval; a single pair has none."""
    return None if row.difference is None else student(row.difference, alpha)


def student(spread: Spread, alpha: float = ALPHA) -> Estimate:
    """The mean of some numbers with Student's interval; a single number has none."""
    if spread.sd is None:
        return Estimate(spread.mean, math.nan, math.nan)
    reach = half_width(spread.sd / math.sqrt(spread.n), spread.n - 1, alpha)
    return Estimate(spread.mean, spread.mean - reach, spread.mean + reach)


def _verdict(row: Row, difference: Estimate | None, p: float, margin: float | None, higher: bool) -> Verdict:
    if row.failures:
        return "failed"
    if difference is None or row.difference is None or row.difference.n < FEWEST_PAIRS:
        return "not enough seeds"
    if margin is not None and -margin <= difference.low and difference.high <= margin:
        return "no different"
    if p < ALPHA:
        return "better" if (difference.value > 0) == higher else "worse"
    return "not enough seeds"


def counted(judged: Sequence[TaskJudgement], label: str) -> dict[Verdict, int]:
    """How many tasks gave an activation each verdict; tasks that it lacks are not among them."""
    verdicts = [task.by_label[label].verdict for task in judged if label in task.by_label]
    return {verdict: verdicts.count(verdict) for verdict in SIGNS}
