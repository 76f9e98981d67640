"""Every built-in is one function in torch, JAX and NumPy: values and gradients at ordinary and extreme points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import activations
from activations import Activation

Array = NDArray[Any]

BUILTIN = activations.names()

SPECIAL = np.array([0, 1e-3, 0.5, 1, 2, 3, 6.5, 30, 100, 1e4])
ORDINARY = np.linspace(-4.37, 4.41, 24).reshape(2, 12)
"""Away from the kinks, which all lie at multiples of 0.5."""
GRID = np.concatenate([np.stack([SPECIAL, -SPECIAL]), ORDINARY], axis=1)
"""(2, 22): one shape for all, so that JAX compiles each operation once; -0 is among them."""
COTANGENT = np.linspace(0.7, -1.3, 44).reshape(2, 22)

NOT_POINTWISE = {"turbulent", "fisg", "chaotic-wave"}


def by_torch(activation: Activation, x: Array, cotangent: Array, dtype: torch.dtype) -> tuple[Array, Array]:
    module = activation.module()
    leaf = torch.tensor(x, dtype=dtype, requires_grad=True)
    if dtype == torch.float64 and activation.graph.parameters:
        module = in_float64(activation, x)
    value = module(leaf)
    assert value.dtype == dtype
    value.backward(torch.tensor(cotangent, dtype=dtype))
    assert leaf.grad is not None
    return value.detach().to(torch.float64).numpy(), leaf.grad.to(torch.float64).numpy()


def in_float64(activation: Activation, x: Array) -> torch.nn.Module:
    """The module with its initial parameters to the last digit; they are float32 in training."""
    module = activation.module()
    module(torch.tensor(x))  # sizes the parameters of channels
    module.to(torch.float64)
    for p in activation.graph.parameters:
        exact = torch.tensor(p.initial, dtype=torch.float64)
        getattr(module, p.name).data.copy_(exact)
    return module


def by_jax(activation: Activation, x: Array, cotangent: Array, dtype: Any) -> tuple[Array, Array]:
    with jax.enable_x64(True):
        value, pull = jax.vjp(activation.jax(), jnp.asarray(x, dtype))
        assert value.dtype == dtype
        (gradient,) = pull(jnp.asarray(cotangent, dtype))
        return np.asarray(value, np.float64), np.asarray(gradient, np.float64)


def by_numpy(activation: Activation, x: Array, cotangent: Array) -> tuple[Array, Array]:
    form = activation.numpy()
    return form(x), form.vjp(x, cotangent)["x"]


@pytest.mark.parametrize("name", BUILTIN)
def test_three_frameworks_agree_in_float64(name: str) -> None:
    activation = activations.get(name)
    value, gradient = by_numpy(activation, GRID, COTANGENT)
    assert np.isfinite(value).all()
    assert np.isfinite(gradient).all()
    value_room = allowance(name, GRID, value, gradient / COTANGENT, 2.0**-53)
    # The slope of sin(40 x) at 1e4 carries the rounding of x forty times forty fold; torch's own kernel of hardsigmoid
    # has its slope of 1/6 in float32.
    slope_room = 1e4 * value_room + (1e-8 if name == "hardsigmoid" else 0)
    for other_value, other_gradient in (
        by_torch(activation, GRID, COTANGENT, torch.float64),
        by_jax(activation, GRID, COTANGENT, jnp.float64),
    ):
        assert (np.abs(other_value - value) <= value_room).all()
        assert (np.abs(other_gradient - gradient) <= slope_room).all()


def allowance(name: str, x: Array, value: Array, slope: Array, epsilon: float) -> Array:
    """What rounding of x and of results of the size of x and 1 may do, with room for a handful of operations."""
    size = 1 + np.abs(x) * (1 + np.abs(slope)) + np.abs(value)
    if name in NOT_POINTWISE:
        size = np.broadcast_to(size.max(), x.shape)  # other elements' rounding arrives too
    return np.asarray(32 * epsilon * size)


@pytest.mark.parametrize("name", sorted(set(BUILTIN) - {"fisg"}))
def test_gradient_is_the_slope(name: str) -> None:
    """Against central differences of the float64 reference, which know nothing of anybody's autograd."""
    activation = activations.get(name)
    x, cotangent = ORDINARY, COTANGENT[:, 10:]
    _, gradient = by_numpy(activation, x, cotangent)
    np.testing.assert_allclose(gradient, slopes(activation.numpy(), x, cotangent), rtol=1e-5, atol=1e-5)


def slopes(function: Callable[[Array], Array], x: Array, cotangent: Array, step: float = 1e-6) -> Array:
    """The gradient of sum(cotangent * function(x)), one element at a time."""
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        shift = np.zeros_like(x)
        shift[index] = step
        gradient[index] = ((function(x + shift) - function(x - shift)) * cotangent).sum() / (2 * step)
    return gradient


def test_gradient_of_fisg() -> None:
    """Its gate is detached, so the gradient is that of gate * x + (1 - gate) * mirror(x) for a held gate."""
    x, cotangent = ORDINARY, COTANGENT[:, 10:]
    size = np.abs(np.fft.rfft(x))
    gate = np.exp(-size[:, 3:].sum(-1) / (size.sum(-1) + 1e-6))[:, None]

    def held(x: Array) -> Array:
        spectrum = np.fft.rfft(x)
        mirrored = np.fft.irfft(np.concatenate([spectrum[:, :3], spectrum[:, 3:].conj()], axis=-1), n=12)
        return np.asarray(gate * x + (1 - gate) * mirrored)

    _, gradient = by_torch(activations.get("fisg"), x, cotangent, torch.float64)
    np.testing.assert_allclose(gradient, slopes(held, x, cotangent, 1e-3), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", [n for n in BUILTIN if activations.get(n).graph.parameters])
def test_parameter_gradients(name: str) -> None:
    activation = activations.get(name)
    x, cotangent = ORDINARY, COTANGENT[:, 10:]
    module = in_float64(activation, x)
    module(torch.tensor(x)).backward(torch.tensor(cotangent))
    start: dict[str, Array] = {}
    for p in activation.graph.parameters:
        start[p.name] = np.asarray(p.initial) if p.per == "site" else np.full(12, p.initial)

    def loss(changed: dict[str, Array]) -> float:
        return float((activation.numpy()(x, **{**start, **changed}) * cotangent).sum())

    with jax.enable_x64(True):
        _, pull = jax.vjp(lambda given: activation.jax()(jnp.asarray(x), **given), start)
        (jax_gradient,) = pull(jnp.asarray(cotangent))
    for parameter, value in start.items():
        numeric = np.zeros_like(value)
        for index in np.ndindex(value.shape):
            shift = np.zeros_like(value)
            shift[index] = 1e-6
            numeric[index] = (loss({parameter: value + shift}) - loss({parameter: value - shift})) / 2e-6
        torch_gradient = getattr(module, parameter).grad
        assert torch_gradient is not None
        np.testing.assert_allclose(torch_gradient.numpy(), numeric, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(np.asarray(jax_gradient[parameter]), numeric, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", BUILTIN)
def test_float32_is_float64_up_to_rounding(name: str) -> None:
    activation = activations.get(name)
    x, ones = GRID.astype(np.float32).astype(np.float64), np.ones_like(GRID)
    value, gradient = by_numpy(activation, x, ones)
    room = allowance(name, x, value, gradient, 2.0**-24)
    for found, slope in (
        by_torch(activation, x, ones, torch.float32),
        by_jax(activation, x, ones, jnp.float32),
    ):
        assert (np.abs(found - value) <= room).all()
        assert np.isfinite(slope).all()
        assert (np.abs(slope - gradient)[np.abs(x) < 7] <= 1e-4 * (1 + np.abs(gradient).max())).all()


@pytest.mark.parametrize("name", BUILTIN)
def test_bfloat16_is_rounded_once(name: str) -> None:
    activation = activations.get(name)
    x, ones = GRID.astype(ml_dtypes.bfloat16).astype(np.float64), np.ones_like(GRID)
    value, gradient = by_numpy(activation, x, ones)
    half_ulp = np.exp2(np.floor(np.log2(np.maximum(np.abs(value), 2.0**-126))) - 8)
    room = half_ulp * (1 + 2.0**-8) + allowance(name, x, value, gradient, 2.0**-24)
    for found, slope in (
        by_torch(activation, x, ones, torch.bfloat16),
        by_jax(activation, x, ones, jnp.bfloat16),
    ):
        assert (np.abs(found - value) <= room).all()
        assert np.isfinite(slope).all()


AT_INFINITY = (
    # Value and slope at -inf, value and slope at +inf: n where they are not a number, and why.
    (
        "nnnn",
        "the sine or cosine of infinity has no value",
        "chaotic-wave cos-minus-x cosine gcu gelu-sinc-perturbation gelu-sine min-x-sin sin-plus-x sinc sinc-plus-x "
        "sine sinlu siren snake snake-trained mined-29ffa588 mined-76c3300c",
    ),
    ("nnnn", "mean, deviation and spectrum of a tensor that holds infinity have no value", "turbulent fisg"),
    ("nnnn", "inf / inf or inf * 0 in the definition as written", "softsign isru pade"),
    ("nnnn", "inf * 0: x times a gate that is 0 on one side and times (1 - gate) on the other", "acon-c dsilu"),
    (
        "nn.n",
        "-inf * 0 where the gate is shut; where it is open, x times the gate's slope is inf * 0",
        "aria-2 gelu gelu-tanh isrlu logish mish phish quick-gelu serf silu smish swish mined-f7327b87",
    ),
    ("nn.n", "-inf + inf under the root, whose slope is inf / inf", "bent-identity squareplus"),
    ("nn..", "-inf * 0 where the gate is shut; a clamp ends the slope where it is open", "erf-act gish serlu tanhexp"),
    ("n..n", "-inf * 0 where the gate is shut; the clamp is on this side", "golu"),
    ("n...", "-inf * 0 where the gate is shut, a piece of its own with slope 0", "hard-mish hardswish"),
    ("...n", "the sigmoid's slope is 0, times x = inf", "elish"),
    (".n.n", "the slope has a product of inf and 0", "gaussian gmtu lisht x-asinh-squared"),
)


def not_a_number(name: str) -> str:
    found = [pattern for pattern, _, listed in AT_INFINITY if name in listed.split()]
    assert len(found) <= 1
    return found[0] if found else "...."


@pytest.mark.parametrize("name", BUILTIN)
def test_infinity(name: str) -> None:
    """IEEE arithmetic gives no number exactly where the table says so, in every framework alike.

    torch in float64: its vectorised float32 kernel of GELU gives NaN at +inf on some processors, and inf on others.
    """
    activation = activations.get(name)
    expected = not_a_number(name)
    for infinity, pattern in ((-np.inf, expected[:2]), (np.inf, expected[2:])):
        x, ones = np.full(GRID.shape, infinity), np.ones_like(GRID)
        reference = by_numpy(activation, x, ones)
        assert "".join("n" if np.isnan(part).all() else "." for part in reference) == pattern
        assert not any(np.isnan(part).any() and not np.isnan(part).all() for part in reference)
        for found in (
            by_torch(activation, x, ones, torch.float64),
            by_jax(activation, x, ones, jnp.float32),
        ):
            np.testing.assert_allclose(found, reference, rtol=1e-6)
