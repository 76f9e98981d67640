"""Run a plan's cells in worker processes and record each outcome as it comes."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from bench.build import build_record
from bench.devices import Lane
from bench.errors import DamagedRecord, StoreError
from bench.plan import Cell
from bench.pool import Conditions, GivenUp, Slot, wait_for_news
from bench.progress import Lines
from bench.records import RETRYABLE, Record
from bench.store import Claims, Store
from bench.worker import Report, Skipped

TICK = 0.25
"""Seconds between two looks at time limits and the display."""


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
    left: int = 0
    """Cells that were not started: the run was stopped or its time was over."""
    interrupted: bool = False

    @property
    def failed(self) -> bool:
        """True where something other than an answer came out; `diverged` is an answer."""
        bad = any(record.outcome not in ("ok", "diverged") for record in self.recorded)
        return bad or bool(self.skipped) or bool(self.unrecorded) or bool(self.failed_earlier)


class Runner:
    """One call of `bench run`: takes cells, keeps every lane busy, writes records.

    Args:
        store: folder of the records; what it holds already is not run again.
        retry_failed: run cells again that crashed, timed out or were out of memory.
        stop_after: seconds after which no further cell is started; None for no limit.
    """

    def __init__(
        self,
        store: Store,
        lanes: Sequence[Lane],
        conditions: Conditions,
        display: Lines,
        *,
        retry_failed: bool = False,
        stop_after: float | None = None,
    ) -> None:
        self._store = store
        self._claims = Claims(store.root)
        self._slots = [Slot(lane, conditions) for lane in lanes]
        self._display = display
        self._retry_failed = retry_failed
        self._stop_after = stop_after
        self._pending: list[Cell] = []
        self._unwritten: list[Record] = []
        self._summary = Summary()

    def run(self, cells: Sequence[Cell]) -> Summary:
        """Run what is not recorded yet; Ctrl-C and SIGTERM stop it once every finished cell is recorded."""
        self._pending = [cell for cell in cells if not self._was_done(cell)]
        begun = time.monotonic()
        self._display.begin(len(self._pending), self._slots)
        try:
            with stop_signals(self._interrupt):
                while self._fill(begun) or any(slot.cell for slot in self._slots):
                    wait_for_news(self._slots, TICK)
                    self._listen()
                    self._display.tick()
                    if self._summary.interrupted:
                        break
        finally:
            for slot in self._slots:
                slot.stop()
            self._write_again()
            self._claims.close()
            self._display.end()
        self._summary.left = len(self._pending) + sum(slot.cell is not None for slot in self._slots)
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
        """Give every idle slot a cell; True where at least one got one."""
        out_of_time = self._stop_after is not None and time.monotonic() - begun > self._stop_after
        if out_of_time or self._summary.unrecorded or self._summary.interrupted:
            return False
        given = False
        for slot in self._slots:
            while slot.cell is None and (cell := next_cell(self._pending, slot, self._slots)) is not None:
                self._pending.remove(cell)
                if self._take(cell):
                    slot.start(cell)
                    given = True
        return given

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
            while slot.cell is not None and (message := slot.hear()) is not None:
                if self._summary.interrupted and isinstance(message, GivenUp):
                    break  # it died of the same signal, which is no outcome
                if isinstance(message, Report):
                    self._finished(slot, slot.cell, message)
                elif isinstance(message, Skipped):
                    self._skip(slot, slot.cell, message.reason)

    def _finished(self, slot: Slot, cell: Cell, report: Report) -> None:
        record = build_record(cell, _only_finite(report), slot.lane)
        slot.finish(keep_worker=not report.fatal)
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
        self._display.finished(record)

    def _skip(self, slot: Slot, cell: Cell, reason: str) -> None:
        """Leave out a task that cannot run here, with all its cells."""
        self._claims.drop(cell.id)
        slot.finish(keep_worker=False)
        self._summary.skipped[cell.task.name] = reason
        dropped = [other for other in self._pending if other.task.name == cell.task.name]
        self._pending = [other for other in self._pending if other.task.name != cell.task.name]
        self._display.skipped(cell.task.name, reason, len(dropped) + 1)

    def _write_again(self) -> None:
        """Try once more to write what could not be written; there may be room by now."""
        for record in self._unwritten:
            try:
                self._store.write(record)
            except StoreError:
                self._summary.unwritten += 1
                continue
            self._recorded(record)


def next_cell(pending: Sequence[Cell], slot: Slot, slots: Sequence[Slot]) -> Cell | None:
    """What a slot should run next: its own task, else one that no slot runs, else whatever is left."""
    running = {other.task for other in slots if other.cell is not None}
    for wanted in (
        lambda cell: cell.task.name == slot.task,
        lambda cell: cell.task.name not in running,
        lambda cell: True,
    ):
        for cell in pending:
            if wanted(cell):
                return cell
    return None


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
