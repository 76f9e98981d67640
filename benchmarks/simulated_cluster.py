"""A run on a cluster by a clock of its own: cells handed out by `bench.queue.Queue`, start-up paid, nodes lost."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count

from bench.plan import Cell
from bench.queue import Job, Queue
from bench.records import Record

A_NODE = 8
"""Workers a node."""
AWAY = 300.0
"""Seconds until another node takes the place of a lost one."""

Seconds = Mapping[str, float]
"""By a cell's id, or by a family of tasks."""


@dataclass(frozen=True)
class Grid:
    """What is to be run, and what is known of it."""

    cells: Sequence[Cell]
    records: Mapping[str, Record]
    """One of each task; the runner's queue is told of cells that end by such."""
    starts: Seconds
    """What a new worker needs before its first cell, by family."""


@dataclass
class Worker:
    """A lane of the cluster."""

    task: str | None = None
    job: Job | None = None
    since: float = 0.0
    """When it got its job."""
    away: bool = False


class Simulation:
    """A run from its first cell to its last; all times in seconds of the simulated clock.

    Args:
        seconds: of each cell.
        workers: how many, on nodes of `A_NODE`.
        rate: how often a node is lost, an hour.
        seed: of the losses.
        queue: what hands out the cells.
    """

    def __init__(
        self,
        grid: Grid,
        seconds: Seconds,
        workers: int,
        rate: float = 0.0,
        seed: int = 0,
        queue: Callable[[Sequence[Cell]], Queue] = Queue,
    ) -> None:
        self.now = 0.0
        """The clock; at the end the makespan."""
        self.started = 0.0
        """What all workers spent on start-up."""
        self.thrown = 0.0
        """What all workers spent on cells that were lost with a node and ran again."""
        self.losses: Counter[str] = Counter()
        """How often each cell was lost."""
        self._grid, self._seconds, self._queue = grid, seconds, queue(grid.cells)
        self._workers = [Worker() for _ in range(workers)]
        self._nodes = [self._workers[first : first + A_NODE] for first in range(0, workers, A_NODE)]
        self._chance, self._rate = random.Random(seed), rate / 3600
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._run()

    def _run(self) -> None:
        for node in self._nodes:
            self._lose_later(node)
        self._fill()
        while len(self._queue) or any(worker.job for worker in self._workers):
            self.now, _, act = heapq.heappop(self._events)
            act()
            self._fill()

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._order), act))

    def _fill(self) -> None:
        """As `Runner._fill`."""
        for worker in self._workers:
            if worker.job is None and not worker.away and len(self._queue):
                running = {other.task for other in self._workers if other.job is not None and other.task is not None}
                job = self._queue.take(worker.task, running)
                assert job is not None
                self._start(worker, job)

    def _start(self, worker: Worker, job: Job) -> None:
        start = 0.0 if worker.task == job.task else self._grid.starts[job.cells[0].task.family]
        self.started += start
        worker.task, worker.job, worker.since = job.task, job, self.now
        self._later(start + sum(self._seconds[cell.id] for cell in job.cells), partial(self._finish, worker, job))

    def _finish(self, worker: Worker, job: Job) -> None:
        """As `Runner._recorded`."""
        if worker.job is not job:
            return  # it was lost meanwhile
        worker.job = None
        for cell in job.cells:
            record = self._grid.records[job.task]
            times = record.times.model_copy(update={"total": self._seconds[cell.id]})
            self._queue.observe(record.model_copy(update={"times": times}))

    def _lose_later(self, node: Sequence[Worker], after: float = 0.0) -> None:
        if self._rate:
            self._later(after + self._chance.expovariate(self._rate), partial(self._lose, node))

    def _lose(self, node: Sequence[Worker]) -> None:
        """As `Runner._lost` for all workers of a node; another node comes up later."""
        for worker in node:
            if worker.job is not None:
                self.thrown += self.now - worker.since
                self.losses.update(cell.id for cell in worker.job.cells)
                self._queue.put_back(worker.job.cells, alone=len(worker.job.cells) > 1)
            worker.task, worker.job, worker.away = None, None, True
        self._later(AWAY, partial(self._come_back, node))
        self._lose_later(node, AWAY)

    def _come_back(self, node: Sequence[Worker]) -> None:
        for worker in node:
            worker.away = False
