"""The words of the lab: a variable with its range, a regression problem over some variables, a family of problems."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Variable(NamedTuple):
    """An input of a regression problem and the interval over which the problem is stated."""

    name: str
    low: float
    high: float


@dataclass(frozen=True)
class Problem:
    """One regression problem: a target function over a box."""

    name: str
    """Unique within its family, e.g. `I.10.7`."""
    variables: tuple[Variable, ...]
    function: Callable[[Array], Array]
    """Maps points of shape (n, variables) to targets of shape (n,), both float64."""
    formula: str
    """What the target is, for people to read."""

    def __call__(self, points: NDArray[Any]) -> Array:
        """Targets, shape (n,), at `points`, shape (n, variables), in float64."""
        return self.function(np.asarray(points, dtype=np.float64))
