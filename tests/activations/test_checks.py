"""Checks of the forms: where bfloat16 ends, and how far torch and JAX are apart."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import pytest

import activations
from activations import Activation, from_source
from activations.checks import agreement, bfloat16_reach, check

LARGEST = 2.0**128 - 2.0**120
"""Of bfloat16."""


@pytest.mark.parametrize(
    ("text", "below", "above"),
    [
        ("exp(x)", math.log(LARGEST) - 0.5, math.log(LARGEST)),  # 88.7
        ("x * exp(x)", 84 - 0.5, 84.3),
        ("x**2", 2.0**63, 2.0**64),
        ("x**4", 2.0**31, 2.0**32),
        ("sqrt(x**2 + 1)", 2.0**63, 2.0**64),
    ],
)
def test_bfloat16_carries_as_far_as_float32_can_compute(text: str, below: float, above: float) -> None:
    assert below < bfloat16_reach(from_source(text)) < above


@pytest.mark.parametrize("name", ["relu", "tanh", "silu", "leaky-relu", "swish", "identity"])
def test_some_functions_hold_at_all_numbers(name: str) -> None:
    assert bfloat16_reach(activations.get(name)) == math.inf


def test_a_gradient_that_is_lost_counts() -> None:
    assert 2.0**63 < bfloat16_reach(activations.get("gelu-tanh")) < 2.0**64  # its value holds everywhere


@pytest.mark.parametrize("text", ["1 / x", "log(x)", "sqrt(abs(x))"])
def test_some_functions_fail_at_0(text: str) -> None:
    assert math.isnan(bfloat16_reach(from_source(text)))


@pytest.mark.parametrize("name", ["relu", "gelu", "pade", "acon-c", "turbulent", "fisg"])
def test_torch_and_jax_agree(name: str) -> None:
    found = agreement(activations.get(name))
    assert 0 <= found.value < 2e-6
    assert 0 <= found.gradient < 1e-5


class Off(Activation):
    """GELU whose JAX form is something else."""

    form: Any

    def jax(self) -> Any:
        return self.form


def off(form: Any) -> Off:
    activation = Off("off", activations.get("identity").function, "x")
    object.__setattr__(activation, "form", form)
    return activation


def test_forms_that_differ_are_found() -> None:
    assert agreement(off(lambda x: x)) == agreement(activations.get("identity"))
    assert agreement(off(lambda x: x + 1)).value == pytest.approx(1, rel=1e-3)
    assert agreement(off(lambda x: x + 1)).gradient == 0
    assert agreement(off(lambda x: 3 * x)).gradient == pytest.approx(1)
    assert agreement(off(lambda x: x)).value == 0
    lost = agreement(off(lambda x: jnp.where(x > 50, jnp.nan, x)))
    assert lost.value == math.inf
    assert lost.gradient > 0


def test_a_function_of_the_whole_tensor_is_compared_on_a_tensor() -> None:
    found = check(activations.get("turbulent"))
    assert found.bfloat16 is None
    assert found.agreement == check(activations.get("turbulent")).agreement
    assert replace(found.agreement, value=0.0) != found.agreement
