"""What the harness costs: start of the command line, overhead of a cell, rendering of many records.

    python benchmarks/harness.py [--records N]

Prints a Markdown table of each figure and its limit. The overhead of a cell is measured on cells that train nothing,
so that it does not drown in the noise of a training, and compared with the shortest smoke cell's training time.
"""

from __future__ import annotations

import argparse
import io
import resource
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
from bench.pool import Conditions
from bench.progress import Lines
from bench.records import Record, cell_id
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
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--records", type=int, default=10_000)
    count: int = parser.parse_args().records
    with tempfile.TemporaryDirectory() as folder:
        rows = [*start_up(), *overhead(Path(folder) / "cells"), *rendering(Path(folder) / "many", count)]
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
    Runner(Store(root), lanes("cpu", 1), conditions, display).run(cells)
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


def rendering(root: Path, count: int) -> Iterator[Row]:
    """Wall time and memory of `bench leaderboard` over many records of ordinary size."""
    (template, _), *_ = run(root / "template", ("idle",), seeds=[0])
    size = write_copies(template, root / "results", count)
    command = [sys.executable, "-m", "bench.cli", "leaderboard", "--results", str(root / "results")]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = median_wall(command, 3)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / 4
    peak = after.ru_maxrss / 2**10
    yield (f"rendering {count:,} records of {size / 1024:.0f} KiB", f"{seconds:.1f} s ({cpu:.1f} s of CPU)", "5 s")
    yield ("largest child process so far", f"{peak:.0f} MiB", "")


def write_copies(template: Record, folder: Path, count: int) -> int:
    """Write `count` records: 10 seeds of as many activations as it takes on 20 tasks; returns the size of one."""
    store = Store(folder)
    fields = template.model_dump()
    size = 0
    for number in range(count):
        seed, task, function = number % 10, number // 10 % 20, number // 200
        name = f"task-{task:02}"
        graph = f"{function:016x}"
        record = Record.model_validate(
            fields
            | {
                "seed": seed,
                "score": 90 + seed / 10 + function / 100,
                "id": cell_id(name, 1, graph, seed, template.recipe),
            }
            | {"task": fields["task"] | {"name": name}}
            | {
                "activation": fields["activation"]
                | {"name": "relu" if function == 0 else f"act-{function}", "graph_hash": graph}
            }
        )
        path = store.folder(record.profile, name) / record.file_name
        path.parent.mkdir(parents=True, exist_ok=True)
        size = path.write_text(record.to_json())
    return size


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
