"""Facts of a card, against numbers that can be worked out on paper."""

from __future__ import annotations

import math

import pytest

import activations
from activations.facts import Shape, facts

ROOT_TAU = math.sqrt(2 * math.pi)


def shape_of(name: str) -> Shape:
    shape = facts(activations.get(name)).shape
    assert shape is not None
    return shape


@pytest.mark.parametrize(
    ("name", "value", "slope", "monotone", "lower", "upper"),
    [
        ("relu", 0, 0, True, 0, math.inf),
        ("identity", 0, 1, True, -math.inf, math.inf),
        ("tanh", 0, 1, True, -1, 1),
        ("sigmoid", 0.5, 0.25, True, 0, 1),
        ("cosine", 1, 0, False, -1, 1),
        ("gelu", 0, 0.5, False, -0.169971, math.inf),
        ("gcu", 0, 1, False, -math.inf, math.inf),
        ("cos-minus-x", 1, -1, True, -math.inf, math.inf),
        ("nlrelu", 0, 0, True, 0, math.inf),  # grows with the logarithm only, and without bound
        ("arctan", 0, 1, True, -math.pi / 2, math.pi / 2),
        ("sinc", 1, 0, False, -0.217234, 1),
        ("log-sigmoid", -math.log(2), 0.5, True, -math.inf, 0),
    ],
)
def test_shape(name: str, value: float, slope: float, monotone: bool, lower: float, upper: float) -> None:
    shape = shape_of(name)
    assert shape.value_at_0 == pytest.approx(value, abs=1e-12)
    assert shape.slope_at_0 == pytest.approx(slope, abs=1e-12)
    assert math.copysign(1, shape.slope_at_0) == (-1 if slope < 0 else 1)  # no -0 on a card
    assert shape.monotone is monotone
    assert shape.lower == pytest.approx(lower, abs=2e-6)
    assert shape.upper == pytest.approx(upper, abs=2e-6)


@pytest.mark.parametrize(
    ("name", "mean", "second_moment"),
    [
        ("identity", 0, 1),
        ("relu", 1 / ROOT_TAU, 0.5),
        ("absolute", 2 / ROOT_TAU, 1),
        ("squared-relu", 0.5, 1.5),
        ("sine", 0, (1 - math.exp(-2)) / 2),
        ("cosine", math.exp(-0.5), (1 + math.exp(-2)) / 2),
        ("gaussian", 1 / math.sqrt(3), 1 / math.sqrt(5)),
        ("gelu", 1 / math.sqrt(4 * math.pi), 1 / 3 + 1 / (2 * math.pi * math.sqrt(3))),
    ],
)
def test_moments_under_the_normal_distribution(name: str, mean: float, second_moment: float) -> None:
    shape = shape_of(name)
    assert shape.mean == pytest.approx(mean, abs=1e-8)
    assert shape.second_moment == pytest.approx(second_moment, abs=1e-8)


@pytest.mark.parametrize(
    ("text", "lipschitz"),
    [
        ("relu", 1),
        ("tanh", 1),
        ("sigmoid", 0.25),
        ("gelu", 1.128904),  # at sqrt(2)
        ("siren", 30),
        ("hardswish", 1.5),  # the limit at a kink
        ("softsign", 1),
        ("bent-identity", 1.5),  # reached at infinity only
        ("tanh(1e4 * x)", 1e4),  # steep, and no jump
        ("squared-relu", math.inf),
        ("gcu", math.inf),
        ("sin(x**2)", math.inf),
        ("exp(x)", math.inf),
        ("x-asinh-squared", math.inf),  # its slope grows with the square of the logarithm
    ],
)
def test_lipschitz_constant(text: str, lipschitz: float) -> None:
    shape = facts(activations.from_source(text)).shape
    assert shape is not None
    assert shape.lipschitz == pytest.approx(lipschitz, rel=2e-4)
    assert shape.jump_at is None


@pytest.mark.parametrize(
    ("text", "place"),
    [("hardshrink", 0.5), ("where(x > 1.2345, 1 + x, x)", 1.2345), ("sqrt(abs(x))", 0), ("x * log(abs(x))", 0)],
)
def test_what_jumps_or_stands_upright_has_no_lipschitz_constant(text: str, place: float) -> None:
    shape = facts(activations.from_source(text)).shape
    assert shape is not None
    assert shape.lipschitz == math.inf
    assert shape.jump_at is not None
    assert abs(shape.jump_at) == pytest.approx(place, abs=2e-4)


def test_facts_of_the_graph() -> None:
    found = facts(activations.get("swish"))
    assert (found.pointwise, found.flops) == (True, 18)
    assert [(p.name, p.initial, p.per) for p in found.parameters] == [("beta", 1.0, "channel")]
    assert found.hash == activations.get("swish").graph.hash
    assert found.latex == activations.get("swish").latex
    assert r"\beta" in found.latex


def test_a_function_of_the_whole_tensor_has_no_curve() -> None:
    found = facts(activations.get("turbulent"))
    assert not found.pointwise
    assert found.shape is None
