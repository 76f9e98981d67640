"""Which functions are one: first by the canonical hash, then by a fingerprint of values and derivatives.

Two spellings that the canonical form cannot bring together, such as `exp(x) / (1 + exp(x))` and `sigmoid(x)`, have one
fingerprint, so that no function is trained twice. The tolerance is that of float32, in which candidates train:
functions that differ by less cannot be told apart by training them. Nothing is looked at beyond |x| = 100.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from mining.sample import values_and_slopes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from activations import Graph

    Array = NDArray[np.float64]

TOLERANCE = 1e-7
"""Values a and b agree when |a - b| <= TOLERANCE * (scale + |a|), where scale is 1, or the function's greatest |value|
on |x| <= 6 where that is less; slopes likewise with their own scale. float32 rounds to 6e-8."""
SHAPE = (3, 5, 11)
"""Shape of the points: functions that look along axes get three to look along, of different lengths."""
_DENSE = (8, 64, 64)
_JUMPS = 64
"""Jumps that are looked at closely; a function with more of them differs elsewhere."""
NEAR = 6.0
"""|x| within which most points lie; the rest reach 100."""
_REACH = 100.0
_HUGE = 1e300
"""Stands for infinity, with its sign; NaN gets a number of its own, so that NaN equals NaN."""
_NAN = 1.2345e299


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """Values and slopes of a function on the fixed points, computed in float64."""

    values: Array
    """At all points, of which the first is 0."""
    slopes: Array
    """At the same points times fixed weights, without the one at 0: there the subgradients of one function's spellings
    differ (relu, maximum and where)."""
    scale: float
    """Greatest finite |value| on |x| <= NEAR, but at most 1."""
    slope_scale: float
    """Greatest finite |slope| on |x| <= NEAR, but at most 1."""
    key: float
    """Equal functions have nearly equal keys: |a.key - b.key| <= KEY_TOLERANCE."""

    def equals(self, other: Fingerprint) -> bool:
        """True when values and slopes agree at every point within the tolerance."""
        return _agree(self.values, other.values, self.scale) and _agree(self.slopes, other.slopes, self.slope_scale)


KEY_TOLERANCE = 4 * TOLERANCE
"""The key is a mean of arsinh(value / scale) with signs: arsinh has slope 1 / sqrt(1 + u²), so values that agree move
it by at most sqrt(2) TOLERANCE, and scales that agree by at most 2 TOLERANCE more."""


@lru_cache(maxsize=256)
def fingerprint(graph: Graph) -> Fingerprint:
    """The fingerprint of a graph of x alone; it need not be finite or pointwise.

    Raises:
        SampleError: the graph cannot be computed or changes the shape.
    """
    return _taken(graph, *_points(SHAPE))


def same_function(a: Graph, b: Graph) -> bool:
    """Look closely: at 32,768 points, between every two constants of the graphs, and ever closer at jumps, where a
    threshold that was moved by more than a billionth shows. About 10 ms.

    Raises:
        SampleError: as `fingerprint`.
    """
    import numpy as np

    points, weights = _points(_DENSE)
    points = points.copy()
    inputs = [i for graph in (a, b) for node in graph.nodes for i in node.inputs]
    numbers = {float(i) for i in inputs if isinstance(i, int | float) and math.isfinite(i)}
    constants = sorted(numbers | {-number for number in numbers})
    between = [c + 0.4817 * (d - c) for c, d in itertools.pairwise(constants)]  # not the middle, where kinks lie
    points.flat[1 : 1 + len(between)] = np.clip(between[: points.size - 1], -_REACH, _REACH)
    if not _taken(a, points, weights).equals(_taken(b, points, weights)):
        return False
    pointwise = a.pointwise and b.pointwise
    return not pointwise or _jump_together(a, b, np.sort(points, axis=None))


def _jump_together(a: Graph, b: Graph, x: Array) -> bool:
    """Whether two functions agree close to their jumps, which may lie between any two points: four times, the cells
    with jumps are cut into 32.
    """
    import numpy as np

    scale = fingerprint(a).scale
    cells = x[None]
    for _ in range(5):
        shown = [values_and_slopes(graph, cells) for graph in (a, b)]
        if not _agree(_plain(shown[0].values), _plain(shown[1].values), scale):
            return False
        width = np.diff(cells, axis=1)
        jump = np.zeros(width.shape, bool)
        for values, slopes in shown:
            steep = np.maximum(np.abs(slopes[:, 1:]), np.abs(slopes[:, :-1]))
            with np.errstate(invalid="ignore"):  # between two infinities
                jump |= np.abs(np.diff(values, axis=1)) > 4 * width * steep + 1e-6 * scale
        if not jump.any():
            return True
        cells = cells[:, :-1][jump][:_JUMPS, None] + width[jump][:_JUMPS, None] * np.linspace(0, 1, 33)
    return True


@dataclass
class Known:
    """The functions known so far: finds the one that a graph equals, in about a millisecond among ten thousand."""

    _by_key: list[tuple[float, str]] = field(default_factory=list)
    """Sorted; a key's neighbours are found by bisection, so that no border of a bucket parts two equal functions."""
    _functions: dict[str, tuple[Graph, Fingerprint]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._functions)

    def find(self, graph: Graph) -> str | None:
        """The hash under which an equal function was added, or None.

        Raises:
            SampleError: as `fingerprint`.
        """
        if graph.hash in self._functions:
            return graph.hash
        wanted = fingerprint(graph)
        first = bisect_left(self._by_key, (wanted.key - KEY_TOLERANCE, ""))
        last = bisect_right(self._by_key, (wanted.key + KEY_TOLERANCE, "g"))  # above every hexadecimal digit
        for _, name in self._by_key[first:last]:
            known, found = self._functions[name]
            if found.equals(wanted) and same_function(known, graph):
                return name
        return None

    def add(self, graph: Graph) -> None:
        """Make the function known; one that is known by its hash already stays as it is.

        Raises:
            SampleError: as `fingerprint`.
        """
        if graph.hash in self._functions:
            return
        found = fingerprint(graph)
        self._functions[graph.hash] = (graph, found)
        insort(self._by_key, (found.key, graph.hash))


def _taken(graph: Graph, points: Array, weights: Array) -> Fingerprint:
    import numpy as np

    sample = values_and_slopes(graph, points, weights)
    near = np.abs(points.ravel()) <= NEAR
    values, slopes = _plain(sample.values), _plain(sample.slopes)
    slopes[0] = 0.0
    scale, slope_scale = _scale(values[near]), _scale(slopes[near])
    signs = np.where(np.arange(values.size) * 0.3247179572447461 % 1 < 0.5, -1.0, 1.0)
    with np.errstate(over="ignore"):
        relative = np.clip(values / scale, -_HUGE, _HUGE)
    return Fingerprint(values, slopes, scale, slope_scale, float(np.mean(np.arcsinh(relative) * signs)))


def _agree(a: Array, b: Array, scale: float) -> bool:
    import numpy as np

    return bool(np.all(np.abs(a - b) <= TOLERANCE * (scale + np.abs(a))))


def _scale(numbers: Array) -> float:
    import numpy as np

    return min(1.0, float(np.abs(numbers[np.abs(numbers) < _NAN]).max(initial=0.0)) or 1.0)


def _plain(numbers: Array) -> Array:
    import numpy as np

    return np.nan_to_num(numbers.ravel(), nan=_NAN, posinf=_HUGE, neginf=-_HUGE)


@lru_cache(maxsize=2)
def _points(shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Points and cotangents of this shape. The steps are irrational, so that no point but the first, 0, falls on a
    kink that a formula would have.
    """
    import numpy as np

    order = np.arange(math.prod(shape), dtype=np.float64)
    near = NEAR * (2 * (order * 0.6180339887498949 % 1) - 1)
    far = np.sign(near) * NEAR * (_REACH / NEAR) ** (order * 0.7548776662466927 % 1)
    points = np.where(order % 5 == 4, far, np.where(order % 13 == 12, near * 1e-3, near))
    points[0] = 0.0
    weights = 0.5 + order * 0.5698402909980532 % 1
    return points.reshape(shape), weights.reshape(shape)
