"""The forms beyond values: parameters, dtypes, copies and compilation in torch; jit, grad, vmap and scan in JAX;
LaTeX.
"""

from __future__ import annotations

import copy
import io
import pickle
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from activations.graph import Graph, Parameter
from activations.to_latex import to_latex
from activations.to_numpy import to_numpy
from activations.to_torch import ActivationModule, to_torch
from activations.trace import trace

torch.set_num_threads(1)


def rational(x: Tensor, *, c: Any = Parameter((0.1, 1.0, 0.5), per="channel"), b: Any = Parameter(0.7)) -> Tensor:
    return (c[0] + c[1] * x + c[2] * x * x) / (1 + torch.abs(b * x))


def gated(x: Tensor, *, beta: Any = Parameter(1.0, per="channel")) -> Tensor:
    return x * torch.sigmoid(beta * x)


RATIONAL, GATED = trace(rational), trace(gated)


def test_channels_are_axis_1_and_sized_by_the_first_tensor() -> None:
    for shape, channels in (((2, 5), 5), ((2, 5, 3), 5), ((2, 5, 3, 4), 5), ((7,), 7)):
        module = to_torch(RATIONAL)
        assert is_lazy(module.get_parameter("c"))
        assert not is_lazy(module.get_parameter("b"))
        x = torch.randn(shape)
        y = module(x)
        assert module.c.shape == (3, channels)
        torch.testing.assert_close(y, rational(x, c=(0.1, 1.0, 0.5), b=0.7))
        y.sum().backward()
        assert all(p.grad is not None and p.grad.shape == p.shape for p in module.parameters())


def test_each_channel_has_its_own_value() -> None:
    module = to_torch(GATED)
    x = torch.randn(2, 3, 4, 4)
    module(x)
    with torch.no_grad():
        module.get_parameter("beta").copy_(torch.tensor([0.0, 1.0, 2.0]))
    torch.testing.assert_close(module(x)[:, 2], x[:, 2] * torch.sigmoid(2 * x[:, 2]))
    with pytest.raises(ValueError, match="beta has 3 channels, the tensor has 4"):
        module(torch.randn(2, 4))


def test_modules_are_fresh_and_draw_no_random_numbers() -> None:
    state = torch.get_rng_state()
    first, second = to_torch(RATIONAL, "rational"), to_torch(RATIONAL, "rational")
    x = torch.ones(2, 3)
    first(x)
    assert torch.equal(torch.get_rng_state(), state)
    assert first.b is not second.b
    assert is_lazy(second.get_parameter("c"))
    assert repr(first) == "ActivationModule(rational)"


@pytest.mark.parametrize("sized", [False, True])
def test_module_survives_copies_pickle_state_dict_and_double(sized: bool) -> None:
    module = nn.Sequential(nn.Linear(3, 4), to_torch(RATIONAL))
    x = torch.randn(2, 3)
    if sized:
        module(x)
        with torch.no_grad():
            module[1].get_parameter("c").mul_(2)
    saved = io.BytesIO()
    torch.save(module.state_dict(), saved)
    saved.seek(0)
    loaded = nn.Sequential(nn.Linear(3, 4), to_torch(RATIONAL))
    loaded.load_state_dict(torch.load(saved, weights_only=sized))
    copies = [copy.deepcopy(module), pickle.loads(pickle.dumps(module)), loaded]
    expected = module(x)
    for other in copies:
        torch.testing.assert_close(other(x), expected, rtol=0, atol=0)
    assert copy.deepcopy(module).double()(x.double()).dtype == torch.float64


def test_state_of_a_sized_module_loads_into_a_sized_one_and_refuses_another_width() -> None:
    small, large = to_torch(GATED), to_torch(GATED)
    small(torch.ones(1, 3))
    large(torch.ones(1, 4))
    with pytest.raises(RuntimeError, match="size mismatch for beta"):
        large.load_state_dict(small.state_dict())


def test_relu_is_torchs_relu_bit_for_bit() -> None:
    module = to_torch(trace(torch.relu))
    x = torch.cat([torch.randn(1000), torch.tensor([0.0, -0.0, float("inf"), -float("inf"), float("nan")])])
    for dtype in (torch.float32, torch.bfloat16, torch.float16, torch.float64):
        results = []
        for f in (module, nn.ReLU()):
            leaf = x.clone().to(dtype).requires_grad_()
            y = f(leaf)
            y.backward(torch.arange(len(x)).to(dtype))
            results.append((y.detach(), leaf.grad))
        for one, two in zip(*results, strict=True):
            assert torch.equal(one.nan_to_num(9e9), two.nan_to_num(9e9))
            assert torch.equal(one.signbit(), two.signbit())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32_and_rounded_once(dtype: torch.dtype) -> None:
    graph = trace(lambda x: F.gelu(x) * (1 + 0.5 * torch.sinc(x)))
    x = torch.linspace(-8, 8, 999).to(dtype)
    assert torch.equal(to_torch(graph)(x), to_torch(graph)(x.float()).to(dtype))


def test_autocast_and_channels_last_pass_through() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), to_torch(RATIONAL))
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's own stub forgets it
    x = torch.randn(2, 3, 8, 8).to(memory_format=torch.channels_last)
    y = model(x)
    assert y.is_contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert model(x).dtype == torch.bfloat16
    torch.testing.assert_close(model(x), y)


def test_dynamo_captures_the_module_in_one_graph() -> None:
    module = to_torch(RATIONAL)
    x = torch.randn(4, 5)
    expected = module(x)
    compiled = torch.compile(module, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), expected)


def jax_gradients(graph: Graph, x: Any, **parameters: Any) -> tuple[Any, Any]:
    import jax
    import jax.numpy as jnp

    from activations.to_jax import to_jax

    f = to_jax(graph)
    return jax.jit(jax.grad(lambda x, p: jnp.sum(jnp.cos(f(x, **p))), argnums=(0, 1)))(x, parameters)


def test_jax_parameters_lie_along_the_last_axis_and_have_torchs_gradients() -> None:
    import jax.numpy as jnp

    x = np.random.default_rng(0).normal(size=(6, 4, 5)).astype(np.float32)
    c = np.random.default_rng(1).normal(size=(3, 5)).astype(np.float32)
    b = np.float32(0.3)
    by_x, by = jax_gradients(RATIONAL, jnp.asarray(x), c=jnp.asarray(c), b=jnp.asarray(b))
    leaves = [torch.tensor(v, requires_grad=True) for v in (x, c, b)]
    rational(leaves[0], c=leaves[1], b=leaves[2]).cos().sum().backward()
    for found, leaf in zip((by_x, by["c"], by["b"]), leaves, strict=True):
        assert leaf.grad is not None
        np.testing.assert_allclose(np.asarray(found), leaf.grad.numpy(), rtol=2e-4, atol=2e-5)


def test_torch_and_jax_modules_agree_where_channels_are_last_in_both() -> None:
    import jax.numpy as jnp

    from activations.to_jax import to_jax

    module, x = to_torch(RATIONAL), torch.randn(7, 5)
    module(x)
    with torch.no_grad():
        module.get_parameter("c").normal_()
    c, b = (module.get_parameter(name).detach().numpy() for name in "cb")
    found = to_jax(RATIONAL)(jnp.asarray(x.numpy()), c=c, b=b)
    np.testing.assert_allclose(np.asarray(found), module(x).detach().numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        to_numpy(RATIONAL)(x.numpy(), c=c, b=b), module(x).detach().numpy(), rtol=1e-5, atol=1e-6
    )


def test_jax_runs_under_vmap_and_scan_and_keeps_the_dtype() -> None:
    import jax
    import jax.numpy as jnp

    from activations.to_jax import to_jax

    f = to_jax(trace(lambda x: x * torch.tanh(x) - x.mean(-1, keepdim=True)))
    x = jnp.linspace(-2.0, 2.0, 24).reshape(4, 6)
    expected = f(x)
    np.testing.assert_allclose(jax.vmap(f)(x), expected, rtol=1e-6)
    _, scanned = jax.lax.scan(lambda carry, row: (carry, f(row)), 0, x)
    np.testing.assert_allclose(scanned, expected, rtol=1e-5)
    np.testing.assert_allclose(
        jax.vmap(jax.grad(lambda r: f(r).sum()))(x), jax.grad(lambda a: f(a).sum())(x), rtol=1e-5
    )
    assert f(x.astype(jnp.bfloat16)).dtype == jnp.bfloat16
    assert jax.grad(lambda a: f(a).astype(jnp.float32).sum())(x.astype(jnp.float16)).dtype == jnp.float16


@pytest.mark.parametrize("form", ["jax", "numpy"])
def test_unknown_parameters_are_named(form: str) -> None:
    from activations.to_jax import to_jax

    f = to_jax(GATED) if form == "jax" else to_numpy(GATED)
    with pytest.raises(TypeError, match="no parameter 'gamma'"):
        f(np.ones((2, 3), np.float32), gamma=1.0)


def test_numpy_gradients_by_parameter() -> None:
    x = np.linspace(-2, 2, 10).reshape(2, 5)
    found = to_numpy(GATED).vjp(x, np.ones_like(x))
    sigmoid = 1 / (1 + np.exp(-x))
    np.testing.assert_allclose(found["beta"], x * x * sigmoid * (1 - sigmoid), rtol=1e-10)


@pytest.mark.parametrize(
    ("function", "latex"),
    [
        (torch.relu, r"\max(x, 0)"),
        (lambda x: x * torch.sigmoid(x), r"x \cdot \sigma(x)"),
        (lambda x: (x + 1) ** 2 / 3, r"\frac{(x + 1)^{2}}{3}"),
        (lambda x: 1 - (2 - x), "1 - (2 - x)"),
        (lambda x: torch.exp(-x * x), r"e^{(-x) \cdot x}"),
        (lambda x: (x / 2) ** 2 + 0.1 * torch.sin(x), r"(\frac{x}{2})^{2} + 0.1 \cdot \sin(x)"),
        (gated, r"x \cdot \sigma(\beta \cdot x)"),
    ],
)
def test_latex(function: Any, latex: str) -> None:
    assert to_latex(trace(function)) == latex


def test_latex_names_long_shared_parts() -> None:
    text = to_latex(
        trace(lambda x: torch.sin(x + x.mean(-1, keepdim=True)) ** 2 * torch.sin(x + x.mean(-1, keepdim=True)))
    )
    assert text == r"u_{1} = \sin(x + \operatorname{mean}(x)),\; f(x) = u_{1}^{2} \cdot u_{1}"


def test_module_type_is_no_activation_that_injection_would_replace() -> None:
    from activations.inject import is_activation

    assert not is_activation(ActivationModule(GATED))
