"""The screen: which candidates are worth a training. Read off the graph and a grid of points, in about a millisecond.

What it refuses, in this order: learnable parameters, too many operations, statistics of the tensor (unless allowed), a
changed shape, values or gradients that are not finite in float32, a gradient that is 0 everywhere, functions that are
constant or affine where preactivations lie, and more FLOPs than the budget.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from activations.ops import OPS
from mining.sample import Sample, SampleError, values_and_slopes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from activations import Graph

    Array = NDArray[np.float64]

NEAR = 5.0
"""|x| within which a function must bend: of normal preactivations 1 in 1.7 million lies outside."""


@dataclass(frozen=True)
class Limits:
    """What a candidate may cost and do. The paper gives no numbers: these are our choices."""

    flops: int = 200
    """FLOPs an element. The dearest function that the paper prints, the chaotic wave, costs 185; GELU costs 14."""
    nodes: int = 100
    """Operations of the graph: keeps tracing and compiling a candidate short. The chaotic wave has 79."""
    allow_nonpointwise: bool = False
    """Let functions pass that look at other elements: the paper's win in the lab and fail in transfer."""
    reach: float = 100.0
    """Values and gradients must be finite in float32 for |x| up to this. Few networks' preactivations go farther; a
    plain exp(x), which overflows at 88.7, is refused."""
    bend: float = 1e-3
    """Least root mean square distance from the best straight line on |x| <= 5, relative to the standard deviation of
    f there."""


def screen(graph: Graph, limits: Limits | None = None) -> str | None:
    """Why the candidate is not trained, in one sentence for its proposer; None when it passes."""
    limits = limits or Limits()
    reason = _look(graph, limits)
    if reason:
        return reason
    try:
        reason = _measure(graph, limits)
    except SampleError as error:
        return f"The function cannot be used: {error}"
    if reason:
        return reason
    if graph.flops > limits.flops:
        return f"The function costs {graph.flops} FLOPs an element and the budget is {limits.flops}: simplify it."
    return None


def _look(graph: Graph, limits: Limits) -> str | None:
    """What the graph shows without being computed."""
    if graph.inputs != ("x",) or len(graph.outputs) != 1:
        return "The graph must take x alone and give one output."
    if graph.parameters:
        names = ", ".join(p.name for p in graph.parameters)
        return f"The function has learnable parameters ({names}): write numbers in their place."
    if len(graph.nodes) > limits.nodes:
        return f"The function has {len(graph.nodes)} operations and the limit is {limits.nodes}: simplify it."
    if not graph.pointwise and not limits.allow_nonpointwise:
        culprits = dict.fromkeys(node.op for node in graph.nodes if not OPS[node.op].pointwise)
        what = ", ".join(culprits) or "the tensor's size"
        return f"The function is not pointwise ({what}): each output may depend on its own x alone."
    return None


def _measure(graph: Graph, limits: Limits) -> str | None:
    """What its values and gradients show, in float32 as in training."""
    import numpy as np

    tensors = [wide_grid(limits.reach)] if graph.pointwise else random_tensors(limits.reach)
    samples = [values_and_slopes(graph, x, dtype="float32") for x in tensors]
    for x, sample in zip(tensors, samples, strict=True):
        reason = _not_finite(graph, x, sample)
        if reason:
            return reason
    if not any(np.any(sample.slopes) for sample in samples):
        return "The gradient is 0 at every tested x, so nothing would train through the function: give it a slope."
    x = np.concatenate([t.ravel() for t in tensors])
    y = np.concatenate([sample.values.ravel() for sample in samples])
    near = np.abs(x) <= NEAR
    return _straight(x[near], y[near], limits.bend)


def _not_finite(graph: Graph, x: Array, sample: Sample) -> str | None:
    import numpy as np

    for what, numbers in (("value", sample.values), ("gradient", sample.slopes)):
        bad = ~np.isfinite(numbers)
        if not bad.any():
            continue
        if not graph.pointwise:
            return f"The {what} is not finite in float32 on a tensor with entries up to {np.abs(x).max():.3g}."
        place = min(x[bad], key=abs)
        found = numbers[bad][np.argmin(np.abs(x[bad]))]
        return f"The {what} is {found:g} in float32 at x = {place:.3g}: keep values and gradients finite there."
    return None


def _straight(x: Array, y: Array, bend: float) -> str | None:
    """Why the function counts as constant or as a straight line on these points."""
    import numpy as np

    spread = float(y.std())
    if spread <= 1e-6 * max(1.0, float(np.abs(y).max())):
        return f"The function is constant for |x| <= {NEAR:g}."
    slope, shift = np.polyfit(x, y, 1)
    distance = float(np.sqrt(np.mean((y - slope * x - shift) ** 2)))
    if distance < bend * spread:
        return (
            f"The function is a straight line for |x| <= {NEAR:g} but for {distance / spread:.1g} of its spread: "
            "make it bend there."
        )
    return None


@lru_cache(maxsize=8)
def wide_grid(reach: float) -> Array:
    """Points on [-reach, reach], float64: 0, ±1e-6, ±1e-3, halves where formulas break (±0.5 to ±10), a dense part
    on |x| <= 5, and a geometric tail.
    """
    import numpy as np

    half = np.concatenate(
        [
            [1e-6, 1e-3],
            np.arange(0.5, 10.25, 0.5),
            (np.arange(100) + 0.5) * NEAR / 100,
            np.geomspace(10, reach, 40),
            [math.pi / 2, math.pi],
        ]
    )
    half = half[half <= reach]
    return np.concatenate([-half[::-1], [0.0], half])


@lru_cache(maxsize=8)
def random_tensors(reach: float) -> tuple[Array, ...]:
    """Tensors for functions that are not pointwise, the same at every call: all zero, nearly zero, normal, wide, and
    with one entry at the reach; of 2, 3 and 4 axes.
    """
    import numpy as np

    stream = np.random.default_rng(0)
    shapes = ((6, 16), (3, 5, 7), (4, 8), (2, 3, 4, 6), (5, 9))
    scales = (0.0, 1e-6, 1.0, 2.0, reach / 4)
    tensors = [stream.standard_normal(shape) * scale for shape, scale in zip(shapes, scales, strict=True)]
    tensors[-1] = np.clip(tensors[-1], -reach, reach)
    tensors[-1][0, 0] = reach
    return tuple(tensors)
