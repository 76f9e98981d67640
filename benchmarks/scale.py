"""How a grid of about 10,000 cells maps to a cluster: makespan against the lower bound, and the driver's own cost.

    python benchmarks/scale.py --data DIR

In the simulation cells take what cells of the `cpu` profile took in the committed records, drawn anew for each cell
with a fixed seed; a function without records takes the times of a recorded one. What a worker needs before its first
cell is measured by `benchmarks/start_up.py`. The driver's cost is that of a real run whose workers answer at once.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from measuring import head
from simulated import NINE
from simulated_cluster import A_NODE, AWAY, Grid, Seconds, Simulation
from start_up import ROOT, in_a_fresh_process
from tabulate import tabulate

import activations
import tasks
from bench.devices import lanes
from bench.messages import Answer, Assignment, Report
from bench.plan import Cell, make_plan
from bench.pool import Conditions, Message, Slot
from bench.progress import Lines
from bench.queue import Job, Queue
from bench.records import Record
from bench.run import MOST_LOSSES, Runner
from bench.store import Store

PROFILE = "cpu"
FAMILIES = {"vision": "cifar10-resnet18", "molecules": "molhiv-gcn", "clrs30": "clrs30-bfs", "lab": "lab-polynomials"}
"""The task of each family whose start-up is measured."""
FUNCTIONS, SEEDS = 37, 30
"""With the tasks `NINE` 9,990 cells."""
WORKERS = (8, 64, 512)
RATES = (0.01, 0.1)
"""Losses an hour and node."""
DRAWS = 5
"""Of cell times and losses."""

Times = Mapping[str, Mapping[str, Sequence[float]]]
"""Task, function: seconds of its recorded cells."""


def main() -> None:
    """Measure, simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, default=os.environ.get("ACTIVATION_BENCH_DATA"))
    parser.add_argument("--repeats", type=int, default=3, help="Processes whose start-up is measured, a family.")
    chosen = parser.parse_args()
    records = recorded()
    times = times_of(records)
    starts = {family: start_of(task, chosen.data, chosen.repeats) for family, task in FAMILIES.items()}
    grid = Grid(plan(tuple(times)), {record.task.name: record for record in records}, starts)
    repeated = f"{len(grid.cells):,} cells; medians of {DRAWS} draws (least to most)."
    print(head("A grid on a cluster, simulated", "python benchmarks/scale.py --data DIR", "cpu", repeated))
    shown = ", ".join(f"{family} {seconds:.1f}" for family, seconds in starts.items())
    print(f"Start-up of a worker, seconds, medians of {chosen.repeats} processes: {shown}.\n")
    print(tabulate([spans(grid, times, count) for count in WORKERS], headers=SPANS, tablefmt="github"))
    print(f"\nNodes of {A_NODE} workers are lost; another one is there after {AWAY:g} s.\n")
    print(
        tabulate([losing(grid, times, n, rate) for n in WORKERS for rate in RATES], headers=LOSING, tablefmt="github")
    )
    print("\nThe driver alone, whose workers answer at once; every record is synced to disk.\n")
    print(tabulate([driving(grid.cells, count) for count in WORKERS], headers=DRIVING, tablefmt="github"))


def recorded() -> list[Record]:
    """Committed cells with a score, save those that a new process began with."""
    held = Store(ROOT / "results").load(curves=False).records
    return [r for r in held if r.profile == PROFILE and r.score is not None and not r.times.startup]


def times_of(records: Sequence[Record]) -> Times:
    """What cells of the tasks `NINE` took, by task and function."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        if record.task.name in NINE:
            found[record.task.name][record.activation.name].append(record.times.total)
    return found


def plan(names: Sequence[str]) -> tuple[Cell, ...]:
    """The cells of all tasks, in the order of a plan."""
    functions = [activations.get(name) for name in activations.names()]
    distinct = list({each.graph.hash: each for each in functions}.values())[:FUNCTIONS]
    return make_plan(PROFILE, [tasks.get(name).spec for name in names], distinct, range(SEEDS)).cells


def start_of(task: str, data: Path | None, repeats: int) -> float:
    """Seconds that a new worker's first cell takes longer than its second, start of the process included."""
    runs = [in_a_fresh_process(task, PROFILE, "cpu", data) for _ in range(repeats)]
    return statistics.median(start + first - second for start, first, second in runs)


def draw(cells: Sequence[Cell], times: Times, seed: int) -> Seconds:
    """Seconds of each cell, by its id; a function takes after one recorded function, the same for all tasks."""
    chance = random.Random(seed)
    known = sorted(set.intersection(*(set(held) for held in times.values())))
    like = {name: chance.choice(known) for name in dict.fromkeys(cell.activation.name for cell in cells)}
    return {cell.id: chance.choice(times[cell.task.name][like[cell.activation.name]]) for cell in cells}


def bound(seconds: Seconds, workers: int) -> float:
    """No schedule is done sooner: all work shared out evenly, or the longest cell."""
    return max(sum(seconds.values()) / workers, max(seconds.values()))


class PlanOrder(Queue):
    """A queue that learns nothing from cells that have ended."""

    def observe(self, record: Record) -> None:
        """Nothing."""


SPANS = ["workers", "lower bound, h", "makespan, h", "makespan / bound", "the same in the plan's order", "start-up"]


def spans(grid: Grid, times: Times, workers: int) -> list[str]:
    """Makespan without losses, and the share of all work that is start-up."""
    draws = [draw(grid.cells, times, seed) for seed in range(DRAWS)]
    bounds = [bound(seconds, workers) for seconds in draws]
    runs = [Simulation(grid, seconds, workers) for seconds in draws]
    others = [Simulation(grid, seconds, workers, queue=PlanOrder) for seconds in draws]
    return [
        f"{workers}",
        spread([least / 3600 for least in bounds]),
        spread([run.now / 3600 for run in runs]),
        spread([run.now / least for run, least in zip(runs, bounds, strict=True)]),
        spread([run.now / least for run, least in zip(others, bounds, strict=True)]),
        spread([run.started / (run.started + sum(s.values())) for run, s in zip(runs, draws, strict=True)], "{:.1%}"),
    ]


LOSING = ["workers", "losses an hour and node", "makespan / without losses", "cells lost", "lost for good", "work lost"]


def losing(grid: Grid, times: Times, workers: int, rate: float) -> list[str]:
    """What losing nodes costs; a cell that loses `MOST_LOSSES` workers would be recorded as crashed."""
    draws = [draw(grid.cells, times, seed) for seed in range(DRAWS)]
    runs = [Simulation(grid, seconds, workers, rate, seed) for seed, seconds in enumerate(draws)]
    whole = [Simulation(grid, seconds, workers) for seconds in draws]
    return [
        f"{workers}",
        f"{rate:g}",
        spread([run.now / full.now for run, full in zip(runs, whole, strict=True)]),
        spread([len(run.losses) for run in runs], "{:.0f}"),
        spread([sum(number >= MOST_LOSSES for number in run.losses.values()) for run in runs], "{:.0f}"),
        spread([run.thrown / sum(seconds.values()) for run, seconds in zip(runs, draws, strict=True)], "{:.2%}"),
    ]


def spread(values: Sequence[float], form: str = "{:.2f}") -> str:
    """Median and range."""
    middle, low, high = (form.format(each) for each in (statistics.median(values), min(values), max(values)))
    return middle if low == high else f"{middle} ({low} to {high})"


class Instant(Slot):
    """A worker that has an answer as soon as it is asked."""

    def hear(self) -> Message | None:
        """The end of its job, with a curve of 200 steps."""
        assert self.job is not None
        sites = self.job.cells[0].task.sites
        injection = {"found": sites, "swapped": sites, "left": 0, "sites": ["a"] * sites, "executed": sites}
        curve = [1.0 / step for step in range(1, 201)]
        return Answer((Report("ok", score=50.0, injection=injection, curves={"train_loss": curve}),))

    def stop(self) -> None:
        """Nothing to end."""

    def _spawn(self, job: Job) -> None: ...

    def _send(self, assignment: Assignment) -> None: ...


class AtOnce:
    """An engine of such workers."""

    def __init__(self, workers: int, root: Path) -> None:
        lane, conditions = lanes("cpu", 1)[0], Conditions(None, (), 60.0, root / ".logs", root / ".programs")
        self._slots = [Instant(lane, conditions) for _ in range(workers)]

    def open(self) -> Sequence[Slot]:
        """All of them."""
        return self._slots

    def wait(self, seconds: float) -> None:
        """There is always something to hear."""

    def close(self) -> None:
        """Nothing to end."""


DRIVING = ["workers", "processor time a cell, ms", "by the clock, ms", "cells a second"]


def driving(cells: Sequence[Cell], workers: int) -> list[str]:
    """What the driver needs to hand out and record all cells, in a folder that is empty at first."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        wall, cpu = time.perf_counter(), time.process_time()
        summary = Runner(Store(root), AtOnce(workers, root), Lines(io.StringIO())).run(cells)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    done = len(summary.recorded)
    assert done == len(cells)
    return [f"{workers}", f"{1e3 * cpu / done:.1f}", f"{1e3 * wall / done:.1f}", f"{done / wall:.0f}"]


if __name__ == "__main__":
    main()
