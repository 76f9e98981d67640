"""Fused modules: exact against the float64 reference, in every layout and mode, and eager wherever they have to be.

A handful of functions stands for all; `benchmarks/activation_speed.py --check` goes through every built-in.
"""

from __future__ import annotations

import copy
import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from activations import Parameter, fuse
from activations.graph import Graph
from activations.to_numpy import to_numpy
from activations.to_torch import ActivationModule, to_torch
from activations.trace import trace

torch.set_num_threads(1)


def gelu_sinc(x: Tensor) -> Tensor:
    return F.gelu(x) * (1 + 0.5 * torch.sinc(x))


def kinked(x: Tensor) -> Tensor:
    return torch.where(x.abs() < 1, x * x, torch.tanh(x)) + torch.clamp(torch.expm1(x), max=2) + torch.relu(x - 3)


def rational(x: Tensor, *, c: Any = Parameter((0.1, 1.0, 0.5), per="channel"), b: Any = Parameter(0.7)) -> Tensor:
    return (c[0] + c[1] * x + c[2] * x * x) / (1 + torch.abs(b * x))


PLAIN, KINKED, RATIONAL = trace(gelu_sinc), trace(kinked), trace(rational)


def pair(graph: Graph, channels: int = 5) -> tuple[ActivationModule, ActivationModule]:
    """A fused and an eager module with the same parameters."""
    fused, eager = to_torch(graph, "fused"), to_torch(graph, "eager")
    for module in (fused, eager):
        module(torch.ones(2, channels))
        torch.manual_seed(0)
        for p in module.parameters():
            nn.init.uniform_(p, 0.3, 1.0)
    report = fuse(fused)
    assert (report.fused, report.eager, report.reasons) == (1, 0, ())
    return fused, eager


def run(module: nn.Module, x: Tensor, cotangent: Tensor) -> list[Tensor]:
    """Value, gradient by x and gradients by the parameters."""
    module.zero_grad()
    leaf = x.detach().requires_grad_()
    value = module(leaf)
    value.backward(cotangent)
    assert leaf.grad is not None
    return [value.detach(), leaf.grad, *(p.grad.clone() for p in module.parameters() if p.grad is not None)]


def assert_alike(modules: tuple[nn.Module, nn.Module], x: Tensor, rtol: float = 2e-5, atol: float = 2e-5) -> None:
    torch.manual_seed(1)
    cotangent = torch.randn(x.shape).to(x.dtype)
    found, expected = (run(module, x, cotangent) for module in modules)
    assert len(found) == 2 + len(list(modules[0].parameters()))
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        torch.testing.assert_close(one, other, rtol=rtol, atol=atol, equal_nan=True)
    assert found[0].stride() == expected[0].stride()


@pytest.mark.parametrize("graph", [PLAIN, KINKED], ids=["plain", "kinked"])
def test_values_and_gradients_are_those_of_the_float64_reference(graph: Graph) -> None:
    fused, _ = pair(graph)
    x = torch.cat([torch.linspace(-12, 12, 9999), torch.tensor([0.0, -0.0, 1e-30, -1e-30, 1e-6, 1.0, -1.0, 80.0])])
    value, gradient = run(fused, x, torch.ones_like(x))
    exact = x.double().numpy()
    np.testing.assert_allclose(value.numpy(), to_numpy(graph)(exact), rtol=3e-6, atol=1e-6)
    slope = to_numpy(graph).vjp(exact, np.ones_like(exact))["x"]
    np.testing.assert_allclose(gradient.numpy(), slope, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("graph", [PLAIN, KINKED], ids=["plain", "kinked"])
def test_kinks_and_infinities_are_treated_as_torch_treats_them(graph: Graph) -> None:
    kinks = [0.0, -0.0, 1.0, -1.0, 3.0, float(torch.log(torch.tensor(3.0))), float("inf"), -float("inf"), float("nan")]
    assert_alike(pair(graph), torch.tensor(kinks))


def test_small_values_keep_their_digits() -> None:
    fused, _ = pair(trace(lambda x: torch.expm1(x) * torch.tanh(x)))
    x = torch.logspace(-15, 0, 1000)
    torch.testing.assert_close(fused(x).double(), torch.expm1(x.double()) * torch.tanh(x.double()), rtol=1e-6, atol=0)


LAYOUTS = {
    "images": torch.randn(3, 5, 4, 6),
    "channels-last": torch.randn(3, 5, 4, 6).to(memory_format=torch.channels_last),
    "one pixel": torch.randn(3, 5, 1, 1),
    "batch": torch.randn(3, 5),
    "vector": torch.randn(5),
    "one sample": torch.randn(1, 5),
    "one image": torch.randn(1, 5, 2, 3),
    "sequence": torch.randn(3, 5, 7),
    "volume": torch.randn(2, 5, 3, 2, 2),
    "empty": torch.randn(0, 5, 3),
    "transposed": torch.randn(6, 5, 4).transpose(0, 2),
    "with gaps": torch.randn(3, 5, 8)[..., ::2],
    "spread": torch.randn(3, 5, 1).expand(3, 5, 4),
    "double": torch.randn(3, 5, 4, dtype=torch.float64),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("graph", [PLAIN, RATIONAL], ids=["plain", "rational"])
def test_every_layout_agrees_with_eager_torch(graph: Graph, layout: str) -> None:
    x = LAYOUTS[layout]
    modules = pair(graph)
    if layout in ("with gaps", "spread", "transposed"):  # strides are those of a copy
        torch.testing.assert_close(modules[0](x), modules[1](x), rtol=1e-5, atol=1e-6)
    else:
        assert_alike(modules, x)


def test_a_number_passes() -> None:
    fused, eager = pair(PLAIN)
    assert torch.equal(fused(torch.tensor(0.7)), eager(torch.tensor(0.7)))


def test_cotangents_of_any_strides() -> None:
    fused, eager = pair(RATIONAL)
    x = LAYOUTS["images"]
    for cotangent in (torch.ones(()).expand(x.shape), torch.randn(6, 4, 5, 3).permute(3, 2, 1, 0)):
        for one, other in zip(run(fused, x, cotangent), run(eager, x, cotangent), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_one_compilation_serves_all_shapes() -> None:
    fused, _ = pair(PLAIN)
    x = torch.randn(8, 3)
    run(fused, x, x)
    made = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    for shape in ((2, 3), (4, 3, 8, 8), (7, 2, 3, 2, 2), (4097,)):
        x = torch.randn(shape)
        run(fused, x, x)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == made > 0
    assert fuse(to_torch(PLAIN)).compile_seconds < 0.1


def test_x_alone_is_saved() -> None:
    fused, eager = pair(PLAIN)
    x = torch.randn(8, 5, requires_grad=True)
    counts = []
    for module in (fused, eager):
        saved: list[Tensor] = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t, saved=saved: saved.append(t) or t, lambda t: t):  # type: ignore[misc]
            module(x)
        counts.append({t.data_ptr() for t in saved})
    assert counts[0] == {x.data_ptr()}
    assert len(counts[1]) > 1
    for mode in (torch.no_grad(), torch.inference_mode()):
        with mode:
            torch.testing.assert_close(fused(x), eager(x))
            assert not fused(x).requires_grad


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_halves_are_computed_in_float32_and_rounded_once(dtype: torch.dtype) -> None:
    modules = pair(RATIONAL)
    x = LAYOUTS["images"].to(dtype)
    step = torch.finfo(dtype).eps
    assert_alike(modules, x, rtol=step, atol=step / 8)
    same = (modules[0](x) == modules[1](x)).float().mean()
    assert same > 0.99


def test_autocast_and_changes_in_place_pass_through() -> None:
    fused, eager = pair(PLAIN)
    layer = nn.Linear(5, 5)
    x = torch.randn(6, 5)
    results = []
    for module in (fused, eager):
        layer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = module(layer(x))
            assert y.dtype == torch.bfloat16
            y += 1
            y.sum().backward()
        assert layer.weight.grad is not None
        results.append((y.detach(), layer.weight.grad.clone()))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-2, atol=1e-2)


def test_results_have_memory_of_their_own() -> None:
    """The slope of x + b is 1 and the kernel hands the cotangent back."""

    def shifted(x: Tensor, *, b: Any = Parameter(1.0)) -> Tensor:
        return x + b

    fused, _ = pair(trace(shifted))
    x = torch.randn(4, 5)
    cotangent = torch.ones(4, 5)
    _, gradient, by_b = run(fused, x, cotangent)
    gradient.zero_()
    assert torch.equal(cotangent, torch.ones(4, 5))
    assert by_b == 20
    with torch.no_grad():
        fused.get_parameter("b").zero_()
        fused(x).zero_()
    assert x.abs().sum() > 0


def test_the_input_must_not_be_changed_before_backward() -> None:
    fused, _ = pair(PLAIN)
    x = torch.randn(4, 5, requires_grad=True) * 1
    y = fused(x)
    x.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_second_derivatives_are_torchs() -> None:
    results = []
    for module in pair(RATIONAL):
        x = LAYOUTS["images"].clone().requires_grad_()
        (first,) = torch.autograd.grad(module(x).sum(), x, create_graph=True)
        results.append(torch.autograd.grad(first.pow(2).sum(), [x, *module.parameters()]))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_vmap_forward_mode_and_an_outer_compile_run_the_graph() -> None:
    fused, eager = pair(RATIONAL)
    x = torch.randn(4, 3, 5)
    parameters = {name: p.detach().expand(4, *p.shape) for name, p in fused.named_parameters()}
    call = lambda module: torch.func.vmap(lambda p, x: torch.func.functional_call(module, p, (x,)))(parameters, x)  # noqa: E731
    torch.testing.assert_close(call(fused), call(eager))
    for module in (fused, eager):
        torch.testing.assert_close(*torch.func.jvp(module, (x[0],), (x[0],))[:1], eager(x[0]))
    torch.testing.assert_close(torch.compile(fused, backend="eager", fullgraph=True)(x[0]), eager(x[0]))


def test_parameters_that_have_no_size_yet_get_it() -> None:
    model = nn.Sequential(nn.Linear(3, 4), to_torch(RATIONAL))
    assert fuse(model).fused == 1
    assert is_lazy(model[1].get_parameter("c"))
    model(torch.randn(2, 3)).sum().backward()
    assert all(p.grad is not None and p.grad.shape == p.shape for p in model.parameters())
    with pytest.raises(ValueError, match="c has 4 channels, the tensor has 6"):
        model[1](torch.randn(3, 6))


def test_copies_and_pickles_stay_fused_and_state_is_unchanged() -> None:
    fused, eager = pair(RATIONAL)
    assert list(fused.state_dict()) == list(eager.state_dict())
    saved = io.BytesIO()
    torch.save(fused, saved)
    saved.seek(0)
    for other in (copy.deepcopy(fused), pickle.loads(pickle.dumps(fused)), torch.load(saved, weights_only=False)):
        assert other.fused is fused.fused
        assert_alike((other, eager), LAYOUTS["images"])


def test_ddp_reduces_gradients_of_parameters(tmp_path: Path) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        fused, eager = pair(RATIONAL)
        wrapped = nn.parallel.DistributedDataParallel(fused)
        x = torch.randn(4, 5)
        for one, other in zip(run(wrapped, x, x), run(eager, x, x), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    finally:
        torch.distributed.destroy_process_group()
