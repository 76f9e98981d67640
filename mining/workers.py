"""Processes that train candidates: one thread each, so that a score is the same whatever else runs beside it."""

from __future__ import annotations

import math
import multiprocessing
import os
import sys
import threading
import traceback
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Protocol

from mining.population import Evaluation
from mining.settings import Job
from tasks.signals import ignore_interrupts, interrupts_held

HEARTBEAT = 1.0
"""Seconds after which a pool without news says so."""

if TYPE_CHECKING:
    from multiprocessing.queues import SimpleQueue

    from activations import Graph
    from mining.fitness import Rung, Score


class Fitness(Protocol):
    """What a worker scores with, such as `mining.fitness.LabFitness`."""

    def score(self, graph: Graph, rung: Rung) -> Score:
        """Train one candidate on a rung."""
        ...


class Workers:
    """A pool of processes with a fitness in each; a context manager."""

    def __init__(
        self, make: Callable[[], Fitness], processes: int = 1, environments: Sequence[Mapping[str, str]] = ()
    ) -> None:
        """A pool that starts at its first job.

        Args:
            make: called once in every process, so it must survive pickling: a class, or a `partial` of one.
            processes: how many train at a time.
            environments: variables for each process, such as the GPU that it sees; none where left out.
        """
        self._make = make
        self._lanes = list(environments) or [{} for _ in range(processes)]
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

    def __call__(self, jobs: Sequence[Job]) -> Generator[Evaluation | None]:
        """Train every job; results come as they are done, and None when none came for a second. Closing the iterator
        leaves the rest undone. Where a process is killed, the jobs that were in work are done again one at a time; one
        that kills its process again has the worst fitness.
        """
        waiting, suspects = list(jobs), set[str]()
        running: dict[Future[Evaluation], Job] = {}
        while waiting or running:
            while waiting and len(running) < (1 if suspects else len(self._lanes)):
                job = waiting.pop(0)
                with interrupts_held():  # a submission may start a process
                    running[self._executor().submit(_train, job)] = job
            done, _ = wait(running, timeout=HEARTBEAT, return_when=FIRST_COMPLETED)
            if not done:
                yield None
            for future in done:
                job = running.pop(future)
                try:
                    result = future.result()
                except BrokenProcessPool:
                    self.close()
                    if job.hash in suspects:  # it ran alone
                        yield _lost(job, "its process was killed twice, perhaps for want of memory")
                        suspects.discard(job.hash)
                    else:
                        retried = [job, *running.values()]
                        suspects |= {each.hash for each in retried}
                        waiting = retried + waiting
                    running.clear()
                    break
                suspects.discard(job.hash)
                yield result

    def _executor(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            places = context.SimpleQueue()
            for environment in self._lanes:
                places.put(dict(environment))
            self._pool = ProcessPoolExecutor(len(self._lanes), context, _prepare, (self._make, places))
        return self._pool


_fitness: Fitness | None = None


def _prepare(make: Callable[[], Fitness], places: SimpleQueue[dict[str, str]]) -> None:
    """Set a worker up: its environment first, one thread, no signals of the terminal, an end when the parent ends."""
    ignore_interrupts()
    os.environ.update(places.get())
    import torch

    global _fitness
    threading.Thread(target=_die_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    _fitness = make()


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _lost(job: Job, reason: str) -> Evaluation:
    """The worst fitness, and why on standard error."""
    print(f"candidate {job.hash} failed on rung {job.rung.name}: {reason}", file=sys.stderr)
    return Evaluation(job.hash, job.rung.name, math.inf, {}, {}, job.rung.exact, 0.0)


def _train(job: Job) -> Evaluation:
    """The job's evaluation; what fails in an unforeseen way has the worst fitness, and says why on standard error.

    Raises:
        OSError, tasks.TaskError: the machine or the data is at fault, not the candidate.
    """
    from tasks import TaskError

    assert _fitness is not None
    try:
        score = _fitness.score(job.graph, job.rung)
    except (OSError, TaskError):
        raise
    except Exception:
        return _lost(job, traceback.format_exc())
    return Evaluation(
        job.hash, job.rung.name, score.fitness, score.families, score.problems, score.exact, score.cpu_seconds
    )
