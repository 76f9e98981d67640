"""The table of a pointwise function: how near it comes, and what it does where the function is not finite."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import activations
from activations import Graph, from_source
from activations.to_numpy import to_numpy
from activations.trace import trace
from mining.table import CELLS, LIMIT, Table, table_error, tabulable, tabulate

WIDTH = 2 * LIMIT / CELLS
ROUNDING = 2e-7
"""Relative error of float32 storage, with room for two roundings."""


def graph_of(text: str) -> Graph:
    return from_source(text).graph


def at(table: Table, *places: float) -> tuple[list[float], list[float]]:
    value, derivative = table(torch.tensor(places, dtype=torch.float64))
    return value.tolist(), derivative.tolist()


@pytest.mark.parametrize("name", ["relu", "leaky-relu", "relu6", "hardtanh"])
def test_kinks_between_cells_cost_nothing(name: str) -> None:
    graph = activations.get(name).graph
    error = table_error(graph, tabulate(graph))
    assert error.value < ROUNDING
    assert error.derivative < ROUNDING
    assert error.missing == 0


def test_sine_keeps_the_bound_that_the_docstring_states() -> None:
    error = table_error(graph_of("sin(x)"), tabulate(graph_of("sin(x)")))
    assert error.value < WIDTH**2 / 8 + ROUNDING
    assert WIDTH / 4 < error.derivative < WIDTH / 2 + ROUNDING


def test_half_the_width_is_a_quarter_of_the_error() -> None:
    graph = activations.get("gelu").graph
    coarse, fine = (table_error(graph, tabulate(graph, cells=cells)).value for cells in (2**8, 2**9))
    assert coarse / fine == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize("name", ["gelu", "gelu-sinc-perturbation", "gmtu", "mish", "softplus"])
def test_table_agrees_with_the_numpy_reference(name: str) -> None:
    graph = activations.get(name).graph
    x = np.random.default_rng(0).uniform(-LIMIT, LIMIT, 2000)
    value, derivative = tabulate(graph)(torch.tensor(x))
    reference = to_numpy(graph)
    np.testing.assert_allclose(value, reference(x), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(derivative, reference.vjp(x, np.ones_like(x))["x"], rtol=0, atol=2e-3)


def test_beyond_the_interval_the_end_tangents_go_on() -> None:
    table = tabulate(graph_of("x * x"))
    values, slopes = at(table, -20.0, 20.0)
    assert values == pytest.approx([LIMIT**2 + 4 * 2 * LIMIT] * 2, rel=1e-3)
    assert slopes == pytest.approx([-2 * LIMIT, 2 * LIMIT], rel=1e-3)


def test_undefined_places_stay_undefined_and_are_counted() -> None:
    graph = graph_of("log(x)")
    table = tabulate(graph)
    values, _ = at(table, -1.0, 1.0, math.nan)
    assert math.isnan(values[0])
    assert values[1] == pytest.approx(0, abs=1e-6)
    assert math.isnan(values[2])
    assert table_error(graph, table).missing == pytest.approx(0.5)


def test_overflow_is_not_finite() -> None:
    table = tabulate(graph_of("exp(x * x * x)"))
    values, slopes = at(table, 15.0, -15.0)
    assert not math.isfinite(values[0])
    assert not math.isfinite(slopes[0])
    assert (values[1], slopes[1]) == (0, 0)


def test_step_function_has_zero_slope() -> None:
    values, slopes = at(tabulate(graph_of("sign(x)")), -2.0, 3.0)
    assert values == [-1, 1]
    assert slopes == [0, 0]


def test_gradient_that_the_author_chose_is_kept() -> None:
    def straight_through(x: torch.Tensor) -> torch.Tensor:
        return x + (torch.floor(x) - x).detach()

    values, slopes = at(tabulate(trace(straight_through)), 1.25, -0.75)
    assert slopes == [1, 1]
    assert values == pytest.approx([1, -1], abs=WIDTH)


@pytest.mark.parametrize("name", ["swish", "turbulent"])
def test_parameters_and_neighbours_have_no_table(name: str) -> None:
    graph = activations.get(name).graph
    assert not tabulable(graph)
    with pytest.raises(ValueError, match="score this one exactly"):
        tabulate(graph)
