"""Processes that train candidates: one thread each, so that a score is the same whatever else runs beside it."""

from __future__ import annotations

import math
import multiprocessing
import os
import sys
import threading
import traceback
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Protocol

from mining.population import Evaluation
from mining.settings import Job

if TYPE_CHECKING:
    from activations import Graph
    from mining.fitness import Rung, Score


class Fitness(Protocol):
    """What a worker scores with, such as `mining.fitness.LabFitness`."""

    def score(self, graph: Graph, rung: Rung) -> Score:
        """Train one candidate on a rung."""
        ...


class WorkerDied(RuntimeError):
    """A process was killed while it trained a candidate, twice; the message names the candidate."""


class Workers:
    """A pool of processes with a fitness in each; a context manager."""

    def __init__(self, make: Callable[[], Fitness], processes: int = 1) -> None:
        """`make` is called once in every process, so it must survive pickling: a class, or a `partial` of one."""
        self._make, self._processes = make, processes
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the processes without waiting for what they are doing."""
        if self._pool is not None:
            for process in list((self._pool._processes or {}).values()):
                process.kill()
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def __call__(self, jobs: Sequence[Job]) -> Generator[Evaluation]:
        """Train every job; results come as they are done. Closing the iterator leaves the rest undone.

        Raises:
            WorkerDied: a process was killed twice over one job.
        """
        waiting, died = list(jobs), dict[str, int]()
        running: dict[Future[Evaluation], Job] = {}
        while waiting or running:
            while waiting and len(running) < self._processes:
                job = waiting.pop(0)
                running[self._executor().submit(_train, job)] = job
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                job = running.pop(future)
                try:
                    result = future.result()
                except BrokenProcessPool:
                    waiting += [job, *running.values()]
                    running.clear()
                    self.close()
                    self._count_death(job, died)
                    break
                yield result

    def _count_death(self, job: Job, died: dict[str, int]) -> None:
        died[job.hash] = died.get(job.hash, 0) + 1
        if died[job.hash] > 1:
            raise WorkerDied(f"the process that trained {job.hash} was killed twice, perhaps for want of memory")

    def _executor(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self._processes, context, _prepare, (self._make,))
        return self._pool


_fitness: Fitness | None = None


def _prepare(make: Callable[[], Fitness]) -> None:
    """Set a worker up: one thread, no signals of the terminal, and an end when the parent ends."""
    import signal

    import torch

    global _fitness
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    _fitness = make()


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _train(job: Job) -> Evaluation:
    """The job's evaluation; what fails in an unforeseen way has the worst fitness, and says why on standard error."""
    assert _fitness is not None
    try:
        score = _fitness.score(job.graph, job.rung)
    except Exception:
        print(f"candidate {job.hash} failed on rung {job.rung.name}:", file=sys.stderr)
        traceback.print_exc()
        return Evaluation(job.hash, job.rung.name, math.inf, {}, {}, job.rung.exact, 0.0)
    return Evaluation(
        job.hash, job.rung.name, score.fitness, score.families, score.problems, score.exact, score.cpu_seconds
    )
