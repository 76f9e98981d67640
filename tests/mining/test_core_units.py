"""The space of core units: every row against an independent formula, the paper's findings as recipes, duplicates."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import erf

from activations import from_source, get
from activations.graph import Graph
from activations.to_numpy import to_numpy
from mining.candidate import Proposal
from mining.core_units import (
    BINARY,
    BLEND,
    COMPONENTS,
    CONSTANT,
    EPSILON,
    MOST_UNITS,
    SCALE,
    SHARPNESS,
    SHIFT,
    UNARY,
    Recipe,
    distinct_units,
    every_unit,
    merge,
    options,
)

X, SCALED, SHIFTED, SIGMOID, BETA = 0, 6, 7, 20, 24
SUM, PRODUCT, DIFFERENCE, QUOTIENT, MAX, MIN, GATE = range(7)
GRID = np.linspace(-3.0, 3.0, 61)

UNARY_VALUES: tuple[Callable[[float], float], ...] = (
    lambda x: x,
    lambda x: -x,
    abs,
    lambda x: x * x,
    lambda x: x * x * x,
    lambda x: math.sqrt(x) if x >= 0 else math.nan,
    lambda x: SCALE * x,
    lambda x: x + SHIFT,
    lambda x: math.log(abs(x) + EPSILON),
    math.exp,
    math.sin,
    math.cos,
    math.sinh,
    math.cosh,
    math.tanh,
    math.asinh,
    math.atan,
    lambda x: math.sin(math.pi * x) / (math.pi * x) if x else 1.0,
    lambda x: max(x, 0.0),
    lambda x: min(x, 0.0),
    lambda x: 1 / (1 + math.exp(-x)),
    lambda x: math.log(1 + math.exp(x)),
    lambda x: math.exp(-x * x),
    lambda x: float(erf(x)),
    lambda x: CONSTANT,
)

BINARY_VALUES: tuple[Callable[[float, float], float], ...] = (
    lambda a, b: a + b,
    lambda a, b: a * b,
    lambda a, b: a - b,
    lambda a, b: a / (b + EPSILON),
    max,
    min,
    lambda a, b: b / (1 + math.exp(-a)),
    lambda a, b: math.exp(-SHARPNESS * (a - b) ** 2),
    lambda a, b: math.exp(-SHARPNESS * abs(a - b)),
    lambda a, b: BLEND * a + (1 - BLEND) * b,
)

FOUND = {
    "max-x-sigmoid": (0, 0, X, SIGMOID, MAX),
    "cos-minus-x": (0, 0, 11, X, DIFFERENCE),
    "min-x-sin": (0, 0, X, 10, MIN),
    "max-x-tanh": (0, 0, X, 14, MAX),
    "sinc-plus-x": (0, 0, 17, X, SUM),
    "silu": (0, 0, X, X, GATE),
    "relu": (0, 0, 18, BETA, PRODUCT),
    "tanh": (0, 0, BETA, 14, PRODUCT),
    "softplus": (0, 0, 21, BETA, PRODUCT),
    "atan-squared-minus-x": (0, 0, 16, 16, PRODUCT, 1, 0, X, X, DIFFERENCE),
    "x-asinh-squared": (0, 0, 15, 15, PRODUCT, 0, 1, X, X, PRODUCT),
}
"""What the paper found, and functions that everybody knows, as recipes."""


def values(graph: Graph) -> np.ndarray:
    return np.broadcast_to(to_numpy(graph)(GRID), GRID.shape)


def draw(stream: np.random.Generator, units: int) -> Recipe:
    choices: list[int] = []
    while len(choices) < units * len(COMPONENTS):
        choices.append(int(stream.integers(options(choices))))
    return Recipe(tuple(choices))


def test_the_space_has_the_papers_size() -> None:
    assert (len(UNARY), len(BINARY), MOST_UNITS) == (25, 10, 3)
    assert len({part.name for part in (*UNARY, *BINARY)}) == 35


@pytest.mark.parametrize("row", range(len(UNARY)), ids=[part.name for part in UNARY])
def test_unary_function_gives_the_value_of_its_formula(row: int) -> None:
    graph = Recipe((0, 0, row, 11, SUM)).graph  # plus cos x, so that the constant makes a function of x too
    np.testing.assert_allclose(values(graph), [UNARY_VALUES[row](x) + math.cos(x) for x in GRID], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("row", range(len(BINARY)), ids=[part.name for part in BINARY])
def test_binary_function_gives_the_value_of_its_formula_and_keeps_the_order_of_its_inputs(row: int) -> None:
    graph = Recipe((0, 0, 10, SHIFTED, row)).graph
    wanted = [BINARY_VALUES[row](math.sin(x), x + SHIFT) for x in GRID]
    np.testing.assert_allclose(values(graph), wanted, rtol=1e-9)


@pytest.mark.parametrize("name", FOUND)
def test_known_functions_are_in_the_space(name: str) -> None:
    assert Recipe(FOUND[name]).graph.hash == get(name).graph.hash


def test_no_role_of_beta_repeats_another_function() -> None:
    hashes = {Recipe((0, 0, row, BETA, PRODUCT)).graph.hash for row in range(len(UNARY) - 1)}
    hashes |= {Recipe((0, 0, X, 10, row)).graph.hash for row in range(len(BINARY))}
    assert len(hashes) == len(UNARY) - 1 + len(BINARY)


def test_units_feed_later_units() -> None:
    recipe = Recipe((0, 0, 10, X, PRODUCT, 1, 0, 14, 3, DIFFERENCE, 2, 1, X, 11, SUM))
    first = np.sin(GRID) * GRID
    second = np.tanh(first) - GRID**2
    np.testing.assert_allclose(values(recipe.graph), second + np.cos(first), rtol=1e-9, atol=1e-12)
    assert recipe.units == 3
    assert recipe.formula == "tanh(sin(x) * x) - x**2 + cos(sin(x) * x)"


def test_units_that_are_not_reached_leave_no_trace() -> None:
    unused = Recipe((0, 0, 10, 11, SUM, 0, 0, X, SIGMOID, MAX))
    hidden = Recipe((0, 0, 10, 11, SUM, 0, 1, X, BETA, MAX))  # the constant does not look at unit 1
    assert unused.graph == Recipe((0, 0, X, SIGMOID, MAX)).graph
    assert hidden.graph == Recipe((0, 0, X, BETA, MAX)).graph


def test_the_formula_describes_the_graph() -> None:
    stream = np.random.default_rng(3)
    for units in (1, 2, 3) * 4:
        recipe = draw(stream, units)
        text = recipe.formula.replace("sigmoid(1.0)", repr(1 / (1 + math.exp(-1))))
        np.testing.assert_allclose(values(from_source(text).graph), values(recipe.graph), rtol=1e-6, err_msg=text)


def test_beta_can_be_learnable() -> None:
    recipe = Recipe((0, 0, SCALED, BETA, GATE, 1, 0, X, SHIFTED, 9))
    graph = recipe.build(learnable=True)
    assert sorted(p.initial for p in graph.parameters) == sorted((SCALE, CONSTANT, SHIFT, BLEND))
    assert {p.per for p in graph.parameters} == {"channel"}
    assert not recipe.graph.parameters
    np.testing.assert_allclose(values(graph), values(recipe.graph))
    swish = Recipe((0, 0, SCALED, X, GATE)).build(learnable=True)
    np.testing.assert_allclose(to_numpy(swish)(GRID, beta1=1.5), GRID / (1 + np.exp(-1.5 * GRID)))


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ((), "5 choices a unit"),
        ((0, 0, 1), "5 choices a unit"),
        ((1, 0, 0, 0, 0), r"choice 0 \(input1\) is 1: take 0 to 0"),
        ((0, 0, BETA, BETA, 0), r"choice 3 \(unary2\) is 24: take 0 to 23"),
        ((0, 0, 0, 0, 10), r"choice 4 \(binary\) is 10: take 0 to 9"),
        ((0, 0, 0, 0, 0, 0, -1, 0, 0, 0), r"choice 6 \(input2\) is -1: take 0 to 1"),
    ],
)
def test_a_recipe_outside_the_space_is_refused(choices: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Recipe(choices)


def test_a_proposal_names_its_recipe() -> None:
    recipe = Recipe(FOUND["atan-squared-minus-x"])
    proposal = recipe.proposal("random")
    assert proposal.proposer == "random"
    assert proposal.graph == recipe.graph
    assert proposal.operation == "atan(x) * atan(x) - x, core units 0 0 16 16 1 1 0 0 0 2"
    assert Recipe.of(proposal) == recipe
    with pytest.raises(ValueError, match="names no core units"):
        Recipe.of(Proposal("genetic", recipe.graph, operation="replace sin by cos"))


def test_one_unit_enumerated_and_merged() -> None:
    recipes = list(every_unit())
    distinct = distinct_units()
    assert len(recipes) == len(set(recipes)) == (25 * 25 - 1) * 10
    assert set(distinct) == {recipe.graph.hash for recipe in recipes}
    assert all(recipe.graph.hash == name for name, recipe in distinct.items())
    assert len(distinct) < len(recipes)
    assert all("x" in {*g.outputs, *(i for n in g.nodes for i in n.inputs)} for g in (r.graph for r in recipes))


def test_merging_keeps_the_shortest_writing_and_the_first_place() -> None:
    long, other, short = Recipe((0, 0, 1, 0, DIFFERENCE)), Recipe(FOUND["silu"]), Recipe((0, 0, X, X, SUM))
    cheaper = Recipe((0, 0, X, SIGMOID, PRODUCT))
    negated = Recipe((0, 0, 1, 1, PRODUCT))  # (-x)(-x) takes a node more than x · x
    square = Recipe((0, 0, X, X, PRODUCT))
    assert list(merge([negated, other, square]).values()) == [square, other]
    assert list(merge([other, cheaper]).values()) == [other]
    assert len(merge([long, other, short])) == 3
