"""Replacements for a CPU's kernels: the same functions, in their last places and at special values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from activations import fused_math
from activations.codegen import compile_graph
from activations.fused_math import lower, shorten
from activations.to_numpy import to_numpy
from activations.trace import trace, trace_derivative

X = torch.cat([torch.linspace(-20, 20, 200_001), torch.logspace(-30, 1, 5001), -torch.logspace(-30, 1, 5001)])
SPECIAL = torch.tensor([0.0, -0.0, 1e-45, -1e-45, 100.0, -100.0, float("inf"), -float("inf"), float("nan")])
CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("replacement", "own"),
    [
        (fused_math.expm1, torch.expm1),
        (fused_math.tanh, torch.tanh),
        (fused_math.mish, F.mish),
        (lambda x: fused_math.cos(x.clamp(-1, 1)), lambda x: torch.cos(x.clamp(-1, 1))),
        (lambda x: fused_math.elu(x, 1.3, 1.1, 0.7), lambda x: torch.ops.aten.elu(x, 1.3, 1.1, 0.7)),
    ],
    ids=["expm1", "tanh", "mish", "cos", "elu"],
)
def test_replacements_are_right_in_their_last_places(replacement: Any, own: Any) -> None:
    exact = own(X.double())
    units = (replacement(X).double() - exact).abs() / (exact.abs() * 2.0**-23)
    assert units.nan_to_num().max() < 3.5
    found, expected = replacement(SPECIAL), own(SPECIAL)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-44, equal_nan=True)
    assert torch.equal(found.signbit()[:2], expected.signbit()[:2])


def smish(x: Tensor) -> Tensor:
    return x * torch.tanh(torch.log1p(torch.sigmoid(x)))


@pytest.mark.parametrize("graph", [trace(smish), trace_derivative(trace(F.mish))], ids=["smish", "slope of mish"])
def test_shortened_graphs_are_the_same_function(graph: Any) -> None:
    short = shorten(graph)
    assert "tanh" in {node.op for node in graph.nodes}
    assert "tanh" not in {node.op for node in short.nodes}
    arguments = [X.double() * 40] * len(graph.inputs)
    found, expected = (compile_graph(g, "torch")(*arguments) for g in (short, graph))
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-13)


def test_tanh_of_a_logarithm_that_may_have_no_value_is_left() -> None:
    for function in (lambda x: torch.tanh(torch.log1p(x)), lambda x: torch.tanh(torch.log1p(torch.sin(x))) * x):
        graph = trace(function)
        assert shorten(graph) == graph


def test_lowering_depends_on_the_device_and_leaves_the_eager_function_alone() -> None:
    graph = trace(lambda x: torch.tanh(x) + torch.expm1(x))
    own = compile_graph(graph, "torch")
    on_gpu = lower(graph, torch.device("cuda"))
    x = torch.tensor([1e-7])
    assert torch.equal(on_gpu(x), own(x))
    np.testing.assert_allclose(lower(graph, CPU)(x).numpy(), to_numpy(graph)(x.numpy()), rtol=1e-6)
    assert own.__globals__["_tanh"] is torch.tanh


def test_nothing_times_nan_is_nan_in_a_kernel() -> None:
    function = lower(trace(lambda x: torch.where(x > 1, x, x * 0)), CPU)
    compiled = torch.compile(function, dynamic=True)
    assert compiled(torch.full((64,), float("nan"))).isnan().all()
    assert torch.equal(fused_math.mul(torch.tensor([2, 3]), 2), torch.tensor([4, 6]))


def test_slope_of_sinc_near_0() -> None:
    x = torch.logspace(-12, -1, 4096)
    graph = trace_derivative(trace(torch.sinc))
    found = torch.compile(lower(graph, CPU), dynamic=True)(x, torch.ones_like(x))
    exact = to_numpy(trace(torch.sinc)).vjp(x.double().numpy(), np.ones(4096))["x"]
    np.testing.assert_allclose(found.numpy(), exact, atol=2e-3)
