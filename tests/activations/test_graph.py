"""The graph as data: JSON there and back, refusals of what is malformed, sizes and shapes told from the end."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from activations.graph import Graph, GraphError, GraphParameter, Node, Parameter, Shape, Size

SWISH = Graph(
    nodes=(Node("mul", ("beta", "x")), Node("sigmoid", ("v0",)), Node("mul", ("x", "v1"))),
    outputs=("v2",),
    parameters=(GraphParameter("beta", 1.0, "channel"),),
)
WIDE = Graph(
    nodes=(
        Node("slice", ("x", 0, Size("n1 // 2 + 1")), (("dim", -1), ("step", 1))),
        Node("sum", ("v0",), (("dim", None), ("keepdim", False))),
        Node("expand", ("v1",), (("shape", Shape(1, (Size("n1"),))),)),
        Node("clamp_max", ("v2", float("inf"))),
    ),
    outputs=("v3",),
    parameters=(GraphParameter("c", (0.5, -1.0)),),
)


@pytest.mark.parametrize("graph", [SWISH, WIDE])
def test_json_round_trip_keeps_graph_and_hash(graph: Graph) -> None:
    read = Graph.from_json(graph.to_json())
    assert read == graph
    assert read.hash == graph.hash
    assert Graph.from_json(json.loads(graph.to_json())) == graph


def changed(**changes: Any) -> str:
    return json.dumps(json.loads(SWISH.to_json()) | changes)


def expansion(drop: Any, tail: list[Any]) -> dict[str, Any]:
    """An `expand` to a shape as a file may state it."""
    return {"op": "expand", "inputs": ["x"], "attributes": {"shape": {"shape": {"drop": drop, "tail": tail}}}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "the JSON is not a graph"),
        ("[]", "the JSON is not a graph"),
        ("{}", "the JSON is not a graph .KeyError: 'format'"),
        (changed(format=99), "has format 99"),
        (changed(nodes=[{"op": "frobnicate", "inputs": ["x"], "attributes": {}}]), "'frobnicate' is not in the table"),
        (changed(nodes=[{"op": "sin", "inputs": ["v5"], "attributes": {}}]), "reads 'v5', which no earlier node makes"),
        (changed(nodes=[{"op": "sin", "inputs": ["x", 1], "attributes": {}}]), "sin takes 1 inputs, not 2"),
        (changed(nodes=[{"op": "sin", "inputs": ["x"], "attributes": {"dim": 1}}]), "takes the attributes"),
        (changed(nodes=[{"op": "mul", "inputs": [1, 2], "attributes": {}}]), "must read at least one tensor"),
        (changed(nodes=[{"op": "mul", "inputs": ["x", {"code": "1"}], "attributes": {}}]), "no input or attribute"),
        (changed(nodes=[{"op": "mul", "inputs": ["x", [1]], "attributes": {}}]), "which is no value, number or size"),
        (changed(nodes=[expansion("0], print(1), x.shape[:0", [])]), "may hold whole numbers and sizes only"),
        (changed(nodes=[expansion(1, ["print(1)"])]), "may hold whole numbers and sizes only"),
        (changed(nodes=[expansion(None, [1.5])]), "may hold whole numbers and sizes only"),
        (changed(outputs=["v9"]), "'v9' is made by no node"),
        (changed(outputs=[]), "has an output"),
        (changed(inputs=["y"]), "first input of a graph is x"),
        (changed(parameters=[{"name": "x", "initial": 1, "per": "site"}]), "cannot be the name of a parameter"),
        (changed(parameters=[{"name": "beta); import os", "initial": 1, "per": "site"}]), "cannot be the name"),
        (changed(parameters=[{"name": "beta", "initial": 1, "per": "pixel"}]), "per 'site' or per 'channel'"),
        (changed(parameters=[{"name": "beta", "initial": float("nan"), "per": "site"}]), "finite number"),
    ],
)
def test_malformed_json_is_refused_in_one_sentence(text: str, message: str) -> None:
    with pytest.raises(GraphError, match=message) as refusal:
        Graph.from_json(text)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "expression", ["__import__('os')", "n1.real", "n1 if n1 else 2", "n1 ** n1 ** n1", "n1 ** 99", "q", "n1 +"]
)
def test_a_size_is_arithmetic_and_nothing_else(expression: str) -> None:
    with pytest.raises(GraphError, match="the size"):
        Size(expression)


def test_sizes_and_shapes_serve_any_rank() -> None:
    assert Size("n1 // 2 + n2").evaluate((5, 4, 7)) == 7
    assert Size("numel").evaluate((5, 4, 7)) == 140
    assert Size("n1 ** -0.5").evaluate((4,)) == 0.5
    assert Shape(1, (1,)).evaluate((5, 4, 7)) == (5, 4, 1)
    assert Shape(1, (Size("n1 * 2"), 3)).evaluate((2, 5, 4, 7)) == (2, 5, 4, 14, 3)
    assert Shape(None).evaluate((5, 4)) == ()


@pytest.mark.parametrize("initial", [float("inf"), (), (1.0, float("nan")), "1", True, None])
def test_a_parameter_starts_from_finite_numbers(initial: Any) -> None:
    with pytest.raises(GraphError, match="finite number"):
        Parameter(initial)


def test_a_parameter_keeps_floats() -> None:
    assert Parameter(1) == Parameter(1.0)
    assert Parameter((1, 2)).initial == (1.0, 2.0)


def test_reading_a_graph_imports_no_framework() -> None:
    code = (
        "import sys; from activations import Graph; g = Graph.from_json(sys.argv[1]); g.hash, g.flops, g.pointwise;"
        "from activations.to_latex import to_latex; to_latex(g);"
        "assert not {'torch', 'jax', 'tensorflow'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, SWISH.to_json()], check=True)
