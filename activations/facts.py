"""What can be said about an activation without training: read off its graph, or computed from its float64 form."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from activations.graph import GraphParameter
    from activations.registry import Activation

    Array = NDArray[np.float64]

NEAR, FAR = 1e3, 1e6
"""A function is called bounded when it reaches no further on [-FAR, FAR] than on [-NEAR, NEAR]."""

DENSE, STEP = 20.0, 1e-4
"""The even grid on [-DENSE, DENSE] from which shape and moments are computed."""

_TAIL = 20_001
"""Points of each of the grids on [DENSE, FAR] and [-FAR, -DENSE], evenly spaced by their logarithm."""


@dataclass(frozen=True)
class Shape:
    """How a pointwise function looks with its parameters at their initial values."""

    value_at_0: float
    slope_at_0: float
    """Derivative at 0 as torch's autograd takes it: a subgradient at a kink, 0 for ReLU."""
    monotone: bool
    """Nowhere falling or nowhere rising, on the grid."""
    lower: float
    """Greatest lower bound, -inf where there is none."""
    upper: float
    """Least upper bound, inf where there is none."""
    mean: float
    """E[f(z)] for z from N(0, 1)."""
    second_moment: float
    """E[f(z)²] for z from N(0, 1); 0.5 for ReLU, which is why its weights are drawn with gain sqrt(2)."""
    lipschitz: float
    """Lipschitz constant: the steepest chord between neighbours on the grids, which is the largest |f'| where f has
    one; inf where f jumps, or is steeper on [-FAR, FAR] than on [-NEAR, NEAR]."""
    jump_at: float | None
    """About where the function jumps or stands upright, if that is why `lipschitz` is inf."""


@dataclass(frozen=True)
class ActivationFacts:
    """Everything that a card shows beside results."""

    pointwise: bool
    flops: int
    """Floating-point operations an element, by the table in `ops.py`."""
    parameters: tuple[GraphParameter, ...]
    hash: str
    latex: str
    shape: Shape | None
    """None for a function that is not pointwise: it has no curve."""


def facts(activation: Activation) -> ActivationFacts:
    """Compute the facts of an activation; takes a second at most."""
    graph = activation.graph
    shape = _shape(activation) if graph.pointwise else None
    return ActivationFacts(graph.pointwise, graph.flops, graph.parameters, graph.hash, activation.latex, shape)


def _shape(activation: Activation) -> Shape:
    import numpy as np

    with np.errstate(all="ignore"):
        curve = activation.numpy()
        x = np.linspace(-DENSE, DENSE, round(2 * DENSE / STEP) + 1)
        y = curve(x)
        # Trapezoids: the density vanishes at both ends, so a smooth curve is exact to rounding, a kinked one to STEP².
        weight = np.exp(-0.5 * x**2) * STEP / math.sqrt(2 * math.pi)
        lower, upper = _bounds(curve, x, y)
        lipschitz, jump_at = _lipschitz(curve, x, y)
        return Shape(
            value_at_0=float(curve(np.zeros(1))[0]),
            slope_at_0=_slope_at_0(activation),
            monotone=_is_monotone(y),
            lower=lower,
            upper=upper,
            mean=round(float(y @ weight), 12) + 0.0,  # an odd function's -1e-17 is 0
            second_moment=float(y**2 @ weight),
            lipschitz=lipschitz,
            jump_at=jump_at,
        )


def _slope_at_0(activation: Activation) -> float:
    import torch

    x = torch.zeros(1, 1, dtype=torch.float64, requires_grad=True)
    activation.module().to(torch.float64)(x).backward(torch.ones_like(x))
    assert x.grad is not None
    return float(x.grad) + 0.0  # no -0


def _is_monotone(y: Array) -> bool:
    import numpy as np

    steps = np.diff(y)
    rounding = 1e-14 * (1 + np.abs(y[1:]))
    return bool(np.all(steps >= -rounding) or np.all(steps <= rounding))


def _bounds(curve: Any, x: Array, y: Array) -> tuple[float, float]:
    import numpy as np

    tail = np.geomspace(DENSE, FAR, _TAIL)
    points = np.concatenate([x, tail, -tail])
    values = np.concatenate([y, curve(tail), curve(-tail)])
    near = np.abs(points) <= NEAR
    slack = 1e-3 * (1 + np.ptp(values[near]))
    low, high = float(values.min()), float(values.max())
    return (
        low if values[near].min() - low <= slack else -math.inf,
        high if high - values[near].max() <= slack else math.inf,
    )


def _lipschitz(curve: Any, x: Array, y: Array) -> tuple[float, float | None]:
    """The Lipschitz constant, and the place of a jump if there is one."""
    import numpy as np

    slopes = _chords(curve(x + STEP), y, STEP)
    finer, upright = _closer(curve, float(x[np.argmax(slopes)]))
    if upright is not None:
        return math.inf, upright
    tail = np.geomspace(DENSE, FAR, _TAIL)
    outside = np.concatenate([tail, -tail])
    outer = _chords(curve(outside + STEP), curve(outside), STEP)
    near = max(finer, float(slopes.max()), float(outer[np.abs(outside) <= NEAR].max()))
    grows = float(outer.max()) - near > 1e-3 * (1 + near)
    return (math.inf if grows else near), None


def _chords(end: Array, start: Array, step: float) -> Array:
    """Steepness of the chords over a step; no chord of a smooth function is steeper than its steepest tangent."""
    import numpy as np

    slopes = np.where(np.isinf(end) | np.isinf(start), np.inf, np.abs(end - start) / step)
    return np.where(np.isnan(slopes), 0.0, slopes)


def _closer(curve: Any, left: float) -> tuple[float, float | None]:
    """The steepest chord a hundred times shorter on [left, left + STEP], and its place if the chord grows as it
    shrinks: at a jump, and where a root stands upright.
    """
    import numpy as np

    found = []
    for step in (STEP / 100, STEP / 10_000):
        points = left + step * np.arange(101)
        values = curve(points)
        slopes = _chords(values[1:], values[:-1], step)
        left = float(points[np.argmax(slopes)])
        found.append(float(slopes.max()))
    rounding = 1e-6 * (1 + float(np.abs(values).max()))
    return found[0], left if found[1] > 1.1 * found[0] + rounding else None
