"""What the harness costs: start of the command line, and overhead of a cell.

    python benchmarks/harness.py

Prints a Markdown table of each figure and its limit. The overhead of a cell is measured on cells that train nothing,
so that it does not drown in the noise of a training, and compared with the shortest smoke cell's training time.
"""

from __future__ import annotations

import argparse
import io
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tabulate import tabulate

import activations
import tasks
from bench.devices import lanes
from bench.plan import make_plan
from bench.pool import Conditions, Local
from bench.progress import Lines
from bench.records import Record
from bench.run import Runner
from bench.store import Store

ROOT = Path(__file__).resolve().parents[1]
PLUGIN = Path(__file__).with_name("idle_task.py")
REAL_TASK = "digits-vgg16"
"""The smoke task that trains the shortest."""
REPEATS = 5

Row = tuple[str, str, str]


def main() -> None:
    """Measure and print."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "").parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = [*start_up(), *overhead(Path(folder) / "cells")]
    print(tabulate(rows, headers=["measured", "figure", "limit"], tablefmt="github"))


def start_up() -> Iterator[Row]:
    """Wall time of `bench --help` beside that of an empty Python."""
    empty = median_wall([sys.executable, "-c", "pass"])
    shown = median_wall([sys.executable, "-m", "bench.cli", "--help"])
    yield ("`bench --help`", f"{shown:.2f} s (an empty Python {empty:.2f} s)", "0.3 s")


def overhead(root: Path) -> Iterator[Row]:
    """Wall time that a cell spends outside its task's `run`, and what its progress reports cost."""
    activations.load_plugin(PLUGIN)
    idle = run(root / "idle", ("idle",), seeds=range(20))
    real = run(root / "real", (REAL_TASK,), seeds=range(3))
    shortest = statistics.median(record.times.train or 0 for record, _ in real)
    start, *rest = (wall - record.times.total for record, wall in idle)
    a_cell = statistics.median(rest)
    a_call = statistics.median(record.metrics["seconds_a_call"] for record, _ in idle)
    steps = 1000
    share = (a_cell + steps * a_call) / shortest
    yield ("first cell of a process, start-up", f"{start:.2f} s", "")
    yield ("a further cell, hand-over and record", f"{a_cell * 1000:.1f} ms", "")
    yield ("a progress call", f"{a_call * 1e6:.2f} µs", "")
    cells = 6
    task = (start + (cells - 1) * a_cell + cells * steps * a_call) / (cells * shortest)
    yield (
        f"{cells} cells of {REAL_TASK} ({shortest:.1f} s each), start-up of their process included",
        f"{task:.2%}",
        "5 %",
    )
    yield (f"a further cell with {steps} calls / training time of {REAL_TASK}", f"{share:.2%}", "5 %")


def run(root: Path, names: Sequence[str], seeds: Sequence[int]) -> list[tuple[Record, float]]:
    """Run smoke cells with ReLU in one worker; each record with the wall time until it was on disk."""
    cells = make_plan("smoke", [tasks.get(name).spec for name in names], [activations.get("relu")], seeds).cells
    display = Stopwatch()
    conditions = Conditions(None, (PLUGIN,), 600, root / ".logs", root / ".programs")
    Runner(Store(root), Local(lanes("cpu", 1), conditions), display).run(cells)
    return display.finished_cells


class Stopwatch(Lines):
    """A display that shows nothing and takes the time between two finished cells."""

    def __init__(self) -> None:
        super().__init__(io.StringIO())
        self.finished_cells: list[tuple[Record, float]] = []
        self._last = time.perf_counter()

    def finished(self, record: Record) -> None:
        """Note the time since the last cell."""
        now = time.perf_counter()
        self.finished_cells.append((record, now - self._last))
        self._last = now


def median_wall(command: Sequence[str], repeats: int = REPEATS) -> float:
    """Median wall time of a command in seconds, after one call that warms the file cache."""
    walls = []
    for _ in range(repeats + 1):
        begun = time.perf_counter()
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        walls.append(time.perf_counter() - begun)
    return statistics.median(walls[1:])


if __name__ == "__main__":
    main()
