"""Whether a search found anything: its best function beside ReLU and GELU, on seeds that nothing else used.

The best function is chosen before it is judged: it is the first on the final rung. It is judged by a sealed opening,
on other seeds and other problems, so that the choice cannot flatter it.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mining.findings import SHIFTS, Findings, Opened
from mining.population import Slot

LEVEL = 0.95
REFERENCES = ("relu", "gelu")
"""What a find must beat."""


@dataclass(frozen=True)
class Estimate:
    """A mean with its interval."""

    mean: float
    low: float
    """Of a t interval at `LEVEL`; -inf where n is 1 or a number is not finite."""
    high: float
    n: int

    @staticmethod
    def of(values: Sequence[float]) -> Estimate:
        """Of one number a seed; the mean is inf where one of them is not finite."""
        n = len(values)
        if not all(map(math.isfinite, values)):
            return Estimate(math.inf, -math.inf, math.inf, n)
        if n < 2:
            return Estimate(statistics.fmean(values) if n else math.nan, -math.inf, math.inf, n)
        from scipy.stats import t

        mean = statistics.fmean(values)
        half = float(t.ppf((1 + LEVEL) / 2, n - 1)) * statistics.stdev(values) / math.sqrt(n)
        return Estimate(mean, mean - half, mean + half, n)


class Comparison(NamedTuple):
    """The best function beside a reference on one shift, paired by seed."""

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
    """With each reference on each shift, over the families that the search saw; empty where nothing was opened."""
    held_out: tuple[Comparison, ...]
    """The same over the families that were held out of it."""

    @property
    def found(self) -> bool:
        """Whether the best function beats every reference on every shift. Each of them must show it, so the chance
        of a false find stays below that of a single interval.
        """
        return bool(self.comparisons) and all(comparison.beats for comparison in self.comparisons)


def give_verdict(findings: Findings) -> Verdict:
    """Judge the first function of the final rung by its opening."""
    best = findings.confirmed[0] if findings.confirmed else None
    opened = findings.opened.get(best.hash or "") if best else None
    others = {name: findings.opened.get(findings.references[name].hash) for name in REFERENCES}
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
    mine, theirs = opened.by_seed(shift, families), other.by_seed(shift, families)
    return Comparison(name, shift, Estimate.of([m - t for m, t in zip(mine, theirs, strict=True)]))
