"""Run a plan's cells in worker processes and record each outcome as it comes."""

from __future__ import annotations

import math
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from bench.build import build_record
from bench.errors import DamagedRecord, StoreError
from bench.messages import Answer, Lost, Report, Skipped
from bench.plan import Cell
from bench.pool import Engine, GivenUp, Slot
from bench.progress import Lines
from bench.queue import Job, Queue, Rule
from bench.records import RETRYABLE, Record
from bench.store import Claims, Store

TICK = 0.25
"""Seconds between two looks at time limits and the display."""
MOST_LOSSES = 3
"""Workers that a cell may lose before it counts as what ended them."""


@dataclass
class Summary:
    """What came of a run."""

    recorded: list[Record] = field(default_factory=list)
    """Cells that ended in this call, in the order in which they did."""
    earlier: int = 0
    """Cells that were recorded before."""
    failed_earlier: int = 0
    """How many of those could end otherwise at another try."""
    elsewhere: int = 0
    """Cells that another `bench run` is working on."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Tasks that cannot run here, with the sentence that says why."""
    unwritten: int = 0
    """Cells that ended in this call and could not be recorded."""
    unrecorded: str = ""
    """Why results could not be written; empty where they could."""
    waiting: tuple[Cell, ...] = ()
    """Cells that did not end: a rule held them back, the run was stopped or its time was over."""
    interrupted: bool = False

    @property
    def left(self) -> int:
        """How many cells did not end."""
        return len(self.waiting)

    @property
    def failed(self) -> bool:
        """True where something other than an answer came out; `diverged` is an answer."""
        bad = any(record.outcome not in ("ok", "diverged") for record in self.recorded)
        return bad or bool(self.skipped) or bool(self.unrecorded) or bool(self.failed_earlier)


class Runner:
    """One call of `bench run`: takes cells, keeps every lane busy, writes records.

    Args:
        store: folder of the records; what it holds already is not run again.
        together: how many seeds of a cell's task one program should train.
        rules: which of the waiting cells may be started, and in which order; the plan's where there are none.
        retry_failed: run cells again that crashed, timed out or were out of memory.
        stop_after: seconds after which no further cell is started; None for no limit.
        limit: seconds after which cells in work are given up, without a record; None for no limit.
        marks: fields that every record of this run gets.
    """

    def __init__(
        self,
        store: Store,
        engine: Engine,
        display: Lines,
        *,
        together: Callable[[Cell], int] = lambda cell: 1,
        rules: Sequence[Rule] = (),
        retry_failed: bool = False,
        stop_after: float | None = None,
        limit: float | None = None,
        marks: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self._store = store
        self._claims = Claims(store.root)
        self._engine = engine
        self._slots: Sequence[Slot] = ()
        self._display = display
        self._together = together
        self._rules = rules
        self._retry_failed = retry_failed
        self._stop_after = stop_after
        self._limit = limit
        self._marks = marks
        self._queue = Queue(())
        self._losses: Counter[str] = Counter()
        self._unwritten: list[Record] = []
        self._summary = Summary()

    def run(self, cells: Sequence[Cell]) -> Summary:
        """Run what is not recorded yet; Ctrl-C and SIGTERM stop it once every finished cell is recorded."""
        waiting = [cell for cell in cells if not self._was_done(cell)]
        self._queue = Queue(waiting, self._together, self._rules)
        begun = time.monotonic()
        try:
            self._slots = self._engine.open()
            self._display.begin(len(waiting), self._slots)
            with stop_signals(self._interrupt):
                while self._fill(begun) or any(slot.job for slot in self._slots):
                    self._engine.wait(TICK)
                    self._listen()
                    self._display.tick()
                    if self._summary.interrupted or _is_over(self._limit, begun):
                        break
        finally:
            self._engine.close()
            self._write_again()
            self._claims.close()
            self._display.end()
        in_work = [cell for slot in self._slots if slot.job for cell in slot.job.cells]
        self._summary.waiting = (*self._queue.cells, *in_work)
        return self._summary

    def _interrupt(self) -> None:
        self._summary.interrupted = True

    def _was_done(self, cell: Cell) -> bool:
        """Whether the cell needs no run: a sound record of it is there, and no failure that is to be tried again."""
        path = self._store.find(cell.profile, cell.task.name, cell.seed, cell.id)
        if path is None:
            return False
        try:
            record = self._store.read(path)
        except DamagedRecord:
            return False
        failed = record.outcome in RETRYABLE
        if failed and self._retry_failed:
            return False
        self._summary.earlier += 1
        self._summary.failed_earlier += failed
        return True

    def _fill(self, begun: float) -> bool:
        """Give every idle slot a job; True where at least one got one."""
        if _is_over(self._stop_after, begun) or self._summary.unrecorded or self._summary.interrupted:
            return False
        given = False
        for slot in self._slots:
            while slot.job is None and (job := self._next_job(slot)) is not None:
                cells = tuple(cell for cell in job.cells if self._take(cell))
                if cells:
                    slot.start(Job(cells))
                    given = True
        return given

    def _next_job(self, slot: Slot) -> Job | None:
        running = {other.task for other in self._slots if other.job is not None and other.task is not None}
        return self._queue.take(slot.task, running)

    def _take(self, cell: Cell) -> bool:
        """Claim a cell; False where another run has it or has recorded it meanwhile."""
        if not self._claims.take(cell.id):
            self._summary.elsewhere += 1
            self._display.dropped()
            return False
        if self._was_done(cell):
            self._claims.drop(cell.id)
            self._display.dropped()
            return False
        return True

    def _listen(self) -> None:
        """Act on everything that the workers have said."""
        for slot in self._slots:
            while slot.job is not None and (message := slot.hear()) is not None:
                if self._summary.interrupted and isinstance(message, GivenUp | Lost):
                    break  # it died of the same signal, which is no outcome
                if isinstance(message, Answer):
                    self._answered(slot, slot.job, message)
                elif isinstance(message, Skipped):
                    self._skip(slot, slot.job, message.reason)
                elif isinstance(message, Lost):
                    self._lost(slot, slot.job, message)

    def _answered(self, slot: Slot, job: Job, answer: Answer) -> None:
        slot.finish(keep_worker=not answer.fatal)
        if answer.fatal and len(job.cells) > 1:  # that may be for want of room or time for all of them at once
            self._wait_again(job, alone=True)
            self._display.note(f"{job.label}: {answer.reports[0].reason}; each seed is tried alone")
            return
        for cell, report in zip(job.cells, answer.reports, strict=True):
            self._finished(slot, cell, report)

    def _finished(self, slot: Slot, cell: Cell, report: Report) -> None:
        record = build_record(cell, _only_finite(report), slot.lane, self._marks)
        try:
            self._store.write(record)
        except StoreError as error:
            self._unwritten.append(record)
            self._summary.unrecorded = str(error)
            return  # the claim is kept: nobody else should run what is about to be recorded
        self._recorded(record)

    def _recorded(self, record: Record) -> None:
        self._claims.drop(record.id)
        self._summary.recorded.append(record)
        self._queue.observe(record)
        self._display.finished(record)

    def _skip(self, slot: Slot, job: Job, reason: str) -> None:
        """Leave out a task that cannot run here, with all its cells."""
        for cell in job.cells:
            self._claims.drop(cell.id)
        slot.finish(keep_worker=False)
        self._summary.skipped[job.task] = reason
        self._display.skipped(job.task, reason, self._queue.drop(job.task) + len(job.cells))

    def _lost(self, slot: Slot, job: Job, lost: Lost) -> None:
        """Run the cells of a worker that is gone again; a cell that has lost several is what ends them."""
        slot.finish(keep_worker=False)
        if lost.begun:
            self._losses.update(cell.id for cell in job.cells)
        if len(job.cells) == 1 and self._losses[job.cells[0].id] >= MOST_LOSSES:
            reason = f"{MOST_LOSSES} workers were lost with it: {lost.reason}"
            self._finished(slot, job.cells[0], replace(lost.report or Report("crashed"), reason=reason))
            return
        self._wait_again(job, alone=lost.begun and len(job.cells) > 1)
        self._display.note(f"{job.label}: {lost.reason}; it is run again")

    def _wait_again(self, job: Job, alone: bool) -> None:
        for cell in job.cells:
            self._claims.drop(cell.id)
        self._queue.put_back(job.cells, alone)

    def _write_again(self) -> None:
        """Try once more to write what could not be written; there may be room by now."""
        for record in self._unwritten:
            try:
                self._store.write(record)
            except StoreError:
                self._summary.unwritten += 1
                continue
            self._recorded(record)


def _is_over(limit: float | None, begun: float) -> bool:
    return limit is not None and time.monotonic() - begun > limit


def _only_finite(report: Report) -> Report:
    """A score that is no number is a divergence that the task did not see."""
    if report.outcome == "ok" and (report.score is None or not math.isfinite(report.score)):
        return replace(report, outcome="diverged", reason=f"the score is {report.score}", score=None)
    return report


@contextmanager
def stop_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Let the first Ctrl-C or SIGTERM call `stop`, so that no half-heard answer is lost; a second one means it."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}

    def restore() -> None:
        for number in numbers:
            signal.signal(number, before[number])

    def first(*_: Any) -> None:
        restore()
        stop()

    for number in numbers:
        signal.signal(number, first)
    try:
        yield
    finally:
        restore()
