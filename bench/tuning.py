"""The rules of `bench tune`: which trials are run, and which learning rate their validation numbers choose.

Every activation gets the same budget on a task: the same factors on the recipe's learning rate, each trained from the
same seeds, none of them a seed of evaluation. The best mean validation number chooses; the test score takes no part. A
factor with a diverged trial counts as worst, and of equal means the factor nearest 1 wins. All of this is our choice.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.plan import Cell, override
from bench.profiles import base_of
from bench.records import Record, Tuning
from tasks.base import Selection, TaskSpec

if TYPE_CHECKING:
    from activations import Activation

FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""What the recipe's learning rate is multiplied by; the recipes that are stated were not tuned for any activation."""
ENDED = ("ok", "diverged")
"""Outcomes of a trial that say something of the learning rate."""


@dataclass(frozen=True)
class Grid:
    """The trials of one activation on one task."""

    task: TaskSpec
    selection: Selection
    activation: Activation
    base: float
    """The recipe's own learning rate."""
    trials: Mapping[float, tuple[Cell, ...]]
    """By factor, one cell a tuning seed."""

    @property
    def cells(self) -> list[Cell]:
        """All of them."""
        return [cell for cells in self.trials.values() for cell in cells]


@dataclass(frozen=True)
class Choice:
    """What the trials of a grid say."""

    grid: Grid
    means: tuple[float | None, ...]
    """Mean validation number by factor over the trials that ended: None where one diverged, nan where none ended; empty
    where they measured something else.
    """
    tuning: Tuning | None
    """None where nothing could be chosen."""
    reason: str = ""
    """One sentence where nothing could be chosen."""

    @property
    def at_edge(self) -> bool:
        """Whether a better rate may lie beyond the grid."""
        return self.tuning is not None and self.tuning.at_edge


def obstacle(spec: TaskSpec, profile: str) -> str:
    """Why a task cannot be tuned, in one sentence; empty where it can."""
    if spec.selection is None:
        return f"task {spec.name} cannot be tuned: it states no validation number to choose a learning rate by"
    rate = getattr(spec.recipes[profile], spec.selection.learning_rate, None)
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or rate <= 0:
        return f"task {spec.name} cannot be tuned: its recipe has no learning rate {spec.selection.learning_rate!r}"
    return ""


def make_grids(cells: Sequence[Cell]) -> list[Grid]:
    """The trials of a plan whose seeds are those of tuning; every task has a selection and a learning rate."""
    grouped: dict[tuple[str, str], list[Cell]] = defaultdict(list)
    for cell in cells:
        grouped[cell.task.name, cell.activation.graph.hash].append(cell)
    grids = []
    for held in grouped.values():
        selection = held[0].task.selection
        assert selection is not None
        trials = {factor: tuple(with_rate(cell, factor, selection.recipe) for cell in held) for factor in FACTORS}
        grids.append(Grid(held[0].task, selection, held[0].activation, own_rate(held[0]), trials))
    return grids


def own_rate(cell: Cell) -> float:
    """The learning rate that the task states for the cell's profile."""
    assert cell.task.selection is not None
    rate: float = getattr(cell.task.recipes[base_of(cell.profile)], cell.task.selection.learning_rate)
    return rate


def with_rate(
    cell: Cell, factor: float, changes: Mapping[str, int | float] | None = None, tuning: Tuning | None = None
) -> Cell:
    """A cell at a multiple of its learning rate; at 1, and without other changes, its id stays that of the recipe."""
    assert cell.task.selection is not None
    rate = {} if factor == 1 else {cell.task.selection.learning_rate: factor * own_rate(cell)}
    return override(cell, {**(changes or {}), **rate}, tuning)


def decide(grid: Grid, find: Callable[[Cell], Record | None]) -> Choice:
    """Choose a factor from the trials' records; `find` gives None where a trial has none.

    A trial that crashed, timed out or is missing says nothing of the learning rate: then nothing is chosen, and the
    means are of those that ended.
    """
    found = {factor: [find(cell) for cell in cells] for factor, cells in grid.trials.items()}
    ended = [[record for record in held if record is not None and record.outcome in ENDED] for held in found.values()]
    name = grid.selection.metric
    if any(record.outcome == "ok" and name not in record.metrics for held in ended for record in held):
        return Choice(grid, (), None, f"its trials measured no {name}, by which the task wants to choose")
    means = tuple(_mean(held, name) if held else math.nan for held in ended)
    records = [record for held in found.values() for record in held]
    missing = Counter(
        "missing" if record is None else record.outcome.replace("_", " ")
        for record in records
        if record is None or record.outcome not in ENDED
    )
    if missing:
        words = ", ".join(f"{count} {outcome}" for outcome, count in sorted(missing.items()))
        return Choice(grid, means, None, f"{missing.total()} of {len(records)} trials gave no number ({words})")
    if all(mean is None for mean in means):
        return Choice(grid, means, None, "a trial diverged at every learning rate")
    return Choice(grid, means, _tuning(grid, means))


def _mean(records: Sequence[Record], name: str) -> float | None:
    """Mean validation number of one factor; None where one of its trials diverged."""
    mean = statistics.fmean(record.metrics[name] if record.outcome == "ok" else math.nan for record in records)
    return mean if math.isfinite(mean) else None


def _tuning(grid: Grid, means: Sequence[float | None]) -> Tuning:
    sign = 1 if grid.selection.higher_is_better else -1
    known = {factor: sign * mean for factor, mean in zip(grid.trials, means, strict=True) if mean is not None}
    best = [factor for factor, mean in known.items() if mean == max(known.values())]
    return Tuning(
        lr=grid.selection.learning_rate,
        base=grid.base,
        factors=tuple(grid.trials),
        seeds=tuple(cell.seed for cell in next(iter(grid.trials.values()))),
        metric=grid.selection.metric,
        higher_is_better=grid.selection.higher_is_better,
        trials=dict(grid.selection.recipe),
        means=tuple(means),
        chosen=min(best, key=lambda factor: (abs(math.log(factor)), factor)),
    )
