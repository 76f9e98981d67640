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
        return Shape(
            value_at_0=float(curve(np.zeros(1))[0]),
            slope_at_0=_slope_at_0(activation),
            monotone=_is_monotone(y),
            lower=lower,
            upper=upper,
            mean=round(float(y @ weight), 12) + 0.0,  # an odd function's -1e-17 is 0
            second_moment=float(y**2 @ weight),
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

    tail = np.geomspace(DENSE, FAR, 20_001)
    points = np.concatenate([x, tail, -tail])
    values = np.concatenate([y, curve(tail), curve(-tail)])
    near = np.abs(points) <= NEAR
    slack = 1e-3 * (1 + np.ptp(values[near]))
    low, high = float(values.min()), float(values.max())
    return (
        low if values[near].min() - low <= slack else -math.inf,
        high if high - values[near].max() <= slack else math.inf,
    )
