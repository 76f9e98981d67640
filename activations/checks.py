"""What is measured on the forms of an activation: how far bfloat16 carries it, and how well torch and JAX agree."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from activations.registry import Activation

    Array = NDArray[np.float32]

REACH, POINTS = 10, 2001
"""The two forms of a pointwise function are compared on this many even points of [-REACH, REACH], and at the edges."""
_EDGES = (0.0, -0.0, 1e-30, -1e-30, 100.0, -100.0, 1e4, -1e4)
SHAPE = (8, 16)
"""Those of another function are compared on one tensor of this shape, whose normal numbers are always the same."""


@dataclass(frozen=True)
class Agreement:
    """The largest differences between the torch and the JAX form in float32, on the processor.

    A difference is relative: |a - b| / (1 + |b|) with b from torch. It is inf where one number is finite and the other
    is not.
    """

    value: float
    gradient: float
    """Of the gradient by x, in which a pointwise function has f' and another one its pullback of a normal tensor."""


@dataclass(frozen=True)
class Checks:
    """What a card shows of the forms."""

    bfloat16: float | None
    """Value and gradient of the torch form are finite for every bfloat16 x with |x| up to this; inf when they are for
    all finite ones, NaN when not even at 0; None for a function that is not pointwise."""
    agreement: Agreement


def check(activation: Activation) -> Checks:
    """Measure both; takes a fraction of a second once JAX is imported."""
    return Checks(bfloat16_reach(activation) if activation.graph.pointwise else None, agreement(activation))


def bfloat16_reach(activation: Activation) -> float:
    """As `Checks.bfloat16`, tried at each of the 65,280 finite numbers."""
    import torch

    every = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16).view(torch.bfloat16)
    x = every[every.isfinite()].reshape(-1, 1)
    leaf = x.clone().requires_grad_()
    value = activation.module()(leaf)
    gradient = torch_gradient(value, leaf)
    size = x.abs().double()
    failed = size[~(value.isfinite() & gradient.isfinite())]
    if not failed.numel():
        return math.inf
    held = size[size < failed.min()]
    return float(held.max()) if held.numel() else math.nan


def agreement(activation: Activation) -> Agreement:
    """Compare the values and gradients of the two forms, parameters at their initial values."""
    import numpy as np

    if activation.graph.pointwise:
        points = np.concatenate([np.linspace(-REACH, REACH, POINTS), _EDGES]).reshape(-1, 1)
        x, cotangent = points.astype(np.float32), np.ones_like(points, np.float32)
    else:
        x, cotangent = np.random.default_rng(0).standard_normal((2, *SHAPE)).astype(np.float32)
    pairs = zip(_by_jax(activation, x, cotangent), _by_torch(activation, x, cotangent), strict=True)
    value, gradient = (_difference(*pair) for pair in pairs)
    return Agreement(value, gradient)


def _by_torch(activation: Activation, x: Array, cotangent: Array) -> tuple[Array, Array]:
    import torch

    leaf = torch.tensor(x, requires_grad=True)
    value = activation.module()(leaf)
    gradient = torch_gradient(value, leaf, torch.tensor(cotangent))
    return value.detach().numpy(), gradient.numpy(force=True)


def torch_gradient(value: Any, x: Any, cotangent: Any = None, again: bool = False) -> Any:
    """The gradient by x; 0 where nothing depends on it.

    Args:
        value: a tensor computed from x.
        cotangent: what the gradient is a product with, of the shape of the value; ones when left out.
        again: whether the gradient is to be differentiated, too.
    """
    import torch

    if not value.requires_grad:
        return torch.zeros_like(x)
    given = torch.ones_like(value) if cotangent is None else cotangent
    (found,) = torch.autograd.grad(value, x, given, create_graph=again, allow_unused=True)
    return torch.zeros_like(x) if found is None else found


def _by_jax(activation: Activation, x: Array, cotangent: Array) -> tuple[Array, Array]:
    import jax
    import numpy as np

    def both(x: Any, cotangent: Any) -> Any:
        value, pull = jax.vjp(activation.jax(), x)
        return value, pull(cotangent)[0]

    with jax.default_device(jax.local_devices(backend="cpu")[0]):
        value, gradient = jax.jit(both)(x, cotangent)
    return np.asarray(value), np.asarray(gradient)


def _difference(other: Array, reference: Array) -> float:
    import numpy as np

    with np.errstate(all="ignore"):
        same = (other == reference) | (np.isnan(other) & np.isnan(reference))
        apart = np.abs(other.astype(np.float64) - reference) / (1 + np.abs(reference.astype(np.float64)))
    apart = np.where(same, 0.0, np.where(np.isnan(apart), np.inf, apart))
    return float(apart.max())
