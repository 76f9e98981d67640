"""What a user sees while a search runs: a live line on a terminal, a plain line a minute anywhere else."""

from __future__ import annotations

import math
import sys
import time
from typing import TYPE_CHECKING, Self, TextIO

from bench.progress import in_words

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

    from mining.settings import Status

HEARTBEAT = 30.0
"""Seconds between two plain lines."""


class Lines:
    """Plain lines; a context manager, for the sake of `Screen`."""

    def __init__(self, run: str, evaluations: int | None, hours: float | None, stream: TextIO) -> None:
        self._run, self._target, self._hours, self._stream = run, evaluations, hours, stream
        self._begun = time.monotonic()
        self._first: Status | None = None
        self._last_line = -math.inf

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to clear away."""

    def show(self, status: Status) -> None:
        """A candidate was trained or a generation closed."""
        self._first = self._first or status
        now = time.monotonic()
        if now - self._last_line >= HEARTBEAT:
            self._last_line = now
            self.say("; ".join(f"{name} {value}" for name, value in self.rows(status)))

    def say(self, text: str) -> None:
        """A line that stays."""
        print(f"{self._run}: {text}", file=self._stream, flush=True)

    def rows(self, status: Status) -> list[tuple[str, str]]:
        """What there is to see, as names and values."""
        target = f"/{self._target}" if self._target else ""
        rejected = ", ".join(f"{count} {stage}" for stage, count in sorted(status.rejections.items())) or "none"
        return [
            ("generation", str(status.generation)),
            ("evaluations", f"{status.evaluations}{target}"),
            ("best", _fitness(status.best)),
            ("median", _fitness(status.median)),
            ("rejected", rejected),
            ("evaluations a minute", self._rate_text(status)),
            ("left", self._left(status)),
        ]

    def _rate(self, status: Status) -> float:
        """Evaluations a second in this session; nan while there is too little to say."""
        seconds = time.monotonic() - self._begun
        done = status.evaluations - (self._first.evaluations if self._first else 0)
        return done / seconds if done > 0 and seconds > 5 else math.nan

    def _rate_text(self, status: Status) -> str:
        rate = self._rate(status)
        return "?" if math.isnan(rate) else f"{60 * rate:.0f}"

    def _left(self, status: Status) -> str:
        rate = self._rate(status)
        times = []
        if self._target and not math.isnan(rate):
            times.append(max(0.0, self._target - status.evaluations) / rate)
        if self._hours is not None:
            times.append(max(0.0, self._hours * 3600 - (time.monotonic() - self._begun)))
        return in_words(min(times)) if times else "?"


class Screen(Lines):
    """A live table under the lines that stay."""

    def __init__(self, run: str, evaluations: int | None, hours: float | None, stream: TextIO) -> None:
        super().__init__(run, evaluations, hours, stream)
        self._status: Status | None = None
        self._live: Live | None = None

    def __enter__(self) -> Self:
        from rich.console import Console
        from rich.live import Live

        console = Console(file=self._stream)
        self._live = Live(console=console, get_renderable=self._table, refresh_per_second=2, transient=True)
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take the table away; the lines stay."""
        if self._live is not None:
            self._live.stop()

    def show(self, status: Status) -> None:
        """Kept for the next look at the table."""
        self._first = self._first or status
        self._status = status

    def say(self, text: str) -> None:
        """A line above the table."""
        if self._live is None:
            super().say(text)
        else:
            self._live.console.print(f"{self._run}: {text}", markup=False, highlight=False)

    def _table(self) -> Table:
        from rich.table import Table

        table = Table(show_header=False, box=None, title=self._run, title_justify="left")
        for name, value in self.rows(self._status) if self._status else [("", "training the start functions")]:
            table.add_row(name, value)
        return table


def _fitness(value: float) -> str:
    """log10 ratio of losses to ReLU's, and what it means for the loss."""
    if not math.isfinite(value):
        return "none confirmed yet" if math.isnan(value) else "not finite"
    return f"{value:+.3f} ({10**value:.2f} of ReLU's loss)"


def choose_display(run: str, evaluations: int | None, hours: float | None) -> Lines:
    """The live table where standard error is a terminal, plain lines otherwise."""
    stream = sys.stderr
    return (Screen if stream.isatty() else Lines)(run, evaluations, hours, stream)
