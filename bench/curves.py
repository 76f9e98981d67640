"""The picture of a pointwise function: its curve, its slope and the slope of its slope, each on axes of its own.

Slopes are torch's own, in float64. Where a curve jumps, as the slope of ReLU does at 0, the line is broken, so that no
stroke pretends to a value between and no second derivative shoots up at a kink.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from activations.checks import torch_gradient
from bench.style import COLOURS, GREY, figure, svg

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from activations import Graph

    Array = NDArray[np.float64]

REACH = 6.0
"""Pictures show [-REACH, REACH], or a half, a quarter and so on of it where the function turns too often."""
TURNS = 16
POINTS = 4096
"""A power of two: the points are odd multiples of REACH / POINTS, and so no kink at 0, a half, 1 or 3 is among them.
The file holds fewer of them: those that lie on a line to a ninth of a point are left out."""
TITLES = ("f(x)", "f′(x)", "f″(x)")
_NARROWING, _SPLIT = 12, 0.6
"""Steps in which a jump is looked for, and the part of an interval kept: no half, which would meet the kinks again."""
_JUMP = 0.01
"""Share of a curve's whole height that it must jump by to be broken."""
_LARGEST = 1e100
"""Beyond this nothing is drawn."""


def draw_curves(graph: Graph, path: Path) -> None:
    """Write the picture of a pointwise graph as an SVG file; the same graph gives the same bytes.

    Raises:
        ValueError: as `curve_svg`.
    """
    path.write_bytes(curve_svg(graph))


def curve_svg(graph: Graph) -> bytes:
    """The picture as the bytes of an SVG file, 9 by 2.8 inches; parameters stand at their initial values.

    Raises:
        ValueError: the graph is not pointwise, so it has no curve.
    """
    if not graph.pointwise:
        raise ValueError("a function that is not pointwise has no curve.")
    reach = _reach(graph)
    with figure(9, 2.8) as drawn:
        for order, axes in enumerate(drawn.subplots(1, len(TITLES), sharex=True)):
            x, y = line(graph, order, reach)
            axes.axhline(0, color=GREY, linewidth=0.8)
            axes.axvline(0, color=GREY, linewidth=0.8)
            axes.plot(x, y, color=COLOURS[order], linewidth=2.0)
            axes.set(title=TITLES[order], ylim=_limits(y, order))
            _mark(axes, reach)
        return svg(drawn)


def derivatives(graph: Graph, x: Array) -> tuple[Array, Array, Array]:
    """Value, first and second derivative at the points x (any shape), as torch takes them in float64.

    Where a kernel of torch has no second derivative, it is a difference of first ones over 2e-5.
    """
    import torch

    points = torch.tensor(x, dtype=torch.float64).reshape(-1, 1).requires_grad_()
    value, slope = _value_and_slope(graph, points)
    try:
        bend = torch_gradient(slope, points, again=True)
    except RuntimeError:
        step = 1e-5
        above, below = (_value_and_slope(graph, points.detach().add(d).requires_grad_())[1] for d in (step, -step))
        bend = (above - below) / (2 * step)
    found = [one.detach().numpy(force=True).reshape(x.shape) for one in (value, slope, bend)]
    return found[0], found[1], found[2]


def _value_and_slope(graph: Graph, points: Any) -> tuple[Any, Any]:
    from activations.to_torch import to_torch

    value = to_torch(graph).double()(points)
    return value, torch_gradient(value, points, again=True)


def line(graph: Graph, order: int, reach: float) -> tuple[Array, Array]:
    """Points of the curve of the derivative of this order on [-reach, reach]; NaN lies between the sides of a jump."""
    import numpy as np

    x = _grid(reach)
    y = _drawable(derivatives(graph, x)[order])
    left, right, low, high = _narrowed(graph, order, x, y)
    finite = y[np.isfinite(y)]
    height = float(np.ptp(finite)) if finite.size else 0.0
    jumps = np.flatnonzero((np.abs(high - low) > _JUMP * height) & (height > 1e-9))
    gap = np.full(len(jumps), np.nan)
    places = np.repeat(jumps + 1, 3)
    sides = np.stack([left[jumps], gap, right[jumps]], axis=1).ravel()
    values = np.stack([low[jumps], gap, high[jumps]], axis=1).ravel()
    return np.insert(x, places, sides), _drawable(np.insert(y, places, values))


def _drawable(y: Array) -> Array:
    import numpy as np

    return np.where(np.abs(y) < _LARGEST, y, np.nan)


def _narrowed(graph: Graph, order: int, x: Array, y: Array) -> tuple[Array, Array, Array, Array]:
    """Each interval narrowed to the part where the curve changes most: its ends, and the values there."""
    import numpy as np

    left, right, low, high = x[:-1], x[1:], y[:-1], y[1:]
    with np.errstate(all="ignore"):
        for _ in range(_NARROWING):
            middle = left + _SPLIT * (right - left)
            value = derivatives(graph, middle)[order]
            first = np.abs(value - low) > np.abs(high - value)
            left, low = np.where(first, left, middle), np.where(first, low, value)
            right, high = np.where(first, middle, right), np.where(first, value, high)
        return left, right, np.nan_to_num(low), np.nan_to_num(high)


def _grid(reach: float) -> Array:
    import numpy as np

    return reach * ((2 * np.arange(POINTS) + 1) / POINTS - 1)


def _reach(graph: Graph) -> float:
    """How far the picture goes: far enough to see the shape, and not so far that a wave becomes a black band."""
    import numpy as np

    reach = REACH
    while reach > REACH / 1024:
        slope = derivatives(graph, _grid(reach))[1]
        slope = slope[np.isfinite(slope)]
        steep = slope[np.abs(slope) > 1e-6 * np.abs(slope).max(initial=0)]
        if np.count_nonzero(np.diff(np.sign(steep))) <= TURNS:
            break
        reach /= 2
    return reach


def _limits(y: Array, order: int) -> tuple[float, float]:
    """Where the axis ends: a value that runs away is cut off at twice REACH, a slope where its rarest ends begin."""
    import numpy as np

    finite = y[np.isfinite(y)]
    if not finite.size:
        return -1.0, 1.0
    if order == 0:
        low, high = float(finite.min()), float(finite.max())
        inside = np.abs(finite) <= 2 * REACH
        if inside.mean() > 0.25:
            low, high = max(low, -2 * REACH), min(high, 2 * REACH)
    else:
        low, high = (float(value) for value in np.quantile(finite, [0.002, 0.998]))
    if high - low < 1e-6:
        return low - 1, high + 1
    margin = 0.06 * (high - low)
    return low - margin, high + margin


def _mark(axes: Axes, reach: float) -> None:
    """A few short numbers along each side, and the grid as their ticks."""
    from matplotlib.ticker import FuncFormatter

    axes.locator_params(nbins=5)
    axes.set(xlim=(-reach, reach), xticks=[reach * part for part in (-1, -0.5, 0, 0.5, 1)])
    axes.tick_params(left=False, bottom=False)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value + 0.0:g}".replace("-", "−")))
