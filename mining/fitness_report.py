"""The report's side of the lab: finalists on problems that no search has seen, with the sealed shift opened.

`report_losses` is the only way from `mining` to the sealed shift. Whoever calls it logs each call: a function that was
chosen by what it says can no longer be judged by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from activations import Activation, Graph
from mining.fitness import FINAL, kept_problems
from mining.threads import one_thread
from tasks.lab import FAMILIES, LabRecipe, problems
from tasks.lab.data import open_sealed_shift
from tasks.lab.problem import Array
from tasks.lab.report import log10_loss
from tasks.lab.training import losses, train

ByProblem = Mapping[str, Mapping[str, tuple[float, ...]]]
"""Family, then problem, to one number a seed."""


@dataclass(frozen=True)
class ReportScore:
    """One function out of distribution: log10 losses, or what they are beside ReLU's; the held-out family included."""

    validation: ByProblem
    sealed: ByProblem

    def beside(self, other: ReportScore) -> ReportScore:
        """Log10 ratios to another function's losses on the same problems and seeds; inf where a network of this one
        was not finite.
        """
        return ReportScore(_minus(self.validation, other.validation), _minus(self.sealed, other.sealed))


def report_losses(
    graph: Graph,
    seeds: Sequence[int],
    families: Sequence[str] = FAMILIES,
    count: int | None = None,
    recipe: LabRecipe = FINAL.recipe,
    device: str = "cpu",
) -> ReportScore:
    """Open the sealed shift for one function, trained exactly on the problems of each family that no rung uses, or on
    `count` of them: log10 of the normalised losses, inf where a network was not finite.

    One thread does it, so that the numbers do not depend on the machine's cores.

    Raises:
        activations.InjectionError: the audit of the replaced sites failed.
    """
    activation = Activation.from_graph("candidate", graph)
    validation, sealed = {}, {}
    for family in families:
        chosen = kept_problems(family, count or len(problems(family)))
        with one_thread():
            trained = train(activation, chosen, seeds, recipe, device)
            shifts = (trained.data.validation, open_sealed_shift(trained.data, recipe.test_points))
            measured = [losses(trained.model, points, recipe.batch) for points in shifts]
        names = [problem.name for problem in chosen]
        validation[family], sealed[family] = (_logs(loss, trained.finite, names) for loss in measured)
    return ReportScore(validation, sealed)


def _logs(loss: Array, finite: NDArray[np.bool_], names: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """From one loss a network to one number a seed for each problem."""
    kept = np.where(finite & np.isfinite(loss), log10_loss(loss), np.inf).reshape(-1, len(names))
    return {name: tuple(map(float, column)) for name, column in zip(names, kept.T, strict=True)}


def _minus(mine: ByProblem, other: ByProblem) -> ByProblem:
    return {
        family: {
            name: tuple(a - b if np.isfinite(a) else a for a, b in zip(logs, other[family][name], strict=True))
            for name, logs in by_problem.items()
        }
        for family, by_problem in mine.items()
    }
