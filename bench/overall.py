"""One number for an activation over many tasks: the mean log-ratio to ReLU, its interval, and ranks that count only
who is better beyond chance.

A task's log-ratio is ln(skill / ReLU's skill), where skill is the mean score less the score of a guess, or ln(ReLU's
mean / mean) where lower is better; scores that are logarithms already are subtracted. It is taken over tasks of a
family, then over families. After the figure of "Mining Generalizable Activation Functions" (arXiv 2602.05688), which
does not say how its scores are standardised: this way is ours.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bench.compare import BASELINE, LAB, Board, TaskTable
from bench.inference import ALPHA, FEWEST_PAIRS, Estimate, half_width, holm, p_value

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]

_ROUNDING = 1e-12
"""Share of two variances below which that of the difference is rounding."""


@dataclass(frozen=True)
class Overall:
    """One activation over all tasks of a board."""

    label: str
    gaps: tuple[str, ...]
    """What keeps it out of the ranking, in words; empty for a ranked one."""
    rank: int | None
    """1 + the number of rows that are better beyond chance; None where something is missing."""
    tested: bool
    """Whether it has pairs enough for a test against any other row; otherwise its rank is 1 for want of seeds."""
    field: Estimate | None
    """Mean log-ratio to ReLU over the families that are not the lab."""
    lab: Estimate | None
    """The same over the lab's families of problems."""
    worst: tuple[str, float] | None
    """The task with the smallest log-ratio to ReLU, and that ratio; the lab only where there is nothing else."""
    outcomes: Counter[str]
    """Outcomes of its cells."""

    @property
    def ranked_by(self) -> Estimate | None:
        """The number that ranks it: of the field, or of the lab where the board has nothing else."""
        return self.field or self.lab

    @property
    def place(self) -> str:
        """Its rank as a table shows it: `1?` where nothing was tested."""
        return "" if self.rank is None else f"{self.rank}{'' if self.tested else '?'}"

    @property
    def diverged(self) -> float:
        """Share of its cells that diverged."""
        return self.outcomes["diverged"] / max(1, sum(self.outcomes.values()))


def rank_board(board: Board) -> tuple[Overall, ...]:
    """Every activation of a board: the ranked ones first, by rank and mean log-ratio; then the others by name."""
    complete = [label for label in board.labels if not board.gaps(label)]
    field = [table for table in board.core if table.task.family != LAB]
    lab = [table for table in board.core if table.task.family == LAB]
    over_field, over_lab = Means.of(field, complete), Means.of(lab, complete)
    chosen = over_field or over_lab
    hopeless = chosen.undefined(BASELINE) if chosen else []
    relu = ("ReLU is incomplete",) if BASELINE in board.labels and board.gaps(BASELINE) else ()
    rows = []
    for label in board.labels:
        gaps = tuple(board.gaps(label)) or relu
        lost = [] if gaps or chosen is None else chosen.undefined(label)
        gaps += tuple(
            f"{'ReLU' if task in hopeless else 'its score'} on {task} is no better than a guess" for task in lost
        )
        ranked = not gaps and chosen is not None
        rows.append(
            Overall(
                label=label,
                gaps=gaps,
                rank=None,
                tested=False,
                field=over_field.against(label) if ranked and over_field else None,
                lab=over_lab.against(label) if not board.gaps(label) and over_lab else None,
                worst=chosen.worst(label) if ranked and chosen else None,
                outcomes=Counter(
                    record.outcome
                    for table in board.tables
                    if label in table.by_label
                    for record in table.by_label[label].records
                ),
            )
        )
    return _ordered(rows, chosen)


def _ordered(rows: Sequence[Overall], means: Means | None) -> tuple[Overall, ...]:
    ranked = [row for row in rows if not row.gaps and row.ranked_by is not None]
    others = [row for row in rows if row not in ranked]
    if means is not None:
        labels = [row.label for row in ranked]
        beaten, tested = means.beaten(labels), means.tested(labels)
        ranked = [replace(row, rank=1 + beaten[row.label], tested=row.label in tested) for row in ranked]
    ranked.sort(
        key=lambda row: (not row.tested, row.rank or 0, -(row.ranked_by.value if row.ranked_by else 0), row.label)
    )
    return (*ranked, *others)


def log_ratios(table: TaskTable, labels: Sequence[str]) -> tuple[Matrix, Matrix, Matrix]:
    """Log-ratio of every activation to every other on one task, over the seeds that both have.

    Returns:
        Three float64 arrays (labels, labels): the log-ratio of row to column, its squared standard error by the delta
        method on the pairs, and the number of pairs. NaN where a mean is no better than a guess, or pairs are missing.
    """
    import numpy as np

    seeds = sorted({seed for label in labels for seed in table.by_label[label].scores})
    scores = np.array([[table.by_label[label].scores.get(seed, math.nan) for seed in seeds] for label in labels])
    there = ~np.isnan(scores)
    skills, mask = np.where(there, skill(table, scores), 0.0), there.astype(float)
    with np.errstate(all="ignore"):
        n = mask @ mask.T
        mean = (skills @ mask.T) / n  # of the row, over the seeds that it shares with the column
        square = (skills**2 @ mask.T) / n
        product = (skills @ skills.T) / n
        variance = square - mean**2
        covariance = product - mean * mean.T
        scale = np.ones_like(mean) if is_logarithm(table) else mean
        ratio = mean - mean.T if is_logarithm(table) else np.log(mean) - np.log(mean.T)
        apart = variance / scale**2 + variance.T / scale.T**2
        spread = apart - 2 * covariance / (scale * scale.T)
        error = np.where(spread > _ROUNDING * apart, spread, 0.0) / (n - 1)
    if not table.task.metric.higher_is_better:
        ratio = -ratio
    ratio[~np.isfinite(ratio)] = math.nan
    return ratio, error, n


def skill(table: TaskTable, scores: Matrix) -> Matrix:
    """Scores on the scale whose logarithm is taken, or whose difference where scores are logarithms already."""
    metric = table.task.metric
    if is_logarithm(table):
        return scores * math.log(10)
    return scores - (metric.chance or 0.0) if metric.higher_is_better else scores


def is_logarithm(table: TaskTable) -> bool:
    """Whether a task's scores are logarithms already."""
    return table.task.metric.unit.startswith("log10")


@dataclass(frozen=True)
class Means:
    """Mean log-ratios between all complete activations over some tasks."""

    labels: list[str]
    tasks: list[str]
    single: Any
    """Log-ratios of each task, float64 (tasks, labels, labels)."""
    ratio: Matrix
    error: Matrix
    """Squared standard error of the mean."""
    df: Matrix
    """By Welch and Satterthwaite."""
    pairs: Matrix
    """On the task that has the fewest."""

    @staticmethod
    def of(tables: Sequence[TaskTable], labels: list[str]) -> Means | None:
        """Over some tasks, on each of which all of the labels have a score; None without tasks or without ReLU."""
        import numpy as np

        if not tables or BASELINE not in labels:
            return None
        sizes = Counter(table.task.family for table in tables)
        weights = np.array([1 / (len(sizes) * sizes[table.task.family]) for table in tables])[:, None, None]
        ratio, error, n = (np.stack(parts) for parts in zip(*(log_ratios(t, labels) for t in tables), strict=True))
        with np.errstate(all="ignore"):
            parts = weights**2 * error
            df = parts.sum(0) ** 2 / (parts**2 / (n - 1)).sum(0)
        return Means(labels, [t.task.name for t in tables], ratio, (weights * ratio).sum(0), parts.sum(0), df, n.min(0))

    def against(self, label: str, other: str = BASELINE) -> Estimate | None:
        """Mean log-ratio of one activation to another."""
        place = self.labels.index(label), self.labels.index(other)
        value, error, df = float(self.ratio[place]), float(self.error[place]), float(self.df[place])
        if math.isnan(value):
            return None
        reach = half_width(math.sqrt(error), df) if error > 0 else 0.0 if label == other else math.nan
        return Estimate(value, value - reach, value + reach)

    def undefined(self, label: str) -> list[str]:
        """Tasks on which the activation has no log-ratio to ReLU."""
        found = self.single[:, self.labels.index(label), self.labels.index(BASELINE)]
        return [task for task, value in zip(self.tasks, found, strict=True) if math.isnan(value)]

    def worst(self, label: str) -> tuple[str, float]:
        """The task with the smallest log-ratio to ReLU."""
        found = self.single[:, self.labels.index(label), self.labels.index(BASELINE)]
        place = int(found.argmin())
        return self.tasks[place], float(found[place])

    def beaten(self, labels: Sequence[str]) -> dict[str, int]:
        """For each activation, how many of the others are better: t tests of all two with pairs enough, adjusted by
        Holm."""
        places = [self.labels.index(label) for label in labels]
        pairs = [(a, b) for i, a in enumerate(places) for b in places[i + 1 :]]
        raw = [self._p(*pair) for pair in pairs]
        losses = Counter(
            (b if self.ratio[a, b] > 0 else a) for (a, b), p in zip(pairs, holm(raw), strict=True) if p < ALPHA
        )
        return {label: losses[self.labels.index(label)] for label in labels}

    def tested(self, labels: Sequence[str]) -> set[str]:
        """Those of the activations that have pairs enough with any other of them."""
        places = [self.labels.index(label) for label in labels]
        return {self.labels[a] for a in places if any(self.pairs[a, b] >= FEWEST_PAIRS for b in places if b != a)}

    def p(self, label: str, other: str = BASELINE) -> float:
        """Of the t test that two activations are alike; NaN where some task has too few pairs of them."""
        return self._p(self.labels.index(label), self.labels.index(other))

    def _p(self, a: int, b: int) -> float:
        if self.pairs[a, b] < FEWEST_PAIRS:
            return math.nan
        return p_value(float(self.ratio[a, b]), math.sqrt(float(self.error[a, b])), float(self.df[a, b]))
