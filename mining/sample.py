"""Values and slopes of a graph at chosen points: what the screen, the fingerprint and the niche look at.

Slopes come from torch's autograd on the compiled graph, so that subgradients are those of training and nothing is
traced. Imports torch when called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from activations.codegen import compile_graph

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from activations import Graph


class Sample(NamedTuple):
    """What a graph gives for one tensor."""

    values: NDArray[np.float64]
    """Of the tensor's shape."""
    slopes: NDArray[np.float64]
    """Gradient of `(values * cotangent).sum()` by the tensor, of its shape; 0 where the graph passes no gradient on.
    With the cotangent 1 this is f' for a pointwise graph."""


class SampleError(ValueError):
    """A graph that gives no tensor of real numbers of the shape of x: one sentence that says what it does instead."""


def values_and_slopes(
    graph: Graph, points: ArrayLike, cotangent: ArrayLike = 1.0, dtype: Literal["float32", "float64"] = "float64"
) -> Sample:
    """Values and slopes at `points` (any shape), computed in `dtype` and returned in float64; NaN and inf stay.

    Raises:
        SampleError: the graph cannot be computed, changes the shape, or gives something else than real numbers.
    """
    import numpy as np
    import torch

    x = torch.tensor(np.asarray(points), dtype=getattr(torch, dtype), requires_grad=True)
    weight = torch.tensor(np.asarray(cotangent), dtype=x.dtype).expand(x.shape)
    try:
        y = compile_graph(graph, "torch")(x)
        fault = _fault(y, x)
        slopes = None
        if not fault and y.requires_grad:
            (slopes,) = torch.autograd.grad(y, x, weight, allow_unused=True)
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        raise SampleError(f"it cannot be computed ({str(error).splitlines()[0].rstrip('.')}).") from error
    if fault:
        raise SampleError(fault)
    slopes = torch.zeros_like(x) if slopes is None else slopes
    return Sample(y.detach().double().numpy(), slopes.double().numpy())


def _fault(y: object, x: object) -> str:
    import torch

    assert isinstance(x, torch.Tensor)
    if not isinstance(y, torch.Tensor):
        return "it gives several values; an activation gives one tensor."
    if not y.is_floating_point():
        return f"it gives {y.dtype} instead of real floating-point numbers.".replace("torch.", "")
    if y.shape != x.shape:
        return f"it does not keep the shape: {tuple(x.shape)} became {tuple(y.shape)}."
    return ""
