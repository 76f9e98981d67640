"""What an activation costs, against ReLU on the same machine, and which rows no other row beats in quality and cost."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.compare import Board, Row
from bench.overall import Overall


@dataclass(frozen=True)
class Cost:
    """The cost of one activation over the tasks of a board."""

    flops: float | None
    """Floating-point operations an element."""
    time: float | None
    """Geometric mean over tasks of the ratio of training time to ReLU's; None where no task has one."""
    memory: float | None
    """The same of peak memory."""
    tasks: int
    """Tasks that have a ratio of time."""
    frontier: bool
    """Ranked, and no other ranked row is at least as good and as cheap, and better in one of the two."""


def costs(board: Board, overall: Sequence[Overall]) -> dict[str, Cost]:
    """The cost of every activation of a board."""
    rows = {
        label: [table.by_label[label] for table in board.tables if label in table.by_label] for label in board.labels
    }
    times = {label: _mean([row.time_ratio for row in held]) for label, held in rows.items()}
    points = {}
    for row in overall:
        time, gain = times[row.label], row.ranked_by
        if time is not None and gain is not None and row.rank is not None:
            points[row.label] = (gain.value, time)
    best = frontier(points)
    return {
        label: Cost(
            flops=held[0].records[0].activation.flops,
            time=times[label],
            memory=_mean([row.memory_ratio for row in held]),
            tasks=sum(row.time_ratio is not None for row in held),
            frontier=label in best,
        )
        for label, held in rows.items()
    }


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


def _mean(ratios: Sequence[float | None]) -> float | None:
    known = [ratio for ratio in ratios if ratio is not None]
    return statistics.geometric_mean(known) if known else None
