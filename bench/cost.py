"""What an activation costs, against ReLU on the same machine, and which rows no other row beats in quality and cost."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

from bench.compare import BASELINE, LAB, Board, Row, TaskTable
from bench.overall import Overall

Ratio = Callable[[Row], float | None]
TIME: Ratio = attrgetter("time_ratio")
MEMORY: Ratio = attrgetter("memory_ratio")


@dataclass(frozen=True)
class Cost:
    """The cost of one activation over the tasks of a board."""

    flops: float | None
    """Floating-point operations an element."""
    time: float | None
    """Geometric mean of the ratio of training time to ReLU's, over tasks of a family and then over families; None where
    one of the tasks lacks it."""
    memory: float | None
    """The same of peak memory."""
    frontier: bool
    """Ranked, and no other ranked row is at least as good and as cheap, and better in one of the two."""


def costs(board: Board, overall: Sequence[Overall]) -> dict[str, Cost]:
    """The cost of every activation of a board."""
    times, memories = (_means(board, overall, ratio) for ratio in (TIME, MEMORY))
    points = {}
    for row in overall:
        time, gain = times[row.label], row.ranked_by
        if time is not None and gain is not None and row.rank is not None:
            points[row.label] = (gain.value, time)
    best = frontier(points)
    return {
        label: Cost(
            flops=next(t.by_label[label].records[0].activation.flops for t in board.tables if label in t.by_label),
            time=times[label],
            memory=memories[label],
            frontier=label in best,
        )
        for label in board.labels
    }


def timed(board: Board, overall: Sequence[Overall], ratio: Ratio = TIME) -> tuple[TaskTable, ...]:
    """The tasks that a mean ratio is over, so that what is held against each other is over the same ones.

    Of the tasks of the field, or of the lab where there are no others, those that make the largest table of tasks and
    ranked rows without a gap, where rows count twice (tasks times rows squared): a few rows with many tasks should not
    take their numbers from all others. ReLU's ratio to itself does not count.
    """
    tables = [table for table in board.tables if table.task.family != LAB] or list(board.tables)
    asked = {row.label for row in overall if row.rank is not None} or set(board.labels)
    known = {
        table.task.name: {row.label for row in table.rows if row.label in asked and ratio(row) is not None} - {BASELINE}
        for table in tables
    }
    wholes = [(rows, [table for table in tables if rows <= known[table.task.name]]) for rows in known.values() if rows]
    return tuple(
        max(wholes, key=lambda whole: (len(whole[0]) ** 2 * len(whole[1]), len(whole[0])), default=(set(), []))[1]
    )


def frontier_of(rows: Sequence[Row], higher_is_better: bool) -> set[str]:
    """The Pareto front of one task: mean difference to ReLU against the ratio of training time."""
    sign = 1 if higher_is_better else -1
    return frontier(
        {
            row.label: (sign * row.difference.mean, row.time_ratio)
            for row in rows
            if row.complete and row.difference is not None and row.time_ratio is not None
        }
    )


def frontier(points: Mapping[str, tuple[float, float]]) -> set[str]:
    """Labels whose (quality, cost) no other point beats: as good and as cheap, and better in one of the two."""
    best = math.inf
    found = set()
    for quality in sorted({quality for quality, _ in points.values()}, reverse=True):
        cheapest = min(cost for value, cost in points.values() if value == quality)
        if cheapest < best:
            found |= {label for label, point in points.items() if point == (quality, cheapest)}
            best = cheapest
    return found


def _means(board: Board, overall: Sequence[Overall], ratio: Ratio) -> dict[str, float | None]:
    tables = timed(board, overall, ratio)
    return {label: _mean(tables, label, ratio) for label in board.labels}


def _mean(tables: Sequence[TaskTable], label: str, ratio: Ratio) -> float | None:
    families = defaultdict(list)
    for table in tables:
        found = ratio(table.by_label[label]) if label in table.by_label else None
        if found is None:
            return None
        families[table.task.family].append(found)
    means = [statistics.geometric_mean(ratios) for ratios in families.values()]
    return statistics.geometric_mean(means) if means else None
