"""Every fused built-in against the float64 reference: values and gradients, edge inputs among them.

Printed by `benchmarks/activation_speed.py --check`. An error is measured in what rounding of x and of results of the
size of x and 1 may do, with room for a handful of operations: 1 is the limit of the tests of the eager module.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import activations
from activations import Activation

Array = NDArray[Any]

COLUMNS = [
    "function", "dtype", "way", "value: error / limit", "gradient: worst error", "eager's", "at 0, -0, inf, -inf, NaN",
]  # fmt: skip
EDGES = (0.0, -0.0, np.inf, -np.inf, np.nan)
CHANNELS = 4
MANTISSA = {torch.float32: 24, torch.bfloat16: 8}


def check(names: Sequence[str], device: str) -> Iterator[tuple[Any, ...]]:
    """A row for each function, dtype and way."""
    for name in names:
        activation = activations.get(name)
        for dtype, way in ((torch.float32, ""), (torch.bfloat16, "arithmetic"), (torch.bfloat16, "table")):
            if way == "table" and activation.graph.parameters:
                continue
            yield (
                name,
                str(dtype).removeprefix("torch."),
                way,
                *compare(activation, dtype, way or "arithmetic", device),
            )


def compare(activation: Activation, dtype: torch.dtype, way: Any, device: str) -> tuple[str, ...]:
    """The figures of one row."""
    x = inputs(dtype, device)
    module, eager = activation.module(), activation.module()
    for each in (module, eager):
        each(torch.ones(2, CHANNELS))
        each.to(device)
    report = activations.fuse(module, dtype=dtype, bf16=way)
    if report.eager:
        return report.reasons[0], "", "", ""
    exact = x.double().cpu().numpy()
    value = activation.numpy()(exact)
    slope = activation.numpy().vjp(exact, np.ones_like(exact))["x"]
    (found, gradient), (eager_found, eager_gradient) = (by_torch(each, x) for each in (module, eager))
    finite = np.isfinite(exact) & np.isfinite(value) & np.isfinite(slope) & (np.abs(exact) < 1e5)
    room = 32 * 2.0**-24 * (1 + np.abs(exact) * (1 + np.abs(slope)) + np.abs(value))
    if dtype != torch.float32:
        room += np.exp2(np.floor(np.log2(np.maximum(np.abs(value), 2.0**-126))) - MANTISSA[dtype]) * (1 + 2.0**-8)
    near = finite & (np.abs(exact) < 7)
    with np.errstate(invalid="ignore"):
        share = (np.abs(found - value) / room)[finite].max()
        worst, eager_worst = (np.abs(each - slope)[near].max() for each in (gradient, eager_gradient))
    return (
        f"{share:.3f}",
        f"{worst:.1e}",
        f"{eager_worst:.1e}",
        at_edges((found, gradient), (eager_found, eager_gradient), (value, slope)),
    )


def inputs(dtype: torch.dtype, device: str) -> Tensor:
    """(rows, channels): the edges, a fine grid around 0, and all sizes up to 1e30 of both signs."""
    sizes = np.logspace(-30, 30, 2000)
    values = np.concatenate([np.repeat(EDGES, CHANNELS), np.linspace(-12, 12, 24000), sizes, -sizes])
    return torch.tensor(values, dtype=torch.float64).reshape(-1, CHANNELS).to(device, dtype)


def by_torch(module: torch.nn.Module, x: Tensor) -> tuple[Array, Array]:
    """Value and slope in float64."""
    leaf = x.clone().requires_grad_()
    result = module(leaf)
    result.backward(torch.ones_like(result))
    assert leaf.grad is not None
    return result.detach().double().cpu().numpy(), leaf.grad.double().cpu().numpy()


def at_edges(fused: tuple[Array, Array], eager: tuple[Array, Array], exact: tuple[Array, Array]) -> str:
    """Where fused results are unlike the float64 reference and unlike eager torch."""
    unlike = []
    for kind, found, other, wanted in zip(("f", "f'"), fused, eager, exact, strict=True):
        for row, edge in enumerate(EDGES):
            close = [
                np.allclose(found[row], result[row], rtol=1e-2, atol=1e-5, equal_nan=True) for result in (other, wanted)
            ]
            if not any(close):
                unlike.append(f"{kind}({edge}) = {found[row][0]:g}, not {wanted[row][0]:g}")
    return ", ".join(unlike) or "same"
