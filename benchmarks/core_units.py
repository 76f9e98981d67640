"""What the search space of core units holds: recipes enumerated, functions left when duplicates merge, and the time.

    python benchmarks/core_units.py

Prints a Markdown table. A function is finite where its float64 values on the grid below are. The numbers of two and
three units are recipes, not functions: nobody can enumerate those.
"""

from __future__ import annotations

import math
import time
from itertools import product

import numpy as np
from tabulate import tabulate

from activations.to_numpy import to_numpy
from mining.core_units import BINARY, MOST_UNITS, UNARY, Recipe, every_unit, merge

GRID = np.linspace(-10.0, 10.0, 2001)


def main() -> None:
    """Enumerate, merge, evaluate and print."""
    begun = time.perf_counter()
    recipes = list(every_unit())
    built = [recipe.graph for recipe in recipes]
    graphs = time.perf_counter()
    distinct = merge(recipes)
    merged = time.perf_counter()
    finite = [recipe for recipe in distinct.values() if np.isfinite(values(recipe)).all()]
    varying = [recipe for recipe in finite if np.ptp(values(recipe)) > 1e-9]
    rows = [
        ("unary functions, the constant included; binary functions", f"{len(UNARY)}; {len(BINARY)}"),
        *((f"recipes of {units} unit{'s' * (units > 1)}", f"{count(units):,}") for units in range(1, MOST_UNITS + 1)),
        ("recipes of one unit enumerated", f"{len(built):,} in {graphs - begun:.1f} s"),
        ("distinct hashes among them", f"{len(distinct):,} in {merged - graphs:.1f} s"),
        (f"of these finite at {len(GRID):,} points of [{GRID[0]:g}, {GRID[-1]:g}]", f"{len(finite):,}"),
        ("of these not constant there", f"{len(varying):,}"),
    ]
    print(tabulate(rows, headers=["core units", "figure"], tablefmt="github"))


def count(units: int) -> int:
    """Recipes of this many units."""
    pairs = len(list(product(UNARY, UNARY))) - 1  # two constants are no function of x
    return math.prod(unit**2 * pairs * len(BINARY) for unit in range(1, units + 1))


def values(recipe: Recipe) -> np.ndarray:
    """Outputs on the grid, float64."""
    return np.broadcast_to(to_numpy(recipe.graph)(GRID), GRID.shape)


if __name__ == "__main__":
    main()
