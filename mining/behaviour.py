"""What a function does, in six small numbers: the axes of the MAP-Elites grid, which keeps unlike functions alive.

How it grows to the left and to the right, whether it is monotone, how much of its slope oscillates without end, whether
it has kinks, and what it costs.
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from mining.sample import Sample, values_and_slopes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from activations import Graph

    Array = NDArray[np.float64]


class Growth(IntEnum):
    """How |f| grows from |x| = 25 to 100, as an exponent of |x|."""

    BOUNDED = 0
    """Below 0.1: it settles, vanishes or swings."""
    SUBLINEAR = 1
    """Below 0.8, such as a logarithm or a root."""
    LINEAR = 2
    SUPERLINEAR = 3
    """Above 1.2."""


class Waves(IntEnum):
    """Share of the slope's energy that oscillates on 10 <= |x| <= 50, faster than three periods in that stretch."""

    NONE = 0
    """Below 0.0001."""
    RIPPLE = 1
    """A wave on top of something greater: GELU(x) + 0.1 sin(x) has 0.5 %."""
    WAVE = 2
    """Above 0.25: x + sin(x) has a third."""


class Cost(IntEnum):
    """FLOPs an element."""

    LIGHT = 0
    """At most 20: SiLU costs 17."""
    MIDDLE = 1
    """At most 50: Mish costs 35, GELU-Sinc 34."""
    HEAVY = 2


class Niche(NamedTuple):
    """A cell of the grid. It is a tuple of whole numbers and is stored as one."""

    left: Growth
    right: Growth
    monotone: bool
    waves: Waves
    smooth: bool
    cost: Cost


_REFERENCE, _FAR = 25.0, 100.0
_TAIL = (10.0, 50.0)
_TAIL_POINTS = 512
_STEP = 1 / 32
_INNER = 20.0
"""|x| within which steps downward and kinks are looked for."""
_SUSPECTS, _PARTS = 8, 16


def niche(graph: Graph) -> tuple[int, ...]:
    """The cell of a function that has passed the screen; one that is not pointwise is shown the points as a vector.

    Raises:
        SampleError: the graph cannot be computed or changes the shape.
    """
    parts = _Parts(_shown(graph, _grid()))
    inner = parts.take("inner")
    cost = Cost.LIGHT if graph.flops <= 20 else Cost.MIDDLE if graph.flops <= 50 else Cost.HEAVY
    found = Niche(
        left=_growth(parts.take("left reference"), parts.take("left far")),
        right=_growth(parts.take("right reference"), parts.take("right far")),
        monotone=_is_monotone(inner.values),
        waves=_waves([parts.take("left tail").slopes, parts.take("right tail").slopes], _greatest(inner.slopes)),
        smooth=_is_smooth(graph, inner),
        cost=cost,
    )
    return tuple(map(int, found))


def describe(cell: tuple[int, ...]) -> str:
    """A cell in words, e.g. `bounded to the left, linear to the right, monotone, no waves, kinked, light`."""
    left, right, monotone, waves, smooth, cost = cell
    return ", ".join(
        [
            f"{Growth(left).name.lower()} to the left",
            f"{Growth(right).name.lower()} to the right",
            "monotone" if monotone else "not monotone",
            {Waves.NONE: "no waves", Waves.RIPPLE: "a ripple", Waves.WAVE: "a wave"}[Waves(waves)],
            "smooth" if smooth else "kinked",
            Cost(cost).name.lower(),
        ]
    )


def _shown(graph: Graph, x: Array) -> Sample:
    """Values and slopes along x; as a tensor of four axes for a function that may ask for them."""
    if graph.pointwise:
        return values_and_slopes(graph, x)
    values, slopes = values_and_slopes(graph, x.reshape(1, 1, 1, -1))
    return Sample(values.ravel(), slopes.ravel())


def _growth(reference: Sample, far: Sample) -> Growth:
    """From the greatest |value| of two stretches, each a fifth of its distance long."""
    import numpy as np

    near, end = _greatest(reference.values), _greatest(far.values)
    if end <= 1e-9 or not np.isfinite(end):
        return Growth.BOUNDED if end <= 1e-9 else Growth.SUPERLINEAR
    exponent = np.log(end / max(near, 1e-9)) / np.log(_FAR / _REFERENCE)
    return Growth(int(np.searchsorted([0.1, 0.8, 1.2], exponent)))


def _is_monotone(values: Array) -> bool:
    import numpy as np

    steps = np.diff(values)
    rounding = 1e-12 * (1 + np.abs(values[1:]))
    return bool(np.all(steps >= -rounding) or np.all(steps <= rounding))


def _waves(tails: list[Array], steepest: float) -> Waves:
    """The energy of the slopes beyond three periods, after a cubic trend is taken off and the ends are faded out."""
    import numpy as np

    window = np.hanning(_TAIL_POINTS)
    place = np.linspace(-1, 1, _TAIL_POINTS)
    fast = total = 0.0
    for slopes in tails:
        slopes = np.nan_to_num(slopes, nan=0.0, posinf=0.0, neginf=0.0)
        trend = np.polynomial.chebyshev.chebval(place, np.polynomial.chebyshev.chebfit(place, slopes, 3))
        spectrum = np.abs(np.fft.rfft((slopes - trend) * window)) ** 2
        fast += 2 * float(spectrum[4:].sum()) / (_TAIL_POINTS * float((window**2).sum()))
        total += float(np.mean(slopes**2))
    if total <= 1e-6 * steepest**2:
        return Waves.NONE  # the tails are flat
    return Waves(int(np.searchsorted([1e-4, 0.25], fast / total)))


def _is_smooth(graph: Graph, inner: Sample) -> bool:
    """False where a jump of the value or of the slope is as high between close points as between distant ones."""
    import numpy as np

    x = _inner()
    value_steps, slope_steps = np.abs(np.diff(inner.values)), np.abs(np.diff(inner.slopes))
    steepest = _greatest(inner.slopes)
    jumps = value_steps > 4 * _STEP * steepest + 1e-6 * float(np.ptp(inner.values))
    sharp = slope_steps > 1e-2 * steepest
    suspects = np.argsort(np.where(jumps, np.inf, np.where(sharp, slope_steps, 0.0)))[-_SUSPECTS:]
    suspects = suspects[jumps[suspects] | sharp[suspects]]
    if not len(suspects):
        return True
    close = x[suspects, None] + np.linspace(0, _STEP, _PARTS + 1)
    sample = _shown(graph, close.ravel())
    for steps, numbers in ((value_steps, sample.values), (slope_steps, sample.slopes)):
        highest = np.abs(np.diff(numbers.reshape(close.shape), axis=1)).max(axis=1)
        meant = jumps[suspects] if numbers is sample.values else sharp[suspects]
        if np.any(meant & (highest > 0.5 * steps[suspects])):
            return False
    return True


def _greatest(numbers: Array) -> float:
    import numpy as np

    return float(np.abs(numbers).max())


@lru_cache(maxsize=1)
def _stretches() -> dict[str, Array]:
    import numpy as np

    tail = np.linspace(*_TAIL, _TAIL_POINTS)
    reference, far = (np.linspace(0.8 * end, end, 64) for end in (_REFERENCE, _FAR))
    half = {"tail": tail, "reference": reference, "far": far}
    sides = {f"{side} {name}": sign * x for name, x in half.items() for side, sign in (("left", -1), ("right", 1))}
    return {"inner": _inner(), **sides}


@lru_cache(maxsize=1)
def _inner() -> Array:
    import numpy as np

    return np.linspace(-_INNER, _INNER, round(2 * _INNER / _STEP) + 1)


@lru_cache(maxsize=1)
def _grid() -> Array:
    import numpy as np

    return np.concatenate(list(_stretches().values()))


class _Parts:
    """A sample on the whole grid, cut into its stretches."""

    def __init__(self, sample: Sample) -> None:
        import numpy as np

        ends = np.cumsum([len(x) for x in _stretches().values()])[:-1]
        cut = zip(np.split(sample.values, ends), np.split(sample.slopes, ends), strict=True)
        self.parts = {name: Sample(*pair) for name, pair in zip(_stretches(), cut, strict=True)}

    def take(self, name: str) -> Sample:
        """The stretch of this name."""
        return self.parts[name]
