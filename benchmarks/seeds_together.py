"""Cells an hour of several seeds in one program against one after the other, and what that does to their scores.

    python benchmarks/seeds_together.py [--device cpu] [--tasks lab-polynomials ...] [--steps N] [--rounds 1]

Prints Markdown tables. Every arm serves the same seeds of ReLU in as many processes as a run has (two of one thread on
two cores, one on a GPU), from the start of those processes to the last score, with an empty folder of compiled
programs; the arms of a round come one after the other. What a last bit alone does to a score is measured beside the
differences: `nudged` cells start from weights that are larger by one part in 2**23.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import Any, NamedTuple

from measuring import head
from tabulate import tabulate

from bench.provenance import cores
from tasks.clrs30 import cpu_environment

TASKS = ("lab-polynomials", "lab-harmonics", "lab-feynman", "clrs30-bellman_ford", "clrs30-minimum")
SEEDS = range(8)
NUDGE = 1 + 2**-23
FIRST = 5
"""Steps over which the losses of a seed are compared."""

Row = tuple[str, ...]


class Cell(NamedTuple):
    """What a cell gave."""

    seed: int
    score: float
    losses: tuple[float, ...]
    """The first points of its training curve."""


class Arm(NamedTuple):
    """One way of serving the seeds."""

    together: int
    """Seeds in one program."""
    nudged: bool = False


class Served(NamedTuple):
    """All seeds of an arm."""

    wall: float
    cpu: float
    """Processor time of all processes."""
    cells: dict[int, Cell]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--tasks", nargs="+", default=TASKS)
    parser.add_argument("--profile", default=None, help="smoke on a CPU, small on a GPU, unless said here")
    parser.add_argument("--steps", type=int, help="train this long, whatever the recipe says")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--together", type=int, nargs="+", default=None)
    arguments = parser.parse_args()
    on_cpu = arguments.device == "cpu"
    counts = arguments.together or ((1, 2, 4) if on_cpu else (1, 2, 4, 8))
    arms = [*(Arm(count) for count in counts), Arm(1, nudged=True)]
    profile = arguments.profile or ("smoke" if on_cpu else "small")
    speeds, differences = [], []
    for name in arguments.tasks:
        recipe = chosen(name, profile, arguments.steps)
        served: dict[Arm, list[Served]] = {arm: [] for arm in arms}
        for _, arm in itertools.product(range(arguments.rounds), arms):
            served[arm].append(serve(name, arm, recipe, arguments.device))
        speeds += list(compare_speeds(name, served))
        differences += list(compare_scores(name, served))
    say(arguments, speeds, differences)


def chosen(name: str, profile: str, steps: int | None) -> Any:
    """The recipe of a task; its `cpu` one where it has none of the profile."""
    import tasks

    recipes = tasks.get(name).spec.recipes
    recipe = recipes.get(profile) or recipes["cpu"]
    if steps is None:
        return recipe
    return replace(recipe, steps=steps, **({"eval_every": steps // 2} if hasattr(recipe, "eval_every") else {}))


def serve(name: str, arm: Arm, recipe: Any, device: str) -> Served:
    """Run all seeds by one arm and take the time."""
    workers = cores() if device == "cpu" else 1
    shares = [list(SEEDS)[start::workers] for start in range(workers)]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["JAX_COMPILATION_CACHE_DIR"] = folder
        os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
        if device == "cpu":
            os.environ.update(cpu_environment(1), OMP_NUM_THREADS="1")
        else:
            os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
        begun = time.perf_counter()
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
            work = [pool.submit(work_off, name, share, arm, recipe, device) for share in shares]
            done = [each.result() for each in work]
        wall = time.perf_counter() - begun
    return Served(wall, sum(cpu for _, cpu in done), {cell.seed: cell for cells, _ in done for cell in cells})


def work_off(name: str, seeds: Sequence[int], arm: Arm, recipe: Any, device: str) -> tuple[list[Cell], float]:
    """Serve some seeds in this process; give the cells and the processor time that the process has used in all."""
    import activations
    import tasks
    from tasks.base import Context, Measurement

    task: Any = tasks.get(name)
    if arm.nudged:
        nudge(name)
    relu, context, cells = activations.get("relu"), Context(device=device), []
    for start in range(0, len(seeds), arm.together):
        group = seeds[start : start + arm.together]
        if arm.together == 1:
            ends = [task.run(relu, group[0], recipe, context)]
        else:
            ends = task.run_seeds(relu, group, recipe, context)
        for seed, end in zip(group, ends, strict=True):
            assert isinstance(end, Measurement)
            cells.append(Cell(seed, end.score, tuple(end.curves["train_loss"][:FIRST])))
    return cells, time.process_time()


def nudge(name: str) -> None:
    """Let every network of this process start from weights whose last bit is another one."""
    if name.startswith("lab"):
        from tasks.lab import network

        stack = network._stack
        network._stack = lambda arrays: stack([array * NUDGE for array in arrays])
        return
    from tasks import clrs_data

    clrs_data.import_clrs()
    import jax
    import numpy as np

    from tasks.clrs_model import GuardedModel

    init = GuardedModel.init

    def nudged(self: Any, *arguments: Any) -> None:
        init(self, *arguments)
        self.params = jax.tree_util.tree_map(lambda leaf: leaf * np.float32(NUDGE), self.params)

    patched: Any = GuardedModel
    patched.init = nudged


def compare_speeds(name: str, served: dict[Arm, list[Served]]) -> Iterator[Row]:
    """Cells an hour of each arm, and times the arm of one seed after the other."""
    alone = served[Arm(1)]
    for arm, rounds in served.items():
        if not arm.nudged:
            walls = sorted(each.wall for each in rounds)
            gains = sorted(a.wall / b.wall for a, b in zip(alone, rounds, strict=True))
            work = statistics.median(a.cpu / b.cpu for a, b in zip(alone, rounds, strict=True))
            spread = f"{gains[0]:.2f} to {gains[-1]:.2f}"
            hourly = 3600 * len(SEEDS) / statistics.median(walls)
            yield name, str(arm.together), f"{hourly:.0f}", f"{statistics.median(gains):.2f}", spread, f"{work:.2f}"


def compare_scores(name: str, served: dict[Arm, list[Served]]) -> Iterator[Row]:
    """How far each seed is from the same seed alone, for every other arm."""
    alone = served[Arm(1)][0].cells
    scores = [cell.score for cell in alone.values()]
    for arm, rounds in served.items():
        if arm == Arm(1):
            continue
        cells = rounds[0].cells
        first = max(abs(cells[seed].losses[0] / alone[seed].losses[0] - 1) for seed in SEEDS)
        gaps = [cells[seed].score - alone[seed].score for seed in SEEDS]
        yield (
            name,
            "1, nudged" if arm.nudged else str(arm.together),
            f"{first:.1e}",
            f"{statistics.mean(gaps):+.3f}",
            f"{statistics.median(map(abs, gaps)):.3f}",
            f"{max(map(abs, gaps)):.3f}",
            f"{statistics.stdev(scores):.3f}",
        )


def say(arguments: argparse.Namespace, speeds: list[Row], differences: list[Row]) -> None:
    """Print both tables under the head of a committed one."""
    said = f" --device {arguments.device}" if arguments.device != "cpu" else ""
    said += f" --tasks {' '.join(arguments.tasks)}" if tuple(arguments.tasks) != TASKS else ""
    said += f" --steps {arguments.steps}" if arguments.steps else ""
    said += f" --rounds {arguments.rounds}" if arguments.rounds != 1 else ""
    conditions = f"ReLU, seeds {SEEDS[0]} to {SEEDS[-1]}, rounds: {arguments.rounds}, arms interleaved."
    print(head("Seeds in one program", f"python benchmarks/seeds_together.py{said}", arguments.device, conditions))
    headers = ["task", "seeds together", "cells an hour", "times one by one", "least to most", "by processor time"]
    print(tabulate(speeds, headers, tablefmt="github", disable_numparse=True), end="\n\n")
    print("Scores against the same seed alone; the last column is the deviation between seeds alone.\n")
    headers = ["task", "seeds together", "first loss, largest relative gap", "mean gap"]
    headers += ["median absolute gap", "largest gap", "seed sd"]
    print(tabulate(differences, headers, tablefmt="github", disable_numparse=True))


if __name__ == "__main__":
    main()
