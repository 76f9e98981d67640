"""Pictures of functions: right derivatives, lines broken at jumps only, axes that show the shape."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from numpy.typing import NDArray

import activations
from activations import Graph, from_source
from bench.curves import REACH, TITLES, _limits, _reach, curve_svg, derivatives, draw_curves, line

LARGEST = 25_000
"""Bytes of a picture."""


def graph_of(text: str) -> Graph:
    return from_source(text).graph


def broken_at(name: str, order: int) -> list[float]:
    """Where the line has a gap, and no wider one than can be seen."""
    x, y = line(graph_of(name), order, REACH)
    gaps = np.flatnonzero(np.isnan(x))
    assert np.isnan(y[gaps]).all()
    assert (x[gaps + 1] - x[gaps - 1] < 1e-4).all()
    assert (np.diff(x[~np.isnan(x)]) >= 0).all()
    return [round(float(x[gap - 1]), 3) + 0.0 for gap in gaps]


def within(y: NDArray[np.float64], low: float, high: float) -> bool:
    finite = y[np.isfinite(y)]
    return bool((finite >= low - 1e-9).all() and (finite <= high + 1e-9).all())


@pytest.mark.parametrize(
    ("text", "slope", "bend"),
    [
        ("sin(2 * x)", lambda x: 2 * np.cos(2 * x), lambda x: -4 * np.sin(2 * x)),
        ("x**3", lambda x: 3 * x**2, lambda x: 6 * x),
        ("sigmoid(x)", lambda x: 1 / (2 + 2 * np.cosh(x)), lambda x: -np.sinh(x) / (2 * (1 + np.cosh(x)) ** 2)),
        ("identity", np.ones_like, np.zeros_like),
        ("hardsigmoid", lambda x: np.where(np.abs(x) < 3, 1 / 6, 0), np.zeros_like),
        ("prelu", lambda x: np.where(x > 0, 1, 0.25), np.zeros_like),
    ],
)
def test_derivatives(text: str, slope: object, bend: object) -> None:
    assert callable(slope)
    assert callable(bend)
    x = np.linspace(-4.1, 4.3, 24).reshape(4, 6)
    _, first, second = derivatives(graph_of(text), x)
    np.testing.assert_allclose(first, slope(x), atol=1e-7)
    np.testing.assert_allclose(second, bend(x), atol=1e-7)


@pytest.mark.parametrize(
    ("name", "value", "slope", "bend"),
    [
        ("relu", [], [0], []),
        ("hardshrink", [-0.5, 0.5], [-0.5, 0.5], []),
        ("squared-relu", [], [], [0]),
        ("relu6", [], [0, 6], []),
        ("elu", [], [], [0]),
        ("gelu", [], [], []),
        ("sinc", [], [], []),  # its formulas divide by 0 at 0
        ("tanh(200 * x)", [], [], []),  # steep, and no jump
    ],
)
def test_lines_are_broken_at_jumps_and_nowhere_else(
    name: str, value: list[float], slope: list[float], bend: list[float]
) -> None:
    inside = [[place for place in broken_at(name, order) if place < REACH] for order in range(3)]
    assert inside == [value, [place for place in slope if place < REACH], bend]


def test_a_kink_makes_no_spike() -> None:
    for name in ("relu", "leaky-relu", "hardtanh", "softshrink", "absolute"):
        assert within(line(graph_of(name), 2, REACH)[1], 0, 0)
    assert within(line(graph_of("sinc"), 2, REACH)[1], -(np.pi**2) / 3, np.pi**2 / 3)


def test_a_wave_is_shown_near() -> None:
    assert _reach(graph_of("siren")) == 0.75
    assert _reach(graph_of("gelu-sinc-perturbation")) == REACH
    assert 0 < _reach(graph_of("sin(5000 * x)")) < 0.01


def test_axes_show_the_shape() -> None:
    x = np.linspace(-REACH, REACH, 1000)
    low, high = _limits(np.maximum(x, 0) ** 2, 0)
    assert -1 < low < 0
    assert high < 13
    assert _limits(100 + x, 0)[1] > 106
    assert _limits(np.zeros(10), 2) == (-1, 1)
    assert _limits(np.full(10, np.nan), 1) == (-1, 1)
    assert _limits(np.where(x > 5.995, 1e9, np.tanh(x)), 1)[1] < 1.2


@pytest.mark.parametrize("name", ["relu", "siren", "pade", "hardshrink", "log(x)", "1 / x", "exp(exp(x**2))"])
def test_a_picture_is_small_whole_and_the_same_each_time(name: str, tmp_path: Path) -> None:
    graph = graph_of(name)
    draw_curves(graph, tmp_path / "curve.svg")
    data = (tmp_path / "curve.svg").read_bytes()
    assert data == curve_svg(graph)
    assert len(data) < LARGEST
    words = [text.text for text in ElementTree.fromstring(data).iter("{http://www.w3.org/2000/svg}text")]
    assert set(TITLES) <= set(words)
    assert not re.search(rb"\b(nan|inf)\b", data)


def test_what_looks_at_several_numbers_has_no_curve() -> None:
    with pytest.raises(ValueError, match="not pointwise"):
        curve_svg(activations.get("turbulent").graph)
