"""Python that a person would write, and that traces to the same function."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from activations import Graph, GraphError, get, names
from activations.graph import GraphParameter, Node
from activations.ops import COMPOSITES, ELEMENTWISE
from activations.to_python import to_formula, to_python
from activations.to_torch import to_torch
from activations.trace import trace

NOT_WRITTEN = {"fisg": "rfft"}
"""Built-in functions with an operation that is not written as Python."""
WRITTEN = [name for name in names() if name not in NOT_WRITTEN]


def run(source: str, name: str = "activation") -> Any:
    namespace: dict[str, Any] = {}
    exec(source, namespace)
    return namespace[name]


@pytest.mark.parametrize("name", WRITTEN)
def test_every_built_in_function_comes_back_by_its_hash(name: str) -> None:
    source = to_python(get(name).graph)
    assert max(map(len, source.splitlines())) <= 120
    assert trace(run(source)).hash == get(name).graph.hash


def test_only_operations_that_a_person_would_not_write_are_refused() -> None:
    assert all(not get(name).graph.pointwise for name in NOT_WRITTEN)
    for name, op in NOT_WRITTEN.items():
        with pytest.raises(GraphError, match=f"{op}.*not written as Python"):
            to_python(get(name).graph)


def test_what_it_looks_like() -> None:
    assert to_python(get("gelu-sine").graph, "wavy") == (
        "import torch\nimport torch.nn.functional as F\n\n\ndef wavy(x):\n    return F.gelu(x) + 0.1 * torch.sin(x)\n"
    )
    assert to_python(get("penalized-tanh").graph).endswith(
        "def activation(x):\n    squashed = torch.tanh(x)\n    return torch.where(x > 0, squashed, 0.25 * squashed)\n"
    )
    assert to_python(get("identity").graph) == "def activation(x):\n    return x\n"


def test_parameters_are_keyword_arguments() -> None:
    source = to_python(get("swish").graph)
    assert 'def activation(x, *, beta=Parameter(1.0, per="channel")):' in source
    assert "from activations import Parameter\n" in source
    assert trace(run(source)).parameters == get("swish").graph.parameters


@pytest.mark.parametrize(
    ("nodes", "formula"),
    [
        ([("sin", "x"), ("sub", "x", "v0"), ("sub", "x", "v1")], "x - (x - sin(x))"),
        ([("neg", "x"), ("pow", "v0", 2)], "(-x) ** 2"),
        ([("pow", "x", 2), ("neg", "v0")], "-(x**2)"),
        ([("add", "x", -1.5), ("mul", "v0", -2)], "-2 * (x - 1.5)"),
        ([("mul", "x", -2), ("sub", 1, "v0")], "1 + 2 * x"),
        ([("mul", "x", 3), ("mul", "v0", 2)], "3 * x * 2"),
        ([("div", "x", 2), ("div", 1, "v0"), ("mul", "x", "v1")], "x * (1 / (x / 2))"),
        ([("neg", "x"), ("neg", "v0")], "-(-x)"),
        ([("add", "x", 1), ("reciprocal", "v0")], "1 / (x + 1)"),
        ([("gt", "x", 0), ("to_float", "v0"), ("mul", "x", "v1")], "x * (x > 0).to(x.dtype)"),
        ([("maximum", "x", 0.5)], "maximum(x, 0.5)"),
        ([("elu", "x", 2.0, 1, 1)], "elu(x, 2)"),
    ],
)
def test_as_few_parentheses_as_possible(nodes: list[tuple[Any, ...]], formula: str) -> None:
    graph = Graph(tuple(Node(op, tuple(inputs)) for op, *inputs in nodes), (f"v{len(nodes) - 1}",))
    assert to_formula(graph) == formula
    x = torch.linspace(-3, 3, 50, dtype=torch.float64)
    torch.testing.assert_close(run(to_python(graph))(x), to_torch(graph)(x), rtol=0, atol=0, equal_nan=True)


ARGUMENTS = {"softplus": (2, 10), "hardtanh": (-2, 3), "clamp": (-1, 0.5), "leaky_relu": (0.2,), "threshold": (0.3, -1),
             "elu": (2.0, 1.5, 0.5)}  # fmt: skip


NUMBER_FIRST = {"sub", "div", "pow", "remainder", "maximum", "atan2", "copysign", "fmod", "xlogy", "gt", "logaddexp"}


def inputs_of(op: Any) -> list[tuple[Any, ...]]:
    """Some ways to call a row; v0 is a truth value."""
    if op.name in ("where", "logical_not"):
        return [("v0", "x", 2.0), ("v0", 3, "x"), ("v0", 1, 0)] if op.name == "where" else [("v0",)]
    if op.arity != 2 or op.expansion:
        return [("x", *ARGUMENTS.get(op.name, ()))]
    return [("x", 0.5), ("x", "x"), *([(0.5, "x")] if op.name in NUMBER_FIRST else [])]


@pytest.mark.parametrize("op", [*ELEMENTWISE, *COMPOSITES], ids=lambda op: op.name)
def test_every_elementwise_row_computes_the_same_as_its_graph(op: Any) -> None:
    for inputs in inputs_of(op):
        nodes = (Node("gt", ("x", 0.25)), Node(op.name, inputs), Node("to_float", ("v1",)), Node("add", ("v2", "x")))
        graph = Graph(nodes, ("v3",))
        x = torch.linspace(-3, 3, 24).reshape(2, 3, 4)
        torch.testing.assert_close(run(to_python(graph))(x), to_torch(graph)(x), rtol=0, atol=0, equal_nan=True)


def test_values_that_are_used_twice_are_computed_once_and_no_name_is_taken_twice() -> None:
    graph = Graph(
        (Node("sin", ("x",)), Node("sin", ("v0",)), Node("mul", ("v0", "v1")), Node("add", ("v1", "v2")),
         Node("mul", ("v3", "wave_2"))),
        ("v4",),
        (GraphParameter("wave_2", 1.0),),
    )  # fmt: skip
    lines = to_python(graph).splitlines()
    assert [line for line in lines if " = " in line] == ["    wave = torch.sin(x)", "    wave_3 = torch.sin(wave)"]
    assert trace(run("\n".join(lines))).hash == graph.hash


def test_long_expressions_are_broken_into_named_values() -> None:
    nodes = [Node("sin", ("x",))]
    for i in range(30):
        nodes += [Node("mul", (f"v{2 * i}", 1.2345678)), Node("tanh", (f"v{2 * i + 1}",))]
    graph = Graph(tuple(nodes), ("v60",))
    source = to_python(graph)
    assert max(map(len, source.splitlines())) <= 120
    assert source.count(" = ") >= 5
    assert trace(run(source)).hash == graph.hash


def test_a_formula_stays_short_where_its_tree_is_huge() -> None:
    nodes = [Node("sin", ("x",)), *(Node("mul", (f"v{i}", f"v{i}")) for i in range(30))]
    formula = to_formula(Graph(tuple(nodes), ("v30",)), 60)
    assert "…" in formula
    assert len(formula) <= 60


def test_constants_are_short_and_exact() -> None:
    graph = Graph((Node("mul", ("x", 0.1)), Node("add", ("v0", 2.0)), Node("clamp_max", ("v1", float("inf")))), ("v2",))
    assert to_formula(graph) == 'clamp(0.1 * x + 2, max=float("inf"))'
    third = Graph((Node("mul", ("x", 1 / 3)),), ("v0",))
    assert trace(run(to_python(third))).nodes[0].inputs == ("x", 1 / 3)


def test_a_derivative_graph_is_refused() -> None:
    with pytest.raises(GraphError, match="one output"):
        to_python(Graph((Node("mul", ("x", "cotangent")),), ("v0",), inputs=("x", "cotangent")))
