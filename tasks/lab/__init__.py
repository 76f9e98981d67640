"""The synthetic out-of-distribution lab as three tasks: random polynomials, spherical harmonics, Feynman equations.

After "Mining Generalizable Activation Functions" (arXiv 2602.05688): small MLPs learn regression problems on one range
of inputs and are judged on another. The paper names the families and the idea; sizes, splits, budgets and the
aggregation are our choice and stated here. A run of these tasks is a report, so it opens the sealed test shift; a
search uses `tasks.lab.training` directly and stays on the validation shift.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.base import Context, Dataset, DataStatus, Diverged, Measurement, Metric, Selection, TaskSpec

if TYPE_CHECKING:
    from activations import Activation
    from tasks.lab.problem import Problem

FAMILIES = ("polynomials", "harmonics", "feynman")


@dataclass(frozen=True)
class LabRecipe:
    """Budget of one cell: which problems, how much data, how long."""

    every: int
    """One problem in this many of the family's table, from the first on; 1 takes them all."""
    steps: int
    batch: int = 128
    train_points: int = 1024
    """Points of the train range for each problem and seed, drawn once."""
    test_points: int = 512
    """Points of each of: held-out train range, validation shift, sealed shift."""
    width: int = 64
    """Width of each of the three hidden layers."""
    learning_rate: float = 3e-3
    """Adam's, at the start of a cosine schedule that ends at 0."""


def problems(family: str, every: int = 1) -> tuple[Problem, ...]:
    """One problem in `every` of a family's table: 64 polynomials, 48 harmonics, 100 Feynman equations in all.

    Raises:
        KeyError: `family` is not one of `FAMILIES`.
    """
    from tasks.lab import feynman, harmonics, polynomials

    tables = {"polynomials": polynomials.problems, "harmonics": harmonics.problems, "feynman": feynman.problems}
    return tables[family]()[::every]


@dataclass(frozen=True)
class LabTask:
    """One family of regression problems as a benchmark."""

    spec: TaskSpec
    problems_of: str
    """The family, one of `FAMILIES`."""

    def data_status(self, data: Path | None) -> DataStatus:
        """Always there: everything is generated from seeds."""
        return DataStatus(present=True)

    def run(self, activation: Activation, seed: int, recipe: LabRecipe, context: Context) -> Measurement:
        """Train one MLP a problem, then measure in and out of distribution, the sealed shift included.

        Raises:
            Diverged: a loss or a parameter of one of the networks is not finite.
            activations.InjectionError: the audit failed.
        """
        (end,) = self.run_seeds(activation, (seed,), recipe, context)
        if isinstance(end, Diverged):
            raise end
        return end

    def run_seeds(
        self, activation: Activation, seeds: Sequence[int], recipe: LabRecipe, context: Context
    ) -> list[Measurement | Diverged]:
        """Train and measure the cells of several seeds in one program; see `tasks.base.SeedBatched.run_seeds`."""
        from tasks.lab.report import measure

        return measure(activation, problems(self.problems_of, recipe.every), seeds, recipe, context)

    def seeds_together(self, device: str) -> int:
        """How many seeds one program should train on a kind of device; see `SEEDS_TOGETHER`."""
        return SEEDS_TOGETHER[device.partition(":")[0]]


SEEDS_TOGETHER: Mapping[str, int] = {"cpu": 1, "cuda": 8}
"""Seeds in one program, by kind of device. The networks of one seed keep a CPU core busy, so more bring nothing there
(benchmarks/results/seeds_together-cpu.md). A step of one seed is too short to fill a GPU; 8 is our choice, not yet
measured on one."""

METRIC = Metric(name="OOD loss, sealed shift", unit="log10 loss", higher_is_better=False, chance=None)
"""Mean over problems of log10 of the mean squared error over the train targets' variance. What always answering the
train mean would score depends on the problems and is recorded with every run, as `log10_sealed_loss_of_mean`."""

MODEL = (
    "MLPs with three hidden layers of equal width, one a problem, torch's Linear initialisation; inputs rescaled so "
    "that the train range is [-1, 1], targets standardised on the train points; mean squared error, Adam, cosine "
    "schedule; all of them trained together by batched matrix products"
)

SPLITS = (
    "Train on the lower half of every variable's interval, validation shift on the third quarter, sealed test shift on "
    "the last quarter, in all variables at once. No noise. A seed changes points and initial weights, not the problems."
)


def _task(family: str, title: str, source: str, recipes: Mapping[str, LabRecipe]) -> LabTask:
    spec = TaskSpec(
        name=f"lab-{family}",
        version=1,
        title=title,
        family="lab",
        track="real",
        dataset=Dataset(name=family, source=f"{source} {SPLITS}"),
        model=MODEL,
        sites=3,
        site_rule="the activations of the three hidden layers are replaced; the output layer is linear",
        metric=METRIC,
        recipes=recipes,
        selection=Selection("log10_validation_loss", higher_is_better=False, learning_rate="learning_rate"),
    )
    return LabTask(spec, family)


TASKS: tuple[LabTask, ...] = (
    _task(
        "polynomials",
        "Random polynomials, extrapolated",
        "64 generated polynomials of degree 2 to 5 in 1 to 4 variables on [-1, 1], standard normal coefficients "
        "(degrees, variables and law are our choice).",
        {
            "smoke": LabRecipe(every=3, steps=1000),
            "cpu": LabRecipe(every=1, steps=1000),
            "small": LabRecipe(every=1, steps=10_000, train_points=4096, test_points=2048),
            "paper": LabRecipe(every=1, steps=30_000, train_points=16_384, test_points=4096, learning_rate=1e-3),
        },
    ),
    _task(
        "harmonics",
        "Spherical harmonics, extrapolated",
        "48 real spherical harmonics of degree 1 to 6 as functions of two angles, by scipy (degrees are our choice).",
        {
            "smoke": LabRecipe(every=4, steps=1000),
            "cpu": LabRecipe(every=1, steps=1000),
            "small": LabRecipe(every=1, steps=10_000, train_points=4096, test_points=2048),
            "paper": LabRecipe(every=1, steps=30_000, train_points=16_384, test_points=4096, learning_rate=1e-3),
        },
    ),
    _task(
        "feynman",
        "Feynman equations, extrapolated",
        "the 100 equations of AI Feynman (Udrescu and Tegmark, arXiv 1905.11481) with their published ranges.",
        {
            "smoke": LabRecipe(every=5, steps=1000),
            "cpu": LabRecipe(every=1, steps=1000),
            "small": LabRecipe(every=1, steps=10_000, train_points=4096, test_points=2048),
            "paper": LabRecipe(every=1, steps=30_000, train_points=16_384, test_points=4096, learning_rate=1e-3),
        },
    ),
)
