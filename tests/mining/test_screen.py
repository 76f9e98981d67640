"""What the screen refuses and how it says so, and that every published function passes."""

from __future__ import annotations

import re

import numpy as np
import pytest

from activations import Graph, get
from activations.graph import GraphParameter, Node
from mining.screen import Limits, random_tensors, screen, wide_grid

from .written import written

PAPER = ("gelu-sine", "gelu-sinc-perturbation", "gmtu", "turbulent-base")
WHOLE_TENSOR = ("turbulent", "chaotic-wave", "fisg")

REFUSED = [
    ("exp(x)", "value is inf in float32 at x = 8"),
    ("exp(neg(x))", "value is inf in float32 at x = -8"),
    ("div(exp(x), add(exp(x), 1))", "value is nan in float32 at x = "),
    ("mul(x, exp(neg(exp(neg(x)))))", "gradient is nan in float32 at x = -"),
    ("sqrt(x)", "value is nan in float32 at x = -1e-06"),
    ("sqrt(abs(x))", "gradient is -?(inf|nan) in float32 at x = 0"),
    ("reciprocal(x)", "value is -?inf in float32 at x = 0"),
    ("pow(x, 24)", "value is inf in float32"),
    ("div(1, sub(x, 3))", "value is -?inf in float32 at x = 3"),
    ("asin(x)", "value is nan in float32 at x = "),
    ("sign(x)", "gradient is 0 at every"),
    ("floor(x)", "gradient is 0 at every"),
    ("relu(sub(x, 6))", "constant for .x. <= 5"),
    ("add(mul(x, 1e-9), 3)", "constant"),
    ("add(mul(x, 2), 3)", "straight line"),
    ("add(x, mul(sin(x), 0.001))", "straight line"),
    ("clamp(x, -5.5, 5.5)", "straight line"),
    ("gt(x, 0)", "bool instead of real"),
    ("sum(x, dim=(-1,), keepdim=False)", "not pointwise .sum."),
    ("add(x, roll(x, shifts=(1,), dims=(-1,)))", "not pointwise .roll."),
]


@pytest.mark.parametrize(("text", "reason"), REFUSED)
def test_refused_with_a_sentence(text: str, reason: str) -> None:
    found = screen(written(text), Limits())
    assert found is not None
    assert found.startswith("The ")
    assert found.endswith(".")
    assert re.search(reason, found)


@pytest.mark.parametrize("name", PAPER)
def test_the_functions_of_the_paper_pass(name: str) -> None:
    assert screen(get(name).graph) is None


@pytest.mark.parametrize("name", WHOLE_TENSOR)
def test_functions_of_the_whole_tensor_pass_where_they_are_allowed(name: str) -> None:
    assert screen(get(name).graph, Limits(allow_nonpointwise=True)) is None
    found = screen(get(name).graph)
    assert found is not None
    assert "not pointwise" in found


@pytest.mark.parametrize(
    "name", ["relu", "gelu", "silu", "mish", "squared-relu", "sine", "siren", "hardshrink", "golu"]
)
def test_known_functions_pass(name: str) -> None:
    assert screen(get(name).graph) is None


def test_what_is_not_finite_on_a_whole_tensor_is_refused() -> None:
    whole = Limits(allow_nonpointwise=True)
    by_spread = "div(sub(x, mean(x, dim=None, keepdim=False)), std(x, 0.0, dim=None, keepdim=False))"
    found = screen(written(by_spread), whole)
    assert found == "The value is not finite in float32 on a tensor with entries up to 0."
    shape = screen(written("mean(x, dim=(-1,), keepdim=True)"), whole)
    assert shape is not None
    assert "does not keep the shape: (6, 16) became (6, 1)" in shape


def test_learnable_parameters_are_refused_by_name() -> None:
    graph = Graph((Node("mul", ("x", "beta")), Node("sin", ("v0",))), ("v1",), (GraphParameter("beta", 1.0),))
    found = screen(graph)
    assert found is not None
    assert "beta" in found


def test_the_budgets() -> None:
    assert screen(get("gelu-sine").graph, Limits(flops=26)) is None
    dear = screen(get("gelu-sine").graph, Limits(flops=25))
    assert dear is not None
    assert "26 FLOPs an element and the budget is 25" in dear
    long = screen(get("gelu-sine").graph, Limits(nodes=3))
    assert long is not None
    assert "4 operations and the limit is 3" in long


def test_the_reach_decides_about_growth() -> None:
    assert screen(written("exp(x)"), Limits(reach=80.0)) is None
    assert screen(written("sinh(x)"), Limits(reach=90.0)) is not None


def test_the_bend_decides_about_nearly_straight_lines() -> None:
    assert screen(written("add(x, mul(sin(x), 0.001))"), Limits(bend=1e-5)) is None


def test_the_default_budget_is_above_the_dearest_function_of_the_paper() -> None:
    assert get("chaotic-wave").graph.flops <= Limits().flops
    assert len(get("chaotic-wave").graph.nodes) <= Limits().nodes


def test_the_grid_holds_what_it_must() -> None:
    grid = wide_grid(100.0)
    assert {0.0, 1e-6, -1e-6, 1.0, -1.0, 10.0, -10.0, 100.0, -100.0} <= set(grid)
    assert np.abs(grid).max() == 100
    assert np.abs(wide_grid(3.0)).max() <= 3
    assert {t.ndim for t in random_tensors(100.0)} == {2, 3, 4}
    assert max(np.abs(t).max() for t in random_tensors(100.0)) == 100
