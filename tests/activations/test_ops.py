"""Every row of the table of operations: values and gradients of torch, JAX and NumPy float64 at kinks, limits and
elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from activations.graph import Graph, GraphError, Node
from activations.ops import OPS
from activations.to_numpy import to_numpy
from activations.to_torch import to_torch
from activations.trace import trace, trace_derivative

torch.set_num_threads(1)

HALF = [0.0, 1e-3, 0.1, 0.5, 1.0, 1.5, 2.0, 3.0, 6.0, 7.5, 10.0, 20.0, 100.0, 1e4, float("inf")]
GRID = torch.tensor(HALF + [-h for h in HALF], dtype=torch.float64)
"""Both zeros, both infinities, and the kinks of every row."""

WITHOUT_INFINITY = {"gelu_erf"}
"""torch's own float32 kernel of GELU gives NaN at +inf on a CPU; the other forms give inf."""

POINTWISE: dict[str, Callable[[Tensor], Tensor]] = {
    "neg": lambda x: -x,
    "abs": torch.abs,
    "sign": lambda x: torch.sign(x) * x,
    "floor": lambda x: torch.floor(x) * x,
    "ceil": lambda x: torch.ceil(x) * x,
    "round": lambda x: torch.round(x) * x,
    "trunc": lambda x: torch.trunc(x) * x,
    "exp": torch.exp,
    "exp2": torch.exp2,
    "expm1": torch.expm1,
    "log": torch.log,
    "log1p": torch.log1p,
    "log2": torch.log2,
    "log10": torch.log10,
    "sqrt": torch.sqrt,
    "rsqrt": torch.rsqrt,
    "reciprocal": torch.reciprocal,
    "sin": torch.sin,
    "cos": torch.cos,
    "tan": torch.tan,
    "asin": torch.asin,
    "acos": torch.acos,
    "atan": torch.atan,
    "sinh": torch.sinh,
    "cosh": torch.cosh,
    "tanh": torch.tanh,
    "asinh": torch.asinh,
    "acosh": torch.acosh,
    "atanh": torch.atanh,
    "erf": torch.erf,
    "erfc": torch.erfc,
    "erfinv": torch.erfinv,
    "lgamma": lambda x: torch.lgamma(x.abs() + 0.5),
    "digamma": lambda x: torch.digamma(x.abs() + 0.5).detach() * x,
    "isnan": lambda x: torch.where(torch.isnan(x), 0.0, x),
    "isinf": lambda x: torch.where(torch.isinf(x), 1.0, x),
    "logical_not": lambda x: torch.where(torch.logical_not(x > 0), x, 2 * x),
    "relu": torch.relu,
    "detach": lambda x: x.detach() * x,
    "to_float": lambda x: (x > 0).float() - x,
    "to_int": lambda x: torch.clamp(x, -5, 5).long() * x,
    "to_bool": lambda x: torch.where(x.bool(), x, 3.0),
    "add": lambda x: x + torch.sin(x),
    "sub": lambda x: 1 - x,
    "mul": lambda x: x * torch.cos(x),
    "div": lambda x: x / (1 + x * x),
    "pow": lambda x: x**3 + x.abs() ** 0.5 + 2 ** torch.tanh(x),
    "remainder": lambda x: torch.remainder(x, 1.5),
    "fmod": lambda x: torch.fmod(x, 1.5),
    "floor_divide": lambda x: torch.div(x, 1.5, rounding_mode="floor") * x,
    "maximum": lambda x: torch.maximum(x, torch.tanh(x)),
    "minimum": lambda x: torch.minimum(x, torch.zeros_like(x)),
    "clamp_min": lambda x: torch.clamp(x, min=-0.5),
    "clamp_max": lambda x: torch.clamp(x, max=0.5),
    "clamp": lambda x: torch.clamp(x, -1, 1),
    "eq": lambda x: torch.where(x == 0, 1.0, x),
    "ne": lambda x: torch.where(x != 0, 1.0, x),
    "lt": lambda x: torch.where(x < 0, 1.0, x),
    "le": lambda x: torch.where(x <= 0, 1.0, x),
    "gt": lambda x: torch.where(x > 0, 1.0, x),
    "ge": lambda x: torch.where(x >= 0, 1.0, x),
    "logical_and": lambda x: torch.where((x > -1) & (x < 1), x, x * x),
    "logical_or": lambda x: torch.where((x < -1) | (x > 1), x, x * x),
    "logical_xor": lambda x: torch.where((x < -1) ^ (x < 1), x, x * x),
    "atan2": lambda x: torch.atan2(x, torch.ones_like(x)),
    "hypot": lambda x: torch.hypot(x, torch.ones_like(x)),
    "logaddexp": lambda x: torch.logaddexp(x, torch.zeros_like(x)),
    "copysign": lambda x: torch.copysign(torch.tanh(x), x),
    "xlogy": lambda x: torch.xlogy(x.abs(), x.abs() + 1),
    "where": lambda x: torch.where(x > 0, 1.0, -0.5) * x,
    "sigmoid": torch.sigmoid,
    "silu": F.silu,
    "gelu_erf": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "softplus": lambda x: F.softplus(x, 2.0, 15.0),
    "mish": F.mish,
    "log_sigmoid": F.logsigmoid,
    "hardtanh": lambda x: F.hardtanh(x, -1, 2),
    "hardsigmoid": F.hardsigmoid,
    "hardswish": F.hardswish,
    "leaky_relu": F.leaky_relu,
    "elu": lambda x: F.elu(x, 1.3),
    "threshold": lambda x: F.threshold(x, 0.5, -2.0),
    "sinc": torch.sinc,
}
"""Row to a function whose graph holds that row; kinks and limits lie on the test grid."""

WHOLE: dict[str, Callable[[Tensor], Tensor]] = {
    "sum": lambda x: x - 0.1 * x.sum(-1, keepdim=True),
    "mean": lambda x: x - x.mean(),
    "prod": lambda x: x * torch.prod(torch.tanh(x), -1, keepdim=True),
    "amax": lambda x: x - x.amax(-1, keepdim=True) + x.max(),
    "amin": lambda x: x - x.amin((-2, -1), keepdim=True) + x.min(),
    "argmax": lambda x: x * torch.argmax(x, -1, keepdim=True),
    "argmin": lambda x: x * torch.argmin(x, -1, keepdim=True),
    "any": lambda x: torch.where((x > 1).any(-1, keepdim=True), x, 2 * x),
    "all": lambda x: torch.where((x > 0).all(), x, 2 * x),
    "var": lambda x: x * x.var(-1, keepdim=True, unbiased=False),
    "std": lambda x: (x - x.mean(-1, keepdim=True)) / x.std(-1, keepdim=True),
    "norm": lambda x: x / (x.norm() + torch.linalg.vector_norm(x, 3, -1, keepdim=True) + x.norm(1)),
    "logsumexp": lambda x: x - torch.logsumexp(x, -1, keepdim=True),
    "softmax": lambda x: x * torch.softmax(x, -1),
    "log_softmax": lambda x: x * torch.log_softmax(x, -1),
    "cumsum": lambda x: torch.cumsum(x, -1),
    "cumprod": lambda x: torch.cumprod(torch.tanh(x), -1).detach() * x,
    "roll": lambda x: x + torch.roll(x, (1, -2), (-1, -2)),
    "flip": lambda x: x * torch.flip(x, (-1,)),
    "sort": lambda x: torch.sort(x, -1, descending=True).values * x,
    "argsort": lambda x: torch.sort(x, -1).indices * x,
    "gather": lambda x: x - torch.max(x, -1, keepdim=True).values,
    "scatter": lambda x: torch.zeros_like(x).scatter(-1, torch.argmax(x, -1, keepdim=True), 1.0) * x,
    "scatter_add": lambda x: x.scatter_add(-1, torch.argsort(x, -1), x),
    "slice": lambda x: torch.cat([x[..., 2:], x[..., :2] * 2], -1),
    "slice_scatter": lambda x: _assign(x, slice(1, None, 2)),
    "select": lambda x: x - x[..., :1] * x[..., 1].unsqueeze(-1),
    "select_scatter": lambda x: _assign(x, 0),
    "cat": lambda x: torch.cat([x, -x], -1)[..., ::2],
    "unsqueeze": lambda x: x * torch.stack([x, x.sin()], -1).mean(-1),
    "squeeze": lambda x: x * x.mean(-1, keepdim=True).squeeze(-1).unsqueeze(-1),
    "transpose": lambda x: (x.transpose(-1, -2) * 2).cumsum(-1).transpose(-1, -2),
    "expand": lambda x: x.mean(-1, keepdim=True).expand_as(x) * x,
    "view": lambda x: x.flatten().cumsum(0).view(x.shape) + x,
    "arange": lambda x: x * torch.arange(x.shape[-1]) / x.shape[-1],
    "rfft": lambda x: torch.fft.irfft(torch.fft.rfft(x) * 0.5, n=x.shape[-1]) * x,
    "irfft": lambda x: torch.fft.irfft(torch.fft.rfft(x, norm="ortho").conj(), n=x.shape[-1], norm="ortho"),
    "fft": lambda x: torch.fft.ifft(torch.fft.fft(x) * 0.5).real,
    "conj": lambda x: (torch.fft.rfft(x).conj() * torch.fft.rfft(x)).real.mean(-1, keepdim=True) * x,
    "real": lambda x: torch.fft.rfft(x).real.mean(-1, keepdim=True) * x,
    "imag": lambda x: torch.fft.rfft(x).imag.mean(-1, keepdim=True) * x,
    "angle": lambda x: torch.fft.rfft(x).angle().detach().mean(-1, keepdim=True) * x,
    "complex": lambda x: torch.complex(x, 2 * x).abs(),
    "to_complex": lambda x: torch.fft.fft(x).abs(),
}
"""Rows that look at more than one element, or at complex numbers."""


def _assign(x: Tensor, where: slice | int) -> Tensor:
    y = x * 2
    y[..., where] = torch.sin(x[..., where])
    return y


ROWS = POINTWISE | WHOLE


@cache
def graph_of(row: str) -> Graph:
    return trace(ROWS[row])


def example(row: str, dtype: torch.dtype) -> Tensor:
    if row not in POINTWISE:
        return (torch.randn(3, 4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 2).to(dtype)
    return (GRID[float("inf") != GRID] if row in WITHOUT_INFINITY and dtype != torch.float64 else GRID).to(dtype)


def values_and_gradients(function: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    x = x.clone().requires_grad_()
    y = function(x)
    return y.detach(), torch.autograd.grad(y, x, cotangent(x))[0]


def cotangent(x: Tensor) -> Tensor:
    return torch.linspace(-1, 1.3, x.numel(), dtype=torch.float64).reshape(x.shape).to(x.dtype)


def assert_agree(found: Any, expected: Any, tolerance: float) -> None:
    np.testing.assert_allclose(
        np.asarray(found, np.float64), np.asarray(expected, np.float64), rtol=tolerance, atol=tolerance, equal_nan=True
    )


@pytest.mark.parametrize("row", ROWS)
def test_module_gives_the_functions_own_values_and_gradients(row: str) -> None:
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 1e-6)):
        x = example(row, dtype)
        for found, expected in zip(
            values_and_gradients(to_torch(graph_of(row)), x), values_and_gradients(ROWS[row], x), strict=True
        ):
            assert found.dtype == dtype
            assert_agree(found, expected, tolerance)


@pytest.mark.parametrize("row", ROWS)
def test_numpy_agrees_with_torch_in_float64(row: str) -> None:
    x = example(row, torch.float64)
    values, gradients = values_and_gradients(ROWS[row], x)
    form = to_numpy(graph_of(row))
    assert_agree(form(x.numpy()), values, 1e-9)
    assert_agree(form.vjp(x.numpy(), cotangent(x).numpy())["x"], gradients, 1e-8)


def jax_inputs(rows: Iterable[str], dtype: str) -> dict[str, tuple[Any, Any]]:
    import jax.numpy as jnp

    examples = {row: example(row, torch.float32) for row in rows}
    return {
        row: (jnp.asarray(x.numpy(), dtype), jnp.asarray(cotangent(x).numpy(), dtype)) for row, x in examples.items()
    }


@cache
def jax_values_and_gradients() -> dict[str, tuple[Any, Any]]:
    """All rows in one compilation: one for each row would take minutes."""
    import jax

    from activations.to_jax import to_jax

    @jax.jit
    def every(inputs: dict[str, tuple[Any, Any]]) -> dict[str, tuple[Any, Any]]:
        results = {}
        for row, (x, ct) in inputs.items():
            y, pull = jax.vjp(to_jax(graph_of(row)), x)
            results[row] = (y, pull(ct)[0])
        return results

    return every(jax_inputs(ROWS, "float32"))


@cache
def jax_values_in_bfloat16() -> dict[str, Any]:
    import jax

    from activations.to_jax import to_jax

    every = jax.jit(lambda inputs: {row: to_jax(graph_of(row))(x) for row, (x, _) in inputs.items()})
    results: dict[str, Any] = every(jax_inputs(POINTWISE, "bfloat16"))
    return results


@pytest.mark.parametrize("row", ROWS)
def test_jax_agrees_with_torch_in_float32(row: str) -> None:
    y, gradient = jax_values_and_gradients()[row]
    assert y.dtype == gradient.dtype == np.float32
    values, gradients = values_and_gradients(ROWS[row], example(row, torch.float32))
    assert_agree(y, values, 5e-6)
    assert_agree(gradient, gradients, 2e-5)


@pytest.mark.parametrize("row", POINTWISE)
def test_jax_and_torch_agree_to_one_unit_in_bfloat16(row: str) -> None:
    """Both compute in float32 and round once; before the rounding they may differ by a few float32 units."""
    x = example(row, torch.float32).to(torch.bfloat16)
    y = to_torch(graph_of(row))(x)
    assert y.dtype == torch.bfloat16
    found = torch.tensor(np.asarray(jax_values_in_bfloat16()[row], np.float32))
    expected = y.float()
    same = (found == expected) | (found.isnan() & expected.isnan())
    unit = torch.maximum(found.abs(), expected.abs()) * 2.0**-7
    assert bool((same | ((found - expected).abs() <= unit + 1e-6)).all()), (x[~same], found[~same], expected[~same])


def test_every_row_is_exercised() -> None:
    used: set[str] = {"coefficient"}  # by a vector of parameters: test_forms
    for row in ROWS:
        used |= {node.op for node in graph_of(row).nodes}
        assert row in used, row
        used |= {node.op for node in trace_derivative(graph_of(row)).nodes}
    assert used == set(OPS)


@pytest.mark.parametrize("row", [name for name, op in OPS.items() if op.expansion])
def test_expansion_of_a_composite_is_the_composite(row: str) -> None:
    from activations.canonical import expand

    x = GRID[GRID.isfinite()]
    expanded = expand(graph_of(row))
    assert row not in {node.op for node in expanded.nodes}
    assert_agree(to_torch(expanded)(x), ROWS[row](x), 1e-7)


def test_pointwise_is_what_the_table_says() -> None:
    for row in ROWS:
        if row in POINTWISE:
            assert graph_of(row).pointwise, row
    assert not any(graph_of(row).pointwise for row in ("sum", "roll", "rfft", "sort", "slice", "cumsum", "arange"))


def test_a_row_refuses_a_node_that_does_not_fit() -> None:
    with pytest.raises(GraphError, match="sin takes 1 inputs, not 2"):
        OPS["sin"].check(Node("sin", ("x", "x")))
    with pytest.raises(GraphError, match="takes the attributes"):
        OPS["sum"].check(Node("sum", ("x",)))
