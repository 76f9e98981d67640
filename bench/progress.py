"""What a user sees while cells run: a live table on a terminal, plain lines anywhere else."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from bench.records import Record
from bench.tables import count_of

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

    from bench.pool import Slot

HEARTBEAT = 30.0
"""Seconds between two plain lines about a cell that is still running."""


class Lines:
    """Plain lines: one when a cell ends, and one every half minute for a cell that runs."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._estimate = Estimate()
        self._slots: Sequence[Slot] = ()
        self._next_heartbeat = 0.0

    def begin(self, cells: int, slots: Sequence[Slot]) -> None:
        """So many cells are about to run in these slots, which say themselves how far they are."""
        self._estimate = Estimate(cells)
        self._slots = slots
        self._next_heartbeat = time.monotonic() + HEARTBEAT

    def finished(self, record: Record) -> None:
        """A cell ended and is recorded."""
        self._estimate.done += 1
        self._say(f"[{self._estimate.done}/{self._estimate.cells}] {describe(record)}")

    def skipped(self, task: str, reason: str, cells: int) -> None:
        """A task cannot run here; so many cells are left out."""
        self._estimate.cells -= cells
        self._say(f"skipped {task} ({count_of(cells, 'cell')}): {reason}")

    def note(self, sentence: str) -> None:
        """Something that the user should know."""
        self._say(sentence)

    def dropped(self) -> None:
        """A cell is run, or was recorded, by somebody else."""
        self._estimate.cells -= 1

    def tick(self) -> None:
        """Time has passed."""
        if time.monotonic() < self._next_heartbeat:
            return
        self._next_heartbeat = time.monotonic() + HEARTBEAT
        left = self._estimate.left(self._slots)
        for slot in self._slots:
            if slot.job is not None:
                self._say(f"      {slot.job.label}: {how_far(slot)}, time left for all cells {left}")

    def end(self) -> None:
        """Nothing more will come."""

    def _say(self, text: str) -> None:
        print(text, file=self._stream, flush=True)


class Screen(Lines):
    """A live table under the plain lines: a row for each cell in work, and the time left."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._live: Live | None = None

    def begin(self, cells: int, slots: Sequence[Slot]) -> None:
        """Draw the table from now on, by its own clock."""
        from rich.console import Console
        from rich.live import Live

        super().begin(cells, slots)
        console = Console(file=self._stream)
        self._live = Live(console=console, get_renderable=self._table, refresh_per_second=4, transient=True)
        self._live.start()

    def tick(self) -> None:
        """Nothing to do: the table shows how time passes."""

    def end(self) -> None:
        """Take the table away; the lines stay."""
        if self._live is not None:
            self._live.stop()

    def _say(self, text: str) -> None:
        if self._live is None:
            super()._say(text)
        else:
            self._live.console.print(text, markup=False, highlight=False)

    def _table(self) -> Table:
        from rich.table import Table

        estimate = self._estimate
        caption = f"{estimate.done}/{estimate.cells} cells, {estimate.left(self._slots)} left"
        table = Table("cell", "step", "loss", "seconds", caption=caption, caption_justify="left", box=None)
        for slot in self._slots:
            job, progress = slot.job, slot.progress
            if job is not None:
                step = f"{progress.step}/{progress.steps}" if progress else "starting"
                table.add_row(job.label, step, f"{progress.loss:.4g}" if progress else "", f"{slot.seconds:.0f}")
        return table


class Estimate:
    """Time left, from the share of all cells that is done; cells are taken to be of equal length."""

    def __init__(self, cells: int = 0) -> None:
        self.cells = cells
        self.done = 0
        self._begun = time.monotonic()

    def left(self, slots: Sequence[Slot]) -> str:
        """In words, `?` while too little is done to say."""
        share = self.done + sum(fraction(slot) for slot in slots)
        if share < 0.05 or not self.cells:
            return "?"
        seconds = (time.monotonic() - self._begun) * (self.cells - share) / share
        return in_words(max(seconds, 0))


def fraction(slot: Slot) -> float:
    """How many cells' worth of the slot's job is done."""
    job, progress = slot.job, slot.progress
    if job is None or progress is None or progress.steps <= 0:
        return 0.0
    return len(job.cells) * progress.step / progress.steps


def how_far(slot: Slot) -> str:
    """Where the slot's job is, in words."""
    progress = slot.progress
    if progress is None:
        return f"starting, {slot.seconds:.0f} s"
    return f"step {progress.step}/{progress.steps}, loss {progress.loss:.4g}, {slot.seconds:.0f} s"


def describe(record: Record) -> str:
    """A finished cell on one line."""
    label = f"{record.task.name} {record.activation.name} seed {record.seed}"
    if record.score is not None:
        return f"{label}: {record.score:.4g} {record.task.metric.unit} ({record.times.total:.1f} s)"
    return f"{label}: {record.outcome} ({record.reason})"


def in_words(seconds: float) -> str:
    """A duration such as `40 s`, `12 min` or `3.5 h`."""
    if seconds < 100:
        return f"{math.ceil(seconds)} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def choose_display(stream: TextIO = sys.stderr) -> Lines:
    """The live table where `stream` is a terminal, plain lines otherwise."""
    return Screen(stream) if stream.isatty() else Lines(stream)
