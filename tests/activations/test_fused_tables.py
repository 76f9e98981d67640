"""Tables of all bfloat16 numbers: exact to the last bit, in place of arithmetic or chosen by timing."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from activations import Parameter, fuse
from activations.fused_function import fused_function
from activations.fused_tables import every_bfloat16, tabulate
from activations.to_numpy import to_numpy
from activations.to_torch import to_torch
from activations.trace import trace

torch.set_num_threads(1)

GRAPH = trace(lambda x: F.gelu(x) * (1 + 0.5 * torch.sinc(x)))
CPU = torch.device("cpu")


def test_every_value_is_the_reference_rounded_once() -> None:
    values, slopes = tabulate(GRAPH, CPU)
    x = every_bfloat16().double().numpy()
    exact = to_numpy(GRAPH)(x)
    found = values.double().numpy()
    down, up = (
        np.nextafter(found.astype(ml_dtypes.bfloat16), np.array(to, ml_dtypes.bfloat16)).astype(np.float64)
        for to in (-np.inf, np.inf)
    )
    finite = np.isfinite(exact) & np.isfinite(found)
    error = np.abs(found - exact)[finite]
    assert finite.sum() > 65_000
    assert (error <= np.abs(down - exact)[finite]).all()
    assert (error <= np.abs(up - exact)[finite]).all()
    assert (np.isnan(found) == np.isnan(exact)).all()
    slope = to_numpy(GRAPH).vjp(x, np.ones_like(x))["x"].astype(np.float32)
    assert np.array_equal(slopes.numpy(), slope, equal_nan=True)


def test_rounding_twice_would_be_wrong_and_is_not_done() -> None:
    """1 + 2^-8 + 2^-40 lies above the middle of two bfloat16 numbers, its float32 neighbour in the middle."""
    values, _ = tabulate(trace(lambda x: x * (1 + 2.0**-8 + 2.0**-40)), CPU)
    place = int(torch.tensor(1.0).bfloat16().view(torch.int16))
    assert values[place] == 1 + 2.0**-7
    assert torch.tensor(1 + 2.0**-8 + 2.0**-40, dtype=torch.float64).float().bfloat16() == 1.0


@pytest.mark.parametrize("bf16", ["table", "auto"])
def test_module_looks_up_bfloat16_and_computes_the_rest(bf16: str) -> None:
    fused, eager = to_torch(GRAPH), to_torch(GRAPH)
    report = fuse(nn.Sequential(fused), dtype=torch.bfloat16, bf16=bf16)  # type: ignore[arg-type]
    assert report.fused == 1
    x = torch.linspace(-9, 9, 4000).bfloat16().reshape(4, 10, 10, 10).to(memory_format=torch.channels_last)
    cotangent = torch.randn(x.shape).bfloat16()
    leaf = x.clone().requires_grad_()
    value = fused(leaf)
    value.backward(cotangent)
    assert leaf.grad is not None
    assert value.stride() == leaf.grad.stride() == x.stride()
    values, slopes = tabulate(GRAPH, CPU)
    places = x.view(torch.int16).int() & 0xFFFF
    if bf16 == "table":
        assert torch.equal(value, values[places])
        assert torch.equal(leaf.grad, (cotangent.float() * slopes[places]).bfloat16())
    torch.testing.assert_close(value, values[places], rtol=2.0**-8, atol=1e-6)
    torch.testing.assert_close(fused(x.float()), eager(x.float()))
    assert fused(torch.tensor([float("nan")] * 2).bfloat16()).isnan().all()


def test_functions_with_parameters_have_no_table() -> None:
    def swish(x: torch.Tensor, *, beta: object = Parameter(1.0)) -> torch.Tensor:
        return x * torch.sigmoid(beta * x)  # type: ignore[operator]

    assert fused_function(trace(swish), "table").bf16 == "arithmetic"
    assert fused_function(GRAPH, "table").bf16 == "table"
