"""Measures how often a board errs whose further seeds went where an order of cells sent them.

    python benchmarks/ordering.py [--boards 400]

Prints a Markdown table. A board has 45 rows of which none differs from ReLU; each has 5 pairs, then so many more pairs
are given out one after the other, and all rows are tested as `leaderboard.md` tests them. `by scatter` is the order of
`bench run --time-limit`; `by verdict` gives the next pair to the row that needs the fewest to be told from ReLU, were
its mean to stay as it is. Nothing is trained. Fixed seeds: the same numbers every time.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable

import numpy as np
from measuring import head
from simulated import DIFFERENCES, Array, Draw
from tabulate import tabulate

from bench.compare import Spread
from bench.inference import ALPHA, FEWEST_PAIRS, half_width, holm, p_value
from bench.value import MOST_PAIRS, further_pairs

ROWS, MOST = 45, 20
MARGIN = 0.8
"""The region of equivalence reaches so many standard deviations of a difference: few rows are precise at 5 pairs."""
FURTHER = (0, 60, 200)
SHAPES = ("normal", "heavy tails (t, 3 df)", "one run in five fails, ReLU's too")
"""Shapes of the scatter for which the t test keeps its promise at 5 pairs (`evidence.py`)."""
Need = Callable[[Array], float]
"""How many further pairs a row is taken to need, from its differences so far; 0 where none."""


def by_scatter(differences: Array) -> float:
    """The rule of `bench.value`."""
    found = further_pairs(_spread(differences), MARGIN)
    return math.inf if found is None else found


def by_verdict(differences: Array) -> float:
    """Pairs until the interval, at the strictest step of Holm, would exclude 0."""
    spread = _spread(differences)
    sd = spread.sd or 0.0
    for pairs in range(spread.n, MOST + 1):
        if half_width(sd / math.sqrt(pairs), pairs - 1, ALPHA / ROWS) < abs(spread.mean):
            return pairs - spread.n
    return MOST_PAIRS * sd / max(abs(spread.mean), 1e-12)


def _spread(differences: Array) -> Spread:
    found = Spread.of([float(value) for value in differences])
    assert found is not None
    return found


def errs(rng: np.random.Generator, draw: Draw, need: Need, further: int) -> bool:
    """Whether a board of equals shows a difference."""
    drawn = draw(rng, (ROWS, MOST))
    pairs = [FEWEST_PAIRS] * ROWS
    needs = [need(row[:FEWEST_PAIRS]) for row in drawn]
    for _ in range(further):
        place = min((row for row in range(ROWS) if pairs[row] < MOST), key=lambda row: (needs[row] == 0, needs[row]))
        pairs[place] += 1
        needs[place] = need(drawn[place, : pairs[place]])
    spreads = [_spread(row[:n]) for row, n in zip(drawn, pairs, strict=True)]
    raw = [p_value(one.mean, (one.sd or 0.0) / math.sqrt(one.n), one.n - 1) for one in spreads]
    return min(holm(raw)) < ALPHA


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--boards", type=int, default=400)
    boards: int = parser.parse_args().boards
    says = f"{boards} boards a cell of the table, {100 * ALPHA:g} % promised. Nothing is timed."
    print(
        head("Further seeds: how often a board errs", f"python benchmarks/ordering.py --boards {boards}", "cpu", says)
    )
    rows = [
        [name, order, *(f"{100 * _share(DIFFERENCES[name], need, further, boards):.1f} %" for further in FURTHER)]
        for name in SHAPES
        for order, need in (("by scatter", by_scatter), ("by verdict", by_verdict))
    ]
    columns = ["differences", "order", *(f"{further} further pairs" for further in FURTHER)]
    print(tabulate(rows, headers=columns, tablefmt="github", disable_numparse=True))


def _share(draw: Draw, need: Need, further: int, boards: int) -> float:
    rng = np.random.default_rng(0)
    return sum(errs(rng, draw, need, further) for _ in range(boards)) / boards


if __name__ == "__main__":
    main()
