"""What an hour bought: cells an hour of one worker, and where the time went."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from bench.compare import Board
from bench.describe import machine_of
from bench.records import Record


@dataclass(frozen=True)
class Hour:
    """What an hour of one worker buys on a task."""

    task: str
    machine: str
    cells: int
    """With a score."""
    seconds: float
    """A cell, its share of a worker's start included; what failed cells took is spread over the others."""
    training: float
    """Share of it in the training loop."""
    testing: float
    """Share of it in evaluations."""

    @property
    def an_hour(self) -> float:
        """Cells an hour of one worker."""
        return 3600 / self.seconds


def hours(board: Board) -> Iterator[Hour]:
    """What the cells of a board took, a row a task and kind of machine."""
    for table in board.tables:
        machines: dict[str, list[Record]] = defaultdict(list)
        for record in table.records:
            machines[machine_of(record)].append(record)
        for machine, records in sorted(machines.items()):
            scored = sum(record.score is not None for record in records)
            total = math.fsum(record.times.total + record.times.startup for record in records)
            training = math.fsum(record.times.train or 0.0 for record in records)
            testing = math.fsum(record.times.eval or 0.0 for record in records)
            if scored and total:
                yield Hour(table.task.name, machine, scored, total / scored, training / total, testing / total)
