"""What a cell spends before it trains: once a worker (start, imports, data, programs to compile) and once a cell.

    python benchmarks/start_up.py --data DIR --profile small

Two cells of every task run in one fresh process under the profile's own recipe (CIFAR in batches of 32, which changes
a step and not the start), each for ten training steps. What the first five take longer than the second five is
start-up, too: programs are compiled there, for CLRS-30 one for each of its five lengths. From this follows how long a
cell must last for start-up to stay below 5 % of a grid with so many cells a worker.
A second table gives the share of wall time outside training and evaluation in the published records.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from measuring import head
from tabulate import tabulate

from bench.devices import lanes
from bench.records import Record
from bench.store import Store

ROOT = Path(__file__).resolve().parents[1]
TASKS = ("cifar10-resnet18", "molhiv-gcn", "clrs30-bfs", "lab-polynomials")
"""One of each family."""
CHANGES: Mapping[str, Mapping[str, int]] = {"cifar10-resnet18": {"batch_size": 32}}
"""So that a CPU takes the ten steps within a minute."""
STEPS = 10
ACTIVATION = "gelu-sinc-perturbation"
SHARE = 0.05
"""Of a grid's wall time that start-up may take."""
CELLS = 25
"""Cells a worker: five functions on five seeds."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, default=os.environ.get("ACTIVATION_BENCH_DATA"))
    parser.add_argument("--profile", default="small")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--tasks", nargs="+", default=TASKS)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--one", nargs=1, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        print(json.dumps(in_this_process(chosen.one[0], chosen.profile, chosen.device, chosen.data)))
        return
    command = f"python benchmarks/start_up.py --data DIR --profile {chosen.profile} --device {chosen.device}"
    print(head("Before the first step", command, chosen.device, f"Medians of {chosen.repeats} processes, in seconds."))
    columns = ["task", "process and imports", "first cell", "second cell"]
    rows = [row(task, chosen.profile, chosen.device, chosen.data, chosen.repeats) for task in chosen.tasks]
    print(tabulate(rows, headers=[*columns, f"cell for {SHARE:.0%} with {CELLS} a worker"], tablefmt="github"))
    print(f"\nPublished records of profile cpu: wall time outside training and evaluation\n\n{published()}")


def row(task: str, profile: str, device: str, data: Path | None, repeats: int) -> list[str]:
    """One line of the table."""
    runs = [in_a_fresh_process(task, profile, device, data) for _ in range(repeats)]
    start, first, second = (statistics.median(run[i] for run in runs) for i in range(3))
    due = (start + first + (CELLS - 1) * second) / CELLS * (1 - SHARE) / SHARE
    return [task, f"{start:.1f}", f"{first:.1f}", f"{second:.1f}", f"{due:.0f} s"]


def in_a_fresh_process(task: str, profile: str, device: str, data: Path | None) -> tuple[float, float, float]:
    """Seconds of start and imports, of the first cell and of the second."""
    options = ["--profile", profile, "--device", device, "--one", task]
    if data is not None:
        options += ["--data", str(data)]
    environment = {**os.environ, **lanes(device, 1)[0].environment}
    begun = time.time()
    done = subprocess.run(
        [sys.executable, __file__, *options], cwd=ROOT, check=True, capture_output=True, text=True, env=environment
    )
    imported, first, second = json.loads(done.stdout.splitlines()[-1])
    return imported - begun, first, second


class EnoughSteps(Exception):
    """Ends a cell that has begun to train."""


def in_this_process(name: str, profile: str, device: str, data: Path | None) -> list[float]:
    """The clock when the task is at hand, then seconds of two cells that are no steady training."""
    from dataclasses import replace

    import activations
    import tasks

    task, activation = tasks.get(name), activations.get(ACTIVATION)
    activation.graph  # noqa: B018 - traced by the process that plans, not by a worker

    recipe = replace(task.spec.recipes[profile], **CHANGES.get(name, {}))
    clock: list[float] = []

    def stop(step: int, steps: int, loss: float) -> None:
        clock.append(time.perf_counter())
        if len(clock) == STEPS:
            raise EnoughSteps

    found = [time.time()]
    for seed in range(2):
        clock.clear()
        begun = time.perf_counter()
        try:
            task.run(activation, seed, recipe, tasks.Context(data, device, stop))
        except EnoughSteps:
            steady = clock[-1] - clock[STEPS // 2 - 1]
            found.append(clock[-1] - begun - 2 * steady)
    return found


def published() -> str:
    """Per task of profile `cpu`, seconds a cell outside training and evaluation, and their share."""
    held: dict[str, list[Record]] = defaultdict(list)
    for record in Store(ROOT / "results").load(curves=False).records:
        if record.profile == "cpu" and record.score is not None:
            held[record.task.name].append(record)
    rows = [[task, len(records), *outside(records)] for task, records in sorted(held.items())]
    every = [record for records in held.values() for record in records]
    rows.append(["all", len(every), *outside(every)])
    return tabulate(rows, headers=["task", "cells", "seconds a cell", "share"], tablefmt="github")


def outside(records: Sequence[Record]) -> list[str]:
    """Seconds a cell and share of the wall time."""
    whole = sum(record.times.total + record.times.startup for record in records)
    trained = sum((record.times.train or 0) + (record.times.eval or 0) for record in records)
    return [f"{(whole - trained) / len(records):.2f}", f"{1 - trained / whole:.2%}"]


if __name__ == "__main__":
    main()
