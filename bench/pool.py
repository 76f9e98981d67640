"""The parent's side of a worker process: start it, hand it a cell, hear from it, end it."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

from bench import worker
from bench.devices import Lane
from bench.plan import Cell
from bench.profiles import base_of
from bench.worker import Assignment, Progress, Report, Setup, Skipped
from tasks.signals import interrupts_held


@dataclass(frozen=True)
class Conditions:
    """What is the same for every cell of a run."""

    data: Path | None
    plugins: tuple[Path, ...]
    timeout: float
    """Seconds a cell may take, start-up of its worker included."""
    logs: Path
    """Folder for what the libraries print, one file a task."""
    programs: Path
    """Folder in which jax keeps what it compiled: cells of one activation share it."""


class GivenUp(Report):
    """An end that the worker did not report itself: it died, or its time was over."""


class Slot:
    """One lane with at most one worker process and at most one cell in it."""

    def __init__(self, lane: Lane, conditions: Conditions) -> None:
        self.lane = lane
        self.task: str | None = None
        """The task of the live worker process, None where there is none."""
        self.cell: Cell | None = None
        self.progress: Progress | None = None
        self._conditions = conditions
        self._process: SpawnProcess | None = None
        self._pipe: Connection | None = None
        self._begun = 0.0

    def start(self, cell: Cell) -> None:
        """Hand a cell to the worker of its task, starting one where there is none."""
        self._begun = time.monotonic()
        self.cell, self.progress = cell, None
        if self.task != cell.task.name:
            self.stop()
            self._spawn(cell)
        assert self._pipe is not None
        activation = cell.activation
        assignment = Assignment(
            activation.name, activation.formula, activation.graph.to_json(), cell.seed, cell.overrides
        )
        with contextlib.suppress(OSError):  # it died between two cells; `hear` will say how
            self._pipe.send(assignment)

    def hear(self) -> Progress | Skipped | Report | None:
        """The next message, or how the cell was given up: killed, or out of time; None while there is nothing."""
        assert self._pipe is not None
        assert self._process is not None
        try:
            if self._pipe.poll():
                message: Progress | Skipped | Report = self._pipe.recv()
                if isinstance(message, Progress):
                    self.progress = message
                return message
        except (EOFError, OSError):
            self._process.join(10)
        if not self._process.is_alive():
            return self._given_up("crashed", _end_of(self._process.exitcode))
        if self.seconds > self._conditions.timeout:
            return self._given_up("timeout", f"no score within {self._conditions.timeout:g} s")
        return None

    @property
    def seconds(self) -> float:
        """How long the cell in work has been running."""
        return time.monotonic() - self._begun

    @property
    def waitable(self) -> Connection:
        """Becomes readable when there is something to hear; a dead worker's pipe does, too."""
        assert self._pipe is not None
        return self._pipe

    def finish(self, keep_worker: bool) -> None:
        """The cell in work is over; keep its process for the next one of its task, or end it."""
        self.cell = self.progress = None
        if not keep_worker:
            self.stop()

    def stop(self) -> None:
        """End the worker process, by force where it does not listen."""
        if self._process is not None and self._pipe is not None:
            self._process.terminate()
            self._process.join(3)
            if self._process.is_alive():
                self._process.kill()
                self._process.join()
            self._pipe.close()
            self._process.close()
        self._process = self._pipe = self.task = None

    def _spawn(self, cell: Cell) -> None:
        context = multiprocessing.get_context("spawn")
        kept = {
            "JAX_COMPILATION_CACHE_DIR": str(self._conditions.programs.resolve()),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        }
        self._pipe, theirs = context.Pipe()
        setup = Setup(
            task=cell.task.name,
            profile=base_of(cell.profile),
            device=self.lane.device,
            data=self._conditions.data,
            plugins=self._conditions.plugins,
            environment={**self.lane.environment, **kept},
            log=self._conditions.logs / f"{cell.task.name}.log",
        )
        self._process = context.Process(target=worker.main, args=(theirs, setup, time.time()))
        with interrupts_held():
            self._process.start()
        theirs.close()
        self.task = cell.task.name

    def _given_up(self, outcome: str, reason: str) -> GivenUp:
        from datetime import UTC, datetime, timedelta

        begun = datetime.now(UTC) - timedelta(seconds=self.seconds)
        return GivenUp(outcome, reason, total_seconds=self.seconds, started_at=begun.isoformat(timespec="seconds"))


def wait_for_news(slots: list[Slot], seconds: float) -> None:
    """Sleep until a busy slot has something to say, or the time is over."""
    busy = [slot.waitable for slot in slots if slot.cell is not None]
    if busy:
        wait(busy, seconds)


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
