"""What a candidate is worth in the lab: its out-of-distribution losses beside ReLU's, on a ladder of budgets.

Fitness is the mean over families of the mean over problems and seeds of log10(loss / ReLU's loss) on the validation
shift: lower is better and 0 is ReLU, which trains on the same points, from the same weights, by the same path. The
first rungs train pointwise functions from a table, all others and every final score take the exact function. The
sealed shift cannot be reached from here; `mining.fitness_report` opens it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from activations import Activation, Graph, get
from mining.candidate import BASELINE
from tasks.lab import LabRecipe, problems
from tasks.stopwatch import Stopwatch

if TYPE_CHECKING:
    from mining.ensemble import Trainer
    from tasks.lab.problem import Array, Problem

SEARCHED = ("polynomials", "feynman")
"""Families that a search is scored on."""
HELD_OUT = ("harmonics",)
"""Families that a search never sees; only the report does."""
KEPT = 5
"""One problem in this many of each family, the 5th, 10th and so on of its table, is in no rung: it is the report's."""
AT_ONCE = 16
"""Candidates trained in one program on a GPU, where small products leave it idle; on a CPU one at a time is faster."""


@dataclass(frozen=True)
class Rung:
    """A budget: on what a candidate is trained, and how exactly."""

    name: str
    problems: int
    """How many problems, dealt out to the families in turn."""
    seeds: tuple[int, ...]
    """Those used when the caller names none."""
    recipe: Any
    """A `LabRecipe`; where a search is scored on CIFAR-10, a `SmallImageRecipe` (`mining.cifar_fitness`)."""
    exact: bool
    """False: pointwise functions without parameters train from a table."""


FIRST = Rung("first", 9, (0, 1), LabRecipe(every=1, steps=400, learning_rate=6e-3), exact=False)
"""Twice the usual learning rate: so short a training then ranks about as one of 1,000 steps at the usual rate does."""
SECOND = Rung("second", 24, (10, 11), LabRecipe(every=1, steps=600, learning_rate=6e-3), exact=False)
"""More problems before more steps or seeds: functions differ more from problem to problem than from seed to seed."""
FINAL = Rung("final", 32, (100, 101, 102), LabRecipe(every=1, steps=1000), exact=True)
"""Finalists take it on fresh seeds, which the caller draws and names."""
LADDER = (FIRST, SECOND)
"""What a search climbs, cheapest rung first; only what is good on one rung is tried on the next."""


@dataclass(frozen=True)
class Score:
    """What one candidate is worth on one rung."""

    fitness: float
    """inf where any of its networks was not finite; all numbers below are then inf too."""
    families: dict[str, float]
    """Mean log10 ratio of each family; the fitness is their mean."""
    problems: dict[str, float]
    """Mean log10 ratio over seeds of each problem."""
    by_seed: tuple[float, ...]
    """The fitness that each seed alone would give: how far they lie apart is the noise."""
    seconds: float
    """Wall time, without ReLU's own training, which is done once."""
    cpu_seconds: float
    exact: bool
    """Whether the function itself was trained and not its table."""


class Correlation(NamedTuple):
    """How far two rungs agree on the order of the same candidates."""

    tau: float
    """Kendall's tau-b: 1 for the same order, -1 for the opposite one; NaN with fewer than two candidates."""
    n: int


class LabFitness:
    """Scores candidates; keeps what does not depend on the candidate: points, initial weights and ReLU's losses."""

    def __init__(
        self, families: Sequence[str] = SEARCHED, ladder: Sequence[Rung] = LADDER, device: str = "cpu"
    ) -> None:
        """`device` is torch's name; a process that shares its machine calls `torch.set_num_threads(1)` beforehand."""
        self.families = tuple(families)
        self.ladder = tuple(ladder)
        self.device = device
        self._trainers: dict[tuple[Rung, tuple[int, ...], int], Trainer] = {}
        self._baselines: dict[tuple[Rung, tuple[int, ...], bool], Array] = {}

    def score(self, graph: Graph, rung: Rung, seeds: Sequence[int] | None = None) -> Score:
        """Train one candidate on a rung, under its own seeds or fresh ones."""
        return self.score_many([graph], rung, seeds)[0]

    def score_many(self, graphs: Sequence[Graph], rung: Rung, seeds: Sequence[int] | None = None) -> list[Score]:
        """As `score`; on a GPU many candidates train in one program and share its time equally."""
        from mining.table import tabulable

        chosen = rung.seeds if seeds is None else tuple(seeds)
        scores: dict[int, Score] = {}
        exact = [index for index, graph in enumerate(graphs) if rung.exact or not tabulable(graph)]
        tabulated = [index for index in range(len(graphs)) if index not in exact]
        width = 1 if self.device == "cpu" else AT_ONCE
        groups = [tabulated[start : start + width] for start in range(0, len(tabulated), width)]
        for group in [*([index] for index in exact), *groups]:
            way = group[0] in exact
            relu = self._baseline(rung, chosen, way)
            with Stopwatch() as watch:
                losses = self._losses([graphs[index] for index in group], rung, chosen, way)
            for index, loss in zip(group, losses, strict=True):
                scores[index] = self._summarise(loss, relu, rung, watch, len(group), way)
        return [scores[index] for index in range(len(graphs))]

    def _baseline(self, rung: Rung, seeds: tuple[int, ...], exact: bool) -> Array:
        key = rung, seeds, exact
        if key not in self._baselines:
            (losses,) = self._losses([get(BASELINE).graph], rung, seeds, exact)
            if not np.isfinite(losses).all():
                raise RuntimeError(f"ReLU itself was not finite on rung {rung.name!r}: lower its learning rate.")
            self._baselines[key] = losses
        return self._baselines[key]

    def _losses(self, graphs: Sequence[Graph], rung: Rung, seeds: tuple[int, ...], exact: bool) -> list[Array]:
        """Validation losses of each graph, shape (seeds, problems); inf where a network was not finite."""
        if not exact:
            return self._tabulated(graphs, rung, seeds)
        from tasks.lab.training import evaluate

        chosen = self._problems(rung)
        candidates = [Activation.from_graph("candidate", graph) for graph in graphs]
        return [evaluate(one, chosen, seeds, rung.recipe, device=self.device)["validation"] for one in candidates]

    def _tabulated(self, graphs: Sequence[Graph], rung: Rung, seeds: tuple[int, ...]) -> list[Array]:
        from activations.codegen import compile_graph
        from mining.ensemble import Lookup
        from mining.table import tabulate

        # A seed at a time keeps the networks of a step in a core's cache, and spares a lost candidate the other seeds.
        blocks = [(seed,) for seed in seeds] if self.device == "cpu" else [seeds]
        tables = [tabulate(graph, self.device) for graph in graphs]
        functions = [compile_graph(graph, "torch") for graph in graphs]
        losses = np.full((len(graphs), len(seeds), len(self._problems(rung))), np.inf)
        for number, block in enumerate(blocks):
            trainer = self._trainer(rung, block, len(graphs))
            finite = trainer.fit(Lookup(tables, trainer.shape)).cpu().numpy()
            loss = trainer.validation_losses(functions)
            loss = np.where(finite & np.isfinite(loss), loss, np.inf).reshape(len(graphs), len(block), -1)
            losses[:, number : number + len(block)] = loss
            if not np.isfinite(loss).all(axis=(1, 2)).any():
                break
        return list(losses)

    def _trainer(self, rung: Rung, seeds: tuple[int, ...], copies: int) -> Trainer:
        from mining.ensemble import Trainer
        from tasks.lab.data import open_data

        key = rung, seeds, copies
        if key not in self._trainers:
            if len(self._trainers) >= AT_ONCE:
                self._trainers.pop(next(iter(self._trainers)))  # the oldest: seeds that a caller names seldom return
            recipe = rung.recipe
            data = open_data(self._problems(rung), seeds, recipe.train_points, recipe.test_points, self.device)
            self._trainers[key] = Trainer(data, recipe, copies)
        return self._trainers[key]

    def _problems(self, rung: Rung) -> list[Problem]:
        return [problem for chosen in deal_problems(self.families, rung.problems).values() for problem in chosen]

    def _summarise(self, losses: Array, relu: Array, rung: Rung, watch: Stopwatch, shared: int, exact: bool) -> Score:
        from tasks.lab.report import log10_loss

        ratios = log10_loss(losses) - log10_loss(relu)
        if not np.isfinite(losses).all():
            ratios = np.full_like(ratios, math.inf)
        dealt = deal_problems(self.families, rung.problems)
        columns = dict(zip((problem.name for problem in self._problems(rung)), ratios.T, strict=True))
        families = {family: np.mean([columns[p.name] for p in chosen], axis=0) for family, chosen in dealt.items()}
        by_seed = np.mean(list(families.values()), axis=0)
        return Score(
            fitness=float(by_seed.mean()),
            families={family: float(values.mean()) for family, values in families.items()},
            problems={name: float(values.mean()) for name, values in columns.items()},
            by_seed=tuple(map(float, by_seed)),
            seconds=watch.wall / shared,
            cpu_seconds=watch.cpu / shared,
            exact=exact,
        )


def deal_problems(families: Sequence[str], count: int) -> dict[str, list[Problem]]:
    """`count` problems, dealt out to the families in turn and spread over each table, without the report's."""
    dealt = {}
    for number, family in enumerate(families):
        share = (count + len(families) - 1 - number) // len(families)
        open_to_search = [problem for index, problem in enumerate(problems(family)) if index % KEPT != KEPT - 1]
        dealt[family] = _spread(open_to_search, share)
    return dealt


def kept_problems(family: str, count: int) -> list[Problem]:
    """At most `count` of a family's problems that no rung uses, spread over its table."""
    return _spread(list(problems(family)[KEPT - 1 :: KEPT]), count)


def rung_correlation(pairs: Sequence[tuple[float, float]]) -> Correlation:
    """Kendall's tau of the fitness of the same candidates on two rungs; inf stands behind all others."""
    from scipy.stats import kendalltau

    if len(pairs) < 2:
        return Correlation(math.nan, len(pairs))
    first, second = zip(*pairs, strict=True)
    return Correlation(float(kendalltau(first, second).statistic), len(pairs))


def _spread(table: Sequence[Problem], count: int) -> list[Problem]:
    count = min(count, len(table))
    return [table[int((place + 0.5) * len(table) / count)] for place in range(count)]
