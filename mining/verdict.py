"""Whether a search found anything: its best function beside ReLU, GELU and the best that it started from.

The best function is chosen before it is judged: it is the first on the final rung. It is judged by a sealed opening,
on other seeds and other problems, so that the choice cannot flatter it. What is judged is whether a lead holds on
further problems of the same families: the noise is what lies between problems, and seeds are averaged.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mining.findings import Findings
from mining.population import Slot
from mining.sealed import SHIFTS, Opened

LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean with its interval."""

    mean: float
    low: float
    """Of a t interval at `LEVEL`; -inf where a family has one problem or a number is not finite."""
    high: float
    n: int
    """Problems."""

    @property
    def half(self) -> float:
        """Half the interval's width."""
        return (self.high - self.low) / 2

    @staticmethod
    def over(families: Sequence[Sequence[float]]) -> Estimate:
        """Of one number a problem, the problems of each family being a sample of it: the mean of the families' means.

        Its variance is the sum over F families of s² / n, divided by F², with the degrees of freedom of Welch (The
        generalization of "Student's" problem, 1947) and Satterthwaite (An approximate distribution of estimates of
        variance components, 1946). The mean is inf where one number is not finite, and NaN where a family is empty.
        """
        n = sum(map(len, families))
        if not families or not all(families):
            return Estimate(math.nan, -math.inf, math.inf, n)
        if not all(math.isfinite(value) for values in families for value in values):
            return Estimate(math.inf, -math.inf, math.inf, n)
        mean = statistics.fmean(map(statistics.fmean, families))
        if min(map(len, families)) < 2:
            return Estimate(mean, -math.inf, math.inf, n)
        parts = [statistics.variance(values) / len(values) for values in families]
        total = sum(parts)
        if total == 0:
            return Estimate(mean, mean, mean, n)
        from scipy.stats import t

        freedom = total**2 / sum(part**2 / (len(values) - 1) for part, values in zip(parts, families, strict=True))
        half = float(t.ppf((1 + LEVEL) / 2, freedom)) * math.sqrt(total) / len(families)
        return Estimate(mean, mean - half, mean + half, n)

    @staticmethod
    def of(opened: Opened, shift: str, families: Sequence[str]) -> Estimate:
        """Of what an opening showed beside ReLU, over these families."""
        return Estimate.over([list(opened.by_problem(shift, family).values()) for family in families])


class Comparison(NamedTuple):
    """The best function beside a reference on one shift, paired by problem."""

    reference: str
    shift: str
    """`validation` or `sealed`."""
    difference: Estimate
    """Of the fitness, the function's minus the reference's: below 0 is better."""

    @property
    def beats(self) -> bool:
        """Whether the whole interval is below 0."""
        return self.difference.high < 0

    @property
    def word(self) -> str:
        """What the interval says."""
        if self.beats:
            return "better"
        return "worse" if self.difference.low > 0 else "no different"


@dataclass(frozen=True)
class Verdict:
    """What the report says first."""

    best: Slot | None
    """The first on the final rung; None where nothing was confirmed."""
    comparisons: tuple[Comparison, ...]
    """With each rival on each shift, over the families that the search saw; empty where nothing was opened."""
    held_out: tuple[Comparison, ...]
    """The same over the families that were held out of it."""

    @property
    def found(self) -> bool:
        """Whether the best function beats every rival on every shift. Each of them must show it, so the chance
        of a false find stays below that of a single interval.
        """
        return bool(self.comparisons) and all(comparison.beats for comparison in self.comparisons)


def give_verdict(findings: Findings) -> Verdict:
    """Judge the first function of the final rung by its opening."""
    best = findings.confirmed[0] if findings.confirmed else None
    opened = findings.opened.get(best.hash or "") if best else None
    others = {name: findings.opened.get(findings.references[name].hash) for name in findings.rivals}
    if opened is None or not all(others.values()):
        return Verdict(best, (), ())
    searched = [family for family in opened.families if family in findings.settings.families]
    held_out = [family for family in opened.families if family not in findings.settings.families]
    pairs = [(name, other) for name, other in others.items() if other is not None]
    return Verdict(
        best,
        tuple(_compare(opened, other, name, shift, searched) for name, other in pairs for shift in SHIFTS),
        tuple(_compare(opened, other, name, shift, held_out) for name, other in pairs for shift in SHIFTS)
        if held_out
        else (),
    )


def _compare(opened: Opened, other: Opened, name: str, shift: str, families: Sequence[str]) -> Comparison:
    differences = []
    for family in families:
        mine, theirs = opened.by_problem(shift, family), other.by_problem(shift, family)
        differences.append([ratio - theirs[problem] for problem, ratio in mine.items()])
    return Comparison(name, shift, Estimate.over(differences))
