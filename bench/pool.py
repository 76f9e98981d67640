"""The parent's side of a worker process: start it, hand it a job, hear from it, end it."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Protocol

from bench import worker
from bench.devices import Lane
from bench.messages import Answer, Assignment, Lost, Progress, Report, Setup, Skipped
from bench.profiles import base_of
from bench.queue import Job
from tasks.signals import interrupts_held

PATIENCE = 3.0
"""Seconds that a process has to end by itself before it is made to."""


@dataclass(frozen=True)
class Conditions:
    """What is the same for every cell of a run."""

    data: Path | None
    plugins: tuple[Path, ...]
    timeout: float
    """Seconds a cell may take, start-up of its worker included; seeds in one program may take their sum."""
    logs: Path
    """Folder for what the libraries print, one file a task."""
    programs: Path
    """Folder in which jax and torch keep what they compiled: cells of one activation share it."""
    fuse: bool = False
    """Whether injected functions are given fused kernels."""


@dataclass(frozen=True)
class GivenUp(Answer):
    """An end that the worker did not report itself: it died, or its time was over."""


Message = Progress | Skipped | Answer | Lost


class Slot(ABC):
    """One lane with at most one worker and at most one job in it."""

    def __init__(self, lane: Lane, conditions: Conditions) -> None:
        self.lane = lane
        self.task: str | None = None
        """The task of the live worker, None where there is none."""
        self.job: Job | None = None
        self.progress: Progress | None = None
        self._conditions = conditions
        self._begun = 0.0

    def start(self, job: Job) -> None:
        """Hand a job to the worker of its task, starting one where there is none."""
        fresh = self.task != job.task
        if fresh:
            self.stop()
        self._begun = time.monotonic()
        self.job, self.progress = job, None
        if fresh:
            self._spawn(job)
            self.task = job.task
        cell = job.cells[0]
        activation = cell.activation
        graph, seeds = activation.graph.to_json(), tuple(each.seed for each in job.cells)
        self._send(Assignment(activation.name, activation.formula, graph, seeds, cell.overrides))

    @property
    def seconds(self) -> float:
        """How long the job in work has been running."""
        return time.monotonic() - self._begun

    def finish(self, keep_worker: bool) -> None:
        """The job in work is over; keep its worker for the next one of its task, or end it."""
        self.job = self.progress = None
        if not keep_worker:
            self.stop()

    @abstractmethod
    def hear(self) -> Message | None:
        """The next message, or how the job was given up: killed, or out of time; None while there is nothing."""

    @abstractmethod
    def stop(self) -> None:
        """End the worker, by force where it does not listen."""

    @abstractmethod
    def _spawn(self, job: Job) -> None: ...

    @abstractmethod
    def _send(self, assignment: Assignment) -> None: ...

    def _setup(self, job: Job) -> Setup:
        kept = {
            "JAX_COMPILATION_CACHE_DIR": str(self._conditions.programs.resolve()),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "TORCHINDUCTOR_COMPILE_THREADS": "1",  # a pool would outlive the worker
            "TORCHINDUCTOR_CACHE_DIR": str(self._conditions.programs.resolve() / "torch"),
        }
        return Setup(
            task=job.task,
            profile=base_of(job.cells[0].profile),
            device=self.lane.device,
            data=self._conditions.data,
            plugins=self._conditions.plugins,
            environment={**self.lane.environment, **kept},
            log=self._conditions.logs / f"{job.task}.log",
            fuse=self._conditions.fuse,
        )

    def _overdue(self) -> GivenUp | None:
        """The end of a job whose time is over."""
        assert self.job is not None
        limit = self._conditions.timeout * len(self.job.cells)
        return self._given_up("timeout", f"no score within {limit:g} s") if self.seconds > limit else None

    def _given_up(self, outcome: str, reason: str) -> GivenUp:
        from datetime import UTC, datetime, timedelta

        assert self.job is not None
        together = len(self.job.cells)
        begun = (datetime.now(UTC) - timedelta(seconds=self.seconds)).isoformat(timespec="seconds")
        share = self.seconds / together
        fuse = self._conditions.fuse
        report = Report(outcome, reason, total_seconds=share, started_at=begun, together=together, fuse=fuse)
        return GivenUp((report,) * together)


class LocalSlot(Slot):
    """A process of this machine."""

    def __init__(self, lane: Lane, conditions: Conditions) -> None:
        super().__init__(lane, conditions)
        self._process: SpawnProcess | None = None
        self._pipe: Connection | None = None

    def hear(self) -> Message | None:
        """See `Slot.hear`."""
        assert self._pipe is not None
        assert self._process is not None
        try:
            if self._pipe.poll():
                message: Message = self._pipe.recv()
                if isinstance(message, Progress):
                    self.progress = message
                return message
        except (EOFError, OSError):
            self._process.join(10)
        if not self._process.is_alive():
            return self._given_up("crashed", _end_of(self._process.exitcode))
        return self._overdue()

    @property
    def waitable(self) -> Connection:
        """Becomes readable when there is something to hear; a dead worker's pipe does, too."""
        assert self._pipe is not None
        return self._pipe

    def stop(self) -> None:
        """See `Slot.stop`."""
        if self._process is not None and self._pipe is not None:
            if self.dismiss():
                self._process.join(PATIENCE)
            self._process.terminate()
            self._process.join(PATIENCE)
            if self._process.is_alive():
                self._process.kill()
                self._process.join()
            self._pipe.close()
            self._process.close()
        self._process = self._pipe = self.task = None

    def dismiss(self) -> bool:
        """Let an idle worker end by itself, and clean up after the libraries; False for one that is at work."""
        if self._pipe is None or self.job is not None:
            return False
        with contextlib.suppress(OSError):  # it has ended
            self._pipe.send(None)
        return True

    def _spawn(self, job: Job) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=worker.main, args=(theirs, self._setup(job), time.time()))
        with interrupts_held():
            self._process.start()
        theirs.close()

    def _send(self, assignment: Assignment) -> None:
        assert self._pipe is not None
        with contextlib.suppress(OSError):  # it died between two cells; `hear` will say how
            self._pipe.send(assignment)


class Engine(Protocol):
    """Where workers run: on this machine, or on a cluster."""

    def open(self) -> Sequence[Slot]:
        """The slots, each for one job at a time."""
        ...

    def wait(self, seconds: float) -> None:
        """Sleep until a busy slot has something to say, or the time is over."""
        ...

    def close(self) -> None:
        """End every worker."""
        ...


class Local:
    """Processes of this machine, one a lane."""

    def __init__(self, lanes: Sequence[Lane], conditions: Conditions) -> None:
        self._slots = [LocalSlot(lane, conditions) for lane in lanes]

    def open(self) -> Sequence[Slot]:
        """See `Engine.open`."""
        return self._slots

    def wait(self, seconds: float) -> None:
        """See `Engine.wait`."""
        busy = [slot.waitable for slot in self._slots if slot.job is not None]
        if busy:
            wait(busy, seconds)

    def close(self) -> None:
        """See `Engine.close`."""
        for slot in self._slots:
            slot.dismiss()  # all of them first, so that they end at the same time
        for slot in self._slots:
            slot.stop()


def _end_of(exitcode: int | None) -> str:
    """How a process ended, in words."""
    if exitcode is None or exitcode >= 0:
        return f"the worker process ended by itself with status {exitcode}"
    try:
        name = signal.Signals(-exitcode).name
    except ValueError:
        name = f"signal {-exitcode}"
    hint = " (perhaps for want of memory)" if name == "SIGKILL" else ""
    return f"the worker process was ended by {name}{hint}"
