"""Plain lines where the output is no terminal, a table where it is one, and an honest guess of the time left."""

import io
from types import SimpleNamespace

import pytest

from bench import progress
from bench.progress import Estimate, Lines, Screen, choose_display, in_words

from .conftest import MakeRecord


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def slot(step: int = 5, steps: int = 10, label: str = "digits gelu seed 0") -> SimpleNamespace:
    progressed = SimpleNamespace(step=step, steps=steps, loss=0.25)
    return SimpleNamespace(job=SimpleNamespace(label=label, cells=(None,)), progress=progressed, seconds=12.0)


def test_lines_are_plain(make_record: MakeRecord) -> None:
    stream = io.StringIO()
    display = choose_display(stream)
    display.begin(3, [])
    display.finished(make_record("digits", "gelu"))
    display.finished(make_record("digits", "sine", outcome="diverged"))
    display.skipped("cifar", "there is no data", 1)
    display.end()
    assert stream.getvalue().splitlines() == [
        "[1/3] digits gelu seed 0: 90 % (3.5 s)",
        "[2/3] digits sine seed 0: diverged (it diverged)",
        "skipped cifar (1 cell): there is no data",
    ]
    assert "\x1b" not in stream.getvalue()


def test_a_long_cell_is_heard_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "HEARTBEAT", 0.0)
    stream = io.StringIO()
    display = Lines(stream)
    display.begin(2, [slot()])  # type: ignore[list-item]
    display.tick()
    assert "digits gelu seed 0: step 5/10, loss 0.25, 12 s" in stream.getvalue()


def test_a_terminal_gets_a_live_table(make_record: MakeRecord) -> None:
    stream = Terminal()
    display = choose_display(stream)
    assert isinstance(display, Screen)
    display.begin(2, [slot(), slot(label="[bold]x[/bold]")])  # type: ignore[list-item]
    display.finished(make_record("digits", "gelu"))
    display.end()
    text = stream.getvalue()
    assert "digits gelu seed 0: 90 % (3.5 s)" in text
    assert "5/10" in text
    assert "[bold]x[/bold]" in text


def test_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    estimate = Estimate(10)
    assert estimate.left([]) == "?"
    clock[0], estimate.done = 100.0, 2
    assert estimate.left([slot()]) == "5 min"  # type: ignore[list-item]  # 2.5 of 10 cells in 100 s leave 300 s


def test_durations() -> None:
    assert [in_words(value) for value in (0.2, 99, 100, 5999, 12600)] == ["1 s", "99 s", "2 min", "100 min", "3.5 h"]
