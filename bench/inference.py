"""Statistics of a few paired seeds: intervals, tests, and what they can resolve. Numbers in, numbers out.

Intervals are Student's, not the bootstrap's: with 3, 5 or 10 seeds the bootstrap's 95 % intervals of a mean cover the
truth far too seldom. `python benchmarks/evidence.py` measures both, and everything else here, on simulated records.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

ALPHA = 0.05
"""1 − level of an interval, and the chance of any false `better` or `worse` on a whole board."""
POWER = 0.8
"""Chance of seeing a difference as large as the resolution."""
FEWEST_PAIRS = 5
"""Below this nothing is called better or worse, however large the difference: it would hang on the assumed normality
alone (the exact test by signs cannot go below p = 0.0625 at 5 pairs either). Our choice."""
FEWEST_FUNCTIONS = 6
"""Functions that a rank correlation needs before it gets an interval."""
_POINTS = 2000


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % interval."""

    value: float
    low: float
    high: float
    """Both NaN where nothing is known of the scatter."""

    def text(self, places: int = 3) -> str:
        """`+0.410 [+0.102, +0.718]`, without brackets where the scatter is not known."""
        shown = f"{self.value:+.{places}f}"
        return shown if math.isnan(self.low) else f"{shown} [{self.low:+.{places}f}, {self.high:+.{places}f}]"

    def __str__(self) -> str:
        return self.text()


def half_width(se: float, df: float, alpha: float = ALPHA) -> float:
    """Half of Student's interval around a mean with this standard error, at level 1 − alpha."""
    from scipy.special import stdtrit

    return float(stdtrit(df, 1 - alpha / 2)) * se


def p_value(mean: float, se: float, df: float) -> float:
    """Two-sided p of the t test that the mean is 0; NaN where the standard error is 0, which is a coarse metric rather
    than certainty."""
    from scipy.special import stdtr

    return float(2 * stdtr(df, -abs(mean) / se)) if se else math.nan


def lower_tail(t: float, df: float) -> float:
    """One-sided p of a t test that a mean is not below a bound, `t` standard errors from it; NaN stays NaN."""
    from scipy.special import stdtr

    return float(stdtr(df, t))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values (Scandinavian Journal of Statistics 6, 1979), in the order given; NaN stays NaN and is
    no test."""
    ordered = sorted((p, place) for place, p in enumerate(p_values) if not math.isnan(p))
    adjusted, largest = list(p_values), 0.0
    for done, (p, place) in enumerate(ordered):
        largest = max(largest, min(1.0, p * (len(ordered) - done)))
        adjusted[place] = largest
    return adjusted


@cache
def resolution(n: int, tests: int = 1) -> float:
    """Smallest mean of n paired differences, in units of their standard deviation, that is told from 0 in `POWER` of
    all repetitions when `tests` tests share `ALPHA` (the first and strictest step of Holm)."""
    import numpy as np
    from scipy.optimize import brentq
    from scipy.special import chdtri, ndtr, stdtrit

    if n < 2:
        return math.nan
    df = n - 1
    critical = float(stdtrit(df, 1 - ALPHA / (2 * max(1, tests))))
    # Power is the mean of a normal tail over the distribution of the measured deviation. (The library's noncentral t is
    # NaN for the large shifts that few seeds need.) The other tail adds less than ALPHA / 2 and is left out.
    share = (np.arange(_POINTS) + 0.5) / _POINTS
    bars = critical * np.sqrt(chdtri(df, share) / df)
    found = brentq(lambda shift: float(ndtr(shift - bars).mean()) - POWER, 0.0, float(bars.max()) + 10)
    return float(found) / math.sqrt(n)


def probability_of_improvement(values: Sequence[float], baseline: Sequence[float], higher_is_better: bool) -> float:
    """Share of all pairs (a run of one, a run of the other) in which the first scores better, ties counting half
    (Agarwal et al., Deep RL at the Edge of the Statistical Precipice, 2021)."""
    wins = sum((a > b) + 0.5 * (a == b) for a in values for b in baseline) / (len(values) * len(baseline))
    return wins if higher_is_better else 1 - wins


@dataclass(frozen=True)
class Correlation:
    """Agreement of two orders of the same functions."""

    tau: float
    """Kendall's tau-b; NaN where one of the orders is all ties."""
    low: float
    high: float
    """95 % interval, NaN below `FEWEST_FUNCTIONS`."""
    n: int
    """Functions."""

    def __str__(self) -> str:
        if math.isnan(self.tau):
            return ""
        known = not math.isnan(self.low)
        return f"{self.tau:+.2f} [{self.low:+.2f}, {self.high:+.2f}]" if known else f"{self.tau:+.2f}"


def kendall(first: Sequence[float], second: Sequence[float]) -> Correlation:
    """Kendall's tau-b with the interval of Fieller, Hartley and Pearson (Biometrika 44, 1957): atanh(tau) is close to
    normal with variance 0.437 / (n − 4)."""
    from scipy.stats import kendalltau

    n = len(first)
    tau = float(kendalltau(first, second).statistic) if n > 1 else math.nan
    if n < FEWEST_FUNCTIONS or math.isnan(tau):
        return Correlation(tau, math.nan, math.nan, n)
    reach = 1.96 * math.sqrt(0.437 / (n - 4))
    most = 1 - 2 / (n * (n - 1))  # half a step below a perfect order, where atanh would shrink the interval to a point
    centre = math.atanh(max(-most, min(most, tau)))
    return Correlation(tau, min(tau, math.tanh(centre - reach)), max(tau, math.tanh(centre + reach)), n)
