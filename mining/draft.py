"""A graph that is being changed: nodes are copied one after another, and one of them becomes something else."""

from __future__ import annotations

from collections.abc import Callable

from activations import Graph
from activations.graph import Attribute, Input, Node
from activations.ops import ELEMENTWISE, OPS

BOOLEAN = frozenset({
    "eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor", "logical_not", "isnan", "isinf",
    "to_bool",
})  # fmt: skip
"""Rows that give truth values."""
_UNTOUCHED = frozenset({"to_int", "detach"})
_WORKABLE = frozenset({op.name for op in ELEMENTWISE} | {op.name for op in OPS.values() if op.expansion}) - _UNTOUCHED

Build = Callable[["Draft", str], str]
"""Adds a function of a value; returns the name of the result."""
Edit = Callable[["Draft", Node], str]
"""Adds what stands in a node's place, given the node with its new inputs; returns the name of the value."""


class Draft:
    """Nodes of a new graph of x alone. Equal nodes are one."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.known: dict[Node, str] = {}

    def add(self, op: str, *inputs: Input, attributes: tuple[tuple[str, Attribute], ...] = ()) -> str:
        """Add a node, or find the same one; returns the name of its value."""
        node = Node(op, inputs, attributes)
        if node not in self.known:
            self.known[node] = f"v{len(self.nodes)}"
            self.nodes.append(node)
        return self.known[node]

    def copy(self, graph: Graph, output: str = "", *, x: str = "x", at: str = "", edit: Edit | None = None) -> str:
        """Add a graph up to its value `output`, applied to the value `x`, with `edit` in the place of the node `at`.

        Returns the name of the output's value.
        """
        names: dict[str, str] = {"x": x}
        for index, node in enumerate(graph.nodes):
            inputs = tuple(names[i] if isinstance(i, str) else i for i in node.inputs)
            if edit and at == f"v{index}":
                names[at] = edit(self, Node(node.op, inputs, node.attributes))
            else:
                names[f"v{index}"] = self.add(node.op, *inputs, attributes=node.attributes)
        return names[output or graph.outputs[0]]

    def finish(self, output: str) -> Graph:
        """The graph of this value, without the nodes that it does not need."""
        needed = {output}
        for index in reversed(range(len(self.nodes))):
            if f"v{index}" in needed:
                needed |= {i for i in self.nodes[index].inputs if isinstance(i, str)}
        names: dict[str, str] = {"x": "x"}
        kept: list[Node] = []
        for index, node in enumerate(self.nodes):
            if f"v{index}" in needed:
                names[f"v{index}"] = f"v{len(kept)}"
                inputs = tuple(names[i] if isinstance(i, str) else i for i in node.inputs)
                kept.append(Node(node.op, inputs, node.attributes))
        return Graph(tuple(kept), (names[output],))


def part(graph: Graph, value: str) -> Graph:
    """The graph of one value."""
    draft = Draft()
    return draft.finish(draft.copy(graph, value))


def numbers(graph: Graph) -> set[str]:
    """Names of the values that elementwise rows make of x and that hold real numbers: what moves may work on. x is
    one of them.
    """
    real, truth = {"x"}, set[str]()
    for index, node in enumerate(graph.nodes):
        read = [i for i in node.inputs if isinstance(i, str)]
        if node.op not in _WORKABLE or any(i not in real and i not in truth for i in read):
            continue
        if node.op in BOOLEAN:
            truth.add(f"v{index}")
            continue
        branches = node.inputs[1:] if node.op == "where" else node.inputs
        whole = all(i in truth for i in branches if isinstance(i, str)) and any(isinstance(i, str) for i in branches)
        if not whole or node.op == "to_float":
            real.add(f"v{index}")
    return real


def row(op: str, *constants: float) -> Build:
    """Puts a value through a row with these constants after it."""
    return lambda draft, value: draft.add(op, value, *constants)


def bump(draft: Draft, value: str) -> str:
    """exp(-v²)."""
    return draft.add("exp", draft.add("neg", draft.add("pow", value, 2)))


def _softsign(draft: Draft, value: str) -> str:
    return draft.add("div", value, draft.add("add", draft.add("abs", value), 1))


def _signed_log(draft: Draft, value: str) -> str:
    return draft.add("mul", draft.add("sign", value), draft.add("log1p", draft.add("abs", value)))


UNARY: dict[str, Build] = {
    **{op: row(op) for op in ("neg", "abs", "sin", "cos", "tanh", "sigmoid", "erf", "atan", "asinh", "sinc")},
    **{op: row(op) for op in ("relu", "silu", "mish", "hardsigmoid", "hardswish")},
    "gelu": row("gelu_erf"), "softplus": row("softplus", 1, 20), "elu": row("elu", 1, 1, 1),
    "leaky_relu": row("leaky_relu", 0.01), "hardtanh": row("hardtanh", -1, 1), "square": row("pow", 2),
    "cube": row("pow", 3), "bump": bump, "softsign": _softsign, "signed_log": _signed_log,
}  # fmt: skip
"""What a value can be put through: all of it is finite with finite slopes for |x| <= 100."""
