"""Where points are drawn: the train range, the validation shift and the sealed test shift of a regression problem.

Every variable's interval [low, high] is cut at one half and at three quarters. A split takes the same part of every
variable, so all variables leave the train range together:

* `train` and `held_out`: the lower half of each, two independent samples;
* `validation`: the third quarter of each. Search and tuning may look at it;
* `sealed`: the last quarter of each. Only `tasks.lab.data.open_sealed_shift` draws from it.

The boxes are disjoint and within the stated ranges, so formulas that hold a square root of a difference or an arcsine
stay finite. The cut and the quarters are our choice; the paper (arXiv 2602.05688) gives (0, 0.5) and (0.5, 1) as an
example.
"""

from __future__ import annotations

import zlib
from typing import Literal

import numpy as np

from tasks.lab.problem import Array, Problem

Split = Literal["train", "held_out", "validation", "sealed"]

PARTS: dict[Split, tuple[float, float]] = {
    "train": (0.0, 0.5),
    "held_out": (0.0, 0.5),
    "validation": (0.5, 0.75),
    "sealed": (0.75, 1.0),
}
"""The part of every variable's interval that a split covers: from the first fraction (included) to the second."""


def bounds(problem: Problem, split: Split) -> tuple[Array, Array]:
    """Lowest and highest value of each variable in a split, two arrays of shape (variables,)."""
    low = np.array([variable.low for variable in problem.variables])
    high = np.array([variable.high for variable in problem.variables])
    first, last = PARTS[split]
    return low + first * (high - low), low + last * (high - low)


def generator(*key: str | int) -> np.random.Generator:
    """A random stream that depends on the words and numbers of `key` alone, not on what else was drawn."""
    return np.random.default_rng([zlib.crc32(word.encode()) if isinstance(word, str) else word for word in key])


def draw(problem: Problem, split: Split, seed: int, count: int) -> Array:
    """`count` uniform points of a split, shape (count, variables); the same for the same problem, split and seed."""
    low, high = bounds(problem, split)
    return generator("points", problem.name, split, seed).uniform(low, high, (count, len(low)))


def rescale(problem: Problem, points: Array) -> Array:
    """Network inputs: the train range of every variable becomes [-1, 1], hence the shifts [1, 2] and [2, 3]."""
    low, high = bounds(problem, "train")
    return 2 * (points - low) / (high - low) - 1
