"""Simulated boards: the records of `results/cpu` with scores drawn from a known law, for `evidence.py`.

A board goes the real way, from `Record` objects through `make_boards`; only the validation of each copy is skipped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bench.compare import BASELINE, Board, make_boards
from bench.records import ActivationFacts, Record, TaskFacts
from bench.store import Store

ROOT = Path(__file__).resolve().parents[1]
PROFILE = "cpu"
NINE = (
    *("cifar10-resnet18", "cifar10-vgg16", "molhiv-gcn"),
    *("clrs30-bellman_ford", "clrs30-bfs", "clrs30-minimum"),
    *("lab-feynman", "lab-harmonics", "lab-polynomials"),
)
"""The tasks of a simulated board, however many are published: two of vision, one of molecules, three of CLRS-30, three
of the lab."""
FAIL, FALL = 0.2, 5.0
"""A run that fails to learn: how often, and how far it falls in standard deviations of the others."""
HEIGHT = {"vision": 70.0, "molecules": 0.72, "clrs30": 60.0, "lab": -1.0}
"""Score of ReLU, by family."""
SCATTER = {"vision": 1.0, "molecules": 0.01, "clrs30": 3.0, "lab": 0.04}
"""Standard deviation of a run, by family; large beside the margins of equivalence."""

Array = NDArray[np.float64]
Draw = Callable[[Generator, tuple[int, ...]], Array]
"""Noise of this shape, with mean 0 and standard deviation 1."""


def normal(rng: Generator, shape: tuple[int, ...]) -> Array:
    """Of Gauss."""
    return rng.normal(size=shape)


def heavy(rng: Generator, shape: tuple[int, ...]) -> Array:
    """Heavy tails: Student's t with 3 degrees of freedom."""
    return rng.standard_t(3, size=shape) / math.sqrt(3)


def failing(rng: Generator, shape: tuple[int, ...]) -> Array:
    """One run in five fails to learn."""
    fallen = FALL * ((rng.random(shape) < FAIL) - FAIL)
    return (rng.normal(size=shape) - fallen) / math.sqrt(1 + FALL**2 * FAIL * (1 - FAIL))


def skewed(rng: Generator, shape: tuple[int, ...]) -> Array:
    """Exponential, so with a skewness of 2."""
    return rng.exponential(size=shape) - 1


def both_failing(rng: Generator, shape: tuple[int, ...]) -> Array:
    """The difference of two runs of which each fails to learn one time in five."""
    return (failing(rng, shape) - failing(rng, shape)) / math.sqrt(2)


def real(rng: Generator, shape: tuple[int, ...]) -> Array:
    """Drawn from the residuals of the paired differences of `results/cpu`."""
    return rng.choice(residuals(), size=shape)


RUNS: Mapping[str, Draw] = {"normal": normal, "heavy tails": heavy, "one run in five fails": failing}
"""Shapes of the scatter of single runs."""
DIFFERENCES: Mapping[str, Draw] = {
    "normal": normal,
    "heavy tails (t, 3 df)": heavy,
    "one run in five fails, ReLU's too": both_failing,
    "one run in five fails, ReLU's never": failing,
    "skewed (exponential)": skewed,
    "residuals of results/cpu": real,
}
"""Shapes of the scatter of a paired difference."""


@cache
def real_board() -> Board:
    """The published board of this profile, on real data."""
    records = Store(ROOT / "results").load(curves=False).records
    return next(board for board in make_boards(records) if (board.profile, board.track) == (PROFILE, "real"))


@cache
def residuals() -> Array:
    """Paired differences less their mean, freed of the shrinkage by it, in standard deviations of their task."""
    found = []
    for table in real_board().tables:
        baseline = table.by_label[BASELINE].scores
        rows = [
            np.array([row.scores[seed] - baseline[seed] for seed in row.scores if seed in baseline])
            for row in table.rows
            if row.label != BASELINE
        ]
        centred = [(row - row.mean()) * math.sqrt(len(row) / (len(row) - 1)) for row in rows if len(row) > 1]
        if centred:
            pooled = np.concatenate(centred)
            found.append(pooled / pooled.std())
    return np.concatenate(found)


def nine_tasks() -> list[TaskFacts]:
    """The tasks `NINE`, as they are published."""
    tasks = {table.task.name: table.task for table in real_board().tables}
    return [tasks[name] for name in NINE]


def copies(family: str, count: int) -> list[TaskFacts]:
    """Tasks that differ in their name alone."""
    task = next(task for task in nine_tasks() if task.family == family)
    return [task.model_copy(update={"name": f"{family}-{number:05}"}) for number in range(count)]


def heights(tasks: Sequence[TaskFacts]) -> tuple[Array, Array]:
    """ReLU's score and the scatter of a run, both shaped (tasks, 1, 1)."""
    found = [[HEIGHT[task.family] for task in tasks], [SCATTER[task.family] for task in tasks]]
    height, scatter = np.array(found)[:, :, None, None]
    return height, scatter


def make_board(tasks: Sequence[TaskFacts], scores: Array) -> Board:
    """The board of these scores, shaped (tasks, activations, seeds); the first activation is ReLU, NaN was not run."""
    template, functions = _template(), [_function(place) for place in range(scores.shape[1])]
    records = [
        template.model_copy(update={"task": task, "activation": function, "seed": seed, "score": score})
        for task, of_task in zip(tasks, scores.tolist(), strict=True)
        for function, of_function in zip(functions, of_task, strict=True)
        for seed, score in enumerate(of_function)
        if not math.isnan(score)
    ]
    (board,) = make_boards(records)
    return board


@cache
def _template() -> Record:
    return real_board().tables[0].by_label[BASELINE].records[0].model_copy(update={"recipe": {}, "outcome": "ok"})


@cache
def _function(place: int) -> ActivationFacts:
    """ReLU, then functions named `f01`, `f02` and so on."""
    name = f"f{place:02}"
    facts = {"name": name, "graph_hash": name * 5, "graph": {"nodes": []}}
    return _template().activation.model_copy(update=facts if place else {})
