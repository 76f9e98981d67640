"""The report's side of the lab: finalists on problems that no search has seen, with the sealed shift opened.

`report_score` is the only way from `mining` to the sealed shift. Whoever calls it logs each call: a function that was
chosen by what it says can no longer be judged by it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from activations import Activation, Graph, get
from mining.candidate import BASELINE
from mining.fitness import FINAL, kept_problems
from tasks.lab import FAMILIES, LabRecipe
from tasks.lab.data import open_sealed_shift
from tasks.lab.problem import Array
from tasks.lab.report import log10_loss
from tasks.lab.training import losses, train

PROBLEMS = 8
"""Problems of each family."""


@dataclass(frozen=True)
class Ratios:
    """Mean log10 ratio of losses to ReLU's on one shift of one family; inf where a network was not finite."""

    mean: float
    by_seed: tuple[float, ...]
    """The same from each seed alone: how far they lie apart is the noise."""


@dataclass(frozen=True)
class ReportScore:
    """One function's out-of-distribution losses beside ReLU's, by family, the held-out one included."""

    validation: dict[str, Ratios]
    sealed: dict[str, Ratios]


def report_score(
    graph: Graph,
    seeds: Sequence[int],
    families: Sequence[str] = FAMILIES,
    count: int = PROBLEMS,
    recipe: LabRecipe = FINAL.recipe,
    device: str = "cpu",
) -> ReportScore:
    """Open the sealed shift for one function, trained exactly on `count` problems of each family that no rung uses.

    ReLU is trained on the same problems and seeds, once for all functions of a report.

    Raises:
        activations.InjectionError: the audit of the replaced sites failed.
    """
    validation, sealed = {}, {}
    for family in families:
        mine, relu = (_open(one, family, tuple(seeds), count, recipe, device) for one in (graph, get(BASELINE).graph))
        validation[family], sealed[family] = (_ratios(*pair) for pair in zip(mine, relu, strict=True))
    return ReportScore(validation, sealed)


@lru_cache(maxsize=64)
def _open(
    graph: Graph, family: str, seeds: tuple[int, ...], count: int, recipe: LabRecipe, device: str
) -> tuple[Array, Array]:
    """Losses on the validation and on the sealed shift, each of shape (seeds, problems); inf where not finite."""
    problems = kept_problems(family, count)
    trained = train(Activation.from_graph("candidate", graph), problems, seeds, recipe, device)
    shifts = (trained.data.validation, open_sealed_shift(trained.data, recipe.test_points))
    measured = (losses(trained.model, points, recipe.batch) for points in shifts)
    shape = len(seeds), len(problems)
    first, second = (np.where(trained.finite & np.isfinite(m), m, np.inf).reshape(shape) for m in measured)
    return first, second


def _ratios(mine: Array, relu: Array) -> Ratios:
    if not np.isfinite(mine).all():
        return Ratios(math.inf, (math.inf,) * len(mine))
    by_seed = (log10_loss(mine) - log10_loss(relu)).mean(axis=1)
    return Ratios(float(by_seed.mean()), tuple(map(float, by_seed)))
