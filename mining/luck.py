"""What luck alone gives: GELU trained again and again on the cheap rung, and the best of N such copies.

A search that tries N functions and shows the best one would show something below GELU's fitness even if all N were
GELU. The copies differ by their seeds, which nothing else uses, and each is held to ReLU on its own seeds. In the
search all functions share seeds and ReLU's training: that can only make the best of N less extreme than here (Slepian's
inequality), and the reach holds whatever they share.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mining.population import Population
from mining.settings import Evaluate, Job

if TYPE_CHECKING:
    from activations import Graph
    from mining.fitness import Rung

FACT = "luck"
"""Under this name the population keeps the copies."""
COPIES = 16
CHANCE = 0.05
"""That GELU alone is taken for a find."""
FIRST_SEED = 20_000
"""The copies take the seeds from here on; rungs and openings stay below."""


@dataclass(frozen=True)
class Copy:
    """One training of the function that is no find."""

    seeds: tuple[int, ...]
    fitness: float
    cpu_seconds: float


@dataclass(frozen=True)
class Luck:
    """Copies of one function on one rung."""

    copies: tuple[Copy, ...]

    @property
    def fitness(self) -> list[float]:
        """Of the copies that were finite."""
        return [copy.fitness for copy in self.copies if math.isfinite(copy.fitness)]

    @property
    def mean(self) -> float:
        """NaN without copies."""
        return statistics.fmean(self.fitness) if self.fitness else math.nan

    @property
    def sd(self) -> float:
        """Sample standard deviation; NaN with fewer than two copies."""
        return statistics.stdev(self.fitness) if len(self.fitness) > 1 else math.nan

    def expected_best(self, count: int) -> float:
        """Fitness to be expected of the best of `count` copies, NaN where there is no `sd` or nothing to choose from.

        mean + sd · Φ⁻¹(0.625 / (count + 0.25)): Blom's approximation (Statistical Estimates and Transformed
        Beta-Variables, 1958) to the least of `count` normal numbers.
        """
        if count < 1 or math.isnan(self.sd):
            return math.nan
        return self.mean + self.sd * statistics.NormalDist().inv_cdf(0.625 / (count + 0.25))

    def reach(self, count: int) -> float:
        """Fitness below which the best of `count` further copies falls with a chance of `CHANCE` at most; NaN as
        above.

        mean + sd · √(1 + 1/K) · t⁻¹(CHANCE / count), Student's t with K - 1 degrees of freedom for K copies: exact for
        one further copy of a normal law, and for `count` of them by Bonferroni's bound. That mean and sd are
        estimates is in it.
        """
        if count < 1 or math.isnan(self.sd):
            return math.nan
        from scipy.stats import t

        copies = len(self.fitness)
        return self.mean + self.sd * math.sqrt(1 + 1 / copies) * float(t.ppf(CHANCE / count, copies - 1))


def measure_luck(population: Population, evaluate: Evaluate, graph: Graph, rung: Rung, copies: int = COPIES) -> Luck:
    """Train the copies that the population lacks, each written down as soon as it is done."""
    wanted = [seeds_of(number, rung) for number in range(copies)]
    known = {copy.seeds: copy for copy in _read(population, rung)}
    jobs = {
        f"luck-{number}": Job(f"luck-{number}", graph, dataclasses.replace(rung, seeds=seeds))
        for number, seeds in enumerate(wanted)
        if seeds not in known
    }
    with contextlib.closing(evaluate(list(jobs.values()))) as arriving:
        for evaluation in arriving:
            if evaluation is None:
                continue
            seeds = jobs[evaluation.hash].rung.seeds
            known[seeds] = Copy(seeds, evaluation.fitness, evaluation.cpu_seconds)
            done = [dataclasses.asdict(known[seeds]) for seeds in wanted if seeds in known]
            population.set_fact(FACT, json.dumps({"protocol": _protocol(rung), "copies": done}))
    return Luck(tuple(known[seeds] for seeds in wanted))


def read_luck(population: Population) -> Luck:
    """The copies that were trained so far; none where no report was made yet."""
    return Luck(tuple(_copies(json.loads(population.fact(FACT) or '{"copies": []}'))))


def seeds_of(number: int, rung: Rung) -> tuple[int, ...]:
    """Seeds of one copy, as many as the rung has."""
    first = FIRST_SEED + number * len(rung.seeds)
    return tuple(range(first, first + len(rung.seeds)))


def _read(population: Population, rung: Rung) -> Sequence[Copy]:
    """The copies that were trained as this rung trains."""
    stored = json.loads(population.fact(FACT) or "{}")
    return _copies(stored) if stored.get("protocol") == _protocol(rung) else []


def _copies(stored: dict[str, Any]) -> list[Copy]:
    return [Copy(tuple(c["seeds"]), c["fitness"], c["cpu_seconds"]) for c in stored["copies"]]


def _protocol(rung: Rung) -> dict[str, Any]:
    """What must be the same for a copy to be kept."""
    return {"problems": rung.problems, "exact": rung.exact, "recipe": dataclasses.asdict(rung.recipe)}
