"""The graph: an activation as data. Frozen records, JSON in and out, and nothing that can run by itself.

A graph is a list of nodes in order of execution. A node's inputs are names of earlier values (`x`, a parameter, `v3`
for node number 3), numbers, or sizes that are only known when the tensor is (`n1`: length of the last axis).
"""

from __future__ import annotations

import ast
import json
import keyword
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

FORMAT = 1
"""Version of the JSON layout."""

Per = Literal["site", "channel"]


class GraphError(ValueError):
    """A graph that is malformed: one sentence that says what is wrong."""


@dataclass(frozen=True)
class Parameter:
    """A learnable number, declared as the default of a keyword argument: `def swish(x, *, beta=Parameter(1.0))`.

    A tuple of initial values declares a vector of coefficients, which the function reads one at a time (`c[0]`,
    `c[1]`).
    """

    initial: float | tuple[float, ...]
    per: Per = "site"
    """`site`: one value for each place in the network; `channel`: one for each channel of that place."""

    def __post_init__(self) -> None:
        values = self.initial if isinstance(self.initial, tuple | list) else (self.initial,)
        if not values or not all(_is_number(v) and math.isfinite(v) for v in values):
            raise GraphError(f"a Parameter starts from a finite number or a tuple of them, not {self.initial!r}.")
        if self.per not in ("site", "channel"):
            raise GraphError(f"a Parameter is per 'site' or per 'channel', not per {self.per!r}.")
        vector = isinstance(self.initial, tuple | list)
        object.__setattr__(self, "initial", tuple(map(float, values)) if vector else float(values[0]))


@dataclass(frozen=True)
class GraphParameter:
    """A parameter with the name that the function gave it."""

    name: str
    initial: float | tuple[float, ...]
    per: Per = "site"


@dataclass(frozen=True)
class Size:
    """A whole number that depends on the shape of x, written in Python: `n1 // 2 + 1`.

    `n1` is the length of the last axis, `n2` of the one before it, `numel` the number of elements.
    """

    expression: str

    def __post_init__(self) -> None:
        try:
            tree = ast.parse(self.expression, mode="eval")
        except SyntaxError as error:
            raise GraphError(f"the size {self.expression!r} is not an expression.") from error
        for part in ast.walk(tree):
            if isinstance(part, ast.Name) and re.fullmatch(r"n[1-9]|numel|max|min", part.id):
                continue
            if isinstance(part, ast.Constant) and _is_number(part.value):
                continue
            if isinstance(part, ast.Pow | ast.BinOp) and not _is_small_power(part):
                pass
            elif isinstance(part, _SIZE_SYNTAX):
                continue
            raise GraphError(f"the size {self.expression!r} may hold n1, n2, numel, numbers and arithmetic only.")

    def evaluate(self, shape: tuple[int, ...]) -> Any:
        """The number for an x of this shape."""
        names: dict[str, Any] = {f"n{k}": length for k, length in enumerate(reversed(shape), 1)}
        names |= {"numel": math.prod(shape), "max": max, "min": min, "__builtins__": {}}
        return eval(self.expression, names)  # only arithmetic on sizes, see __post_init__


_SIZE_SYNTAX = (
    ast.Expression, ast.BinOp, ast.UnaryOp, ast.Call, ast.Load, ast.Add, ast.Sub, ast.Mult, ast.FloorDiv, ast.Div,
    ast.Mod, ast.Pow, ast.USub,
)  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """A shape told by the shape of x, so that it serves tensors of any rank: x.shape without its last `drop` axes,
    then `tail`.
    """

    drop: int | None
    """How many last axes of x are left out; None leaves out all of them."""
    tail: tuple[int | Size, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what is no number: shapes become source text, and may come from a file."""
        plain = [length for length in self.tail if not isinstance(length, Size)]
        if not all(type(number) is int for number in ([] if self.drop is None else [self.drop]) + plain):
            raise GraphError(f"the shape {(self.drop, self.tail)!r} may hold whole numbers and sizes only.")

    def evaluate(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape for an x of this shape."""
        head = () if self.drop is None else shape[: len(shape) - self.drop]
        return (*head, *(t.evaluate(shape) if isinstance(t, Size) else t for t in self.tail))


def _is_small_power(part: ast.AST) -> bool:
    """False for `a ** b` unless b is a small number: sizes from a file must not cost unbounded work."""
    if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Pow):
        power = part.right.operand if isinstance(part.right, ast.UnaryOp) else part.right
        return isinstance(power, ast.Constant) and isinstance(power.value, int | float) and power.value <= 4
    return True


Input = str | bool | int | float | Size
Attribute = None | bool | int | float | str | Size | Shape | tuple[int | Size, ...]


@dataclass(frozen=True)
class Node:
    """One operation of the table `OPS`, applied to values and numbers."""

    op: str
    inputs: tuple[Input, ...]
    attributes: tuple[tuple[str, Attribute], ...] = ()
    """Pairs of name and value, sorted by name."""


@dataclass(frozen=True)
class Graph:
    """A traced activation: same shape in and out, any rank, any floating dtype."""

    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]
    """One name; the derivative graph has several: the gradients by x and by each parameter."""
    parameters: tuple[GraphParameter, ...] = ()
    inputs: tuple[str, ...] = ("x",)

    def __post_init__(self) -> None:
        _check(self)

    @cached_property
    def pointwise(self) -> bool:
        """True when an element of the output depends on the same element of x alone."""
        from activations.ops import OPS

        sized = any(isinstance(i, Size) for node in self.nodes for i in node.inputs)
        return not sized and all(OPS[node.op].pointwise for node in self.nodes)

    @cached_property
    def flops(self) -> int:
        """Floating-point operations an element, counted on the expanded graph by the table in `ops.py`."""
        from activations.canonical import count_flops

        return count_flops(self)

    @cached_property
    def hash(self) -> str:
        """Name of the function: equal for graphs that differ only in writing. 16 hex digits of SHA-256."""
        from activations.canonical import hash_graph

        return hash_graph(self)

    def to_json(self) -> str:
        """The graph as one line of JSON, from which `from_json` makes an equal graph."""
        record = {
            "format": FORMAT,
            "inputs": list(self.inputs),
            "parameters": [{"name": p.name, "initial": p.initial, "per": p.per} for p in self.parameters],
            "nodes": [
                {
                    "op": n.op,
                    "inputs": [_encode(i) for i in n.inputs],
                    "attributes": {k: _encode(v) for k, v in n.attributes},
                }
                for n in self.nodes
            ],
            "outputs": list(self.outputs),
        }
        return json.dumps(record, separators=(",", ":"), allow_nan=False)

    @staticmethod
    def from_json(text: str | Mapping[str, Any]) -> Graph:
        """Read what `to_json` wrote (or the same already parsed); GraphError says what is malformed."""
        try:
            record = json.loads(text) if isinstance(text, str) else text
            if record["format"] != FORMAT:
                raise GraphError(f"the graph has format {record['format']!r}; this version reads format {FORMAT}.")
            nodes = tuple(
                Node(
                    n["op"],
                    tuple(_decode(i) for i in n["inputs"]),
                    tuple(sorted((k, _decode(v)) for k, v in n["attributes"].items())),
                )
                for n in record["nodes"]
            )
            declared = [(p["name"], Parameter(_number_or_tuple(p["initial"]), p["per"])) for p in record["parameters"]]
            parameters = tuple(GraphParameter(name, p.initial, p.per) for name, p in declared)
            return Graph(nodes, tuple(record["outputs"]), parameters, tuple(record["inputs"]))
        except GraphError:
            raise
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise GraphError(f"the JSON is not a graph ({type(error).__name__}: {error}).") from error


def _check(graph: Graph) -> None:
    from activations.ops import OPS

    if graph.inputs[:1] != ("x",):
        raise GraphError("the first input of a graph is x.")
    known = [*graph.inputs, *(p.name for p in graph.parameters)]
    for name in known:
        reserved = keyword.iskeyword(name) or name.startswith("_") or re.fullmatch(r"v\d+", name)
        if not name.isidentifier() or reserved or known.count(name) > 1:
            raise GraphError(f"{name!r} cannot be the name of a parameter: it is taken or no identifier.")
    values = set(known)
    for index, node in enumerate(graph.nodes):
        if node.op not in OPS:
            raise GraphError(f"the operation {node.op!r} is not in the table of operations.")
        OPS[node.op].check(node)
        for value in node.inputs:
            if not isinstance(value, str | bool | int | float | Size):
                raise GraphError(f"node {index} ({node.op}) reads {value!r}, which is no value, number or size.")
            if isinstance(value, str) and value not in values:
                raise GraphError(f"node {index} ({node.op}) reads {value!r}, which no earlier node makes.")
        values.add(f"v{index}")
    for name in graph.outputs:
        if name not in values:
            raise GraphError(f"the output {name!r} is made by no node.")
    if not graph.outputs:
        raise GraphError("a graph has an output.")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number_or_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _encode(value: Any) -> Any:
    if isinstance(value, Size):
        return {"size": value.expression}
    if isinstance(value, Shape):
        return {"shape": {"drop": value.drop, "tail": [_encode(t) for t in value.tail]}}
    if isinstance(value, tuple):
        return [_encode(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    return value


def _decode(value: Any) -> Any:
    if isinstance(value, dict) and len(value) == 1:
        kind, body = next(iter(value.items()))
        if kind == "size":
            return Size(body)
        if kind == "float" and body in ("inf", "-inf", "nan"):
            return float(body)
        if kind == "shape":
            return Shape(body["drop"], tuple(_decode(t) for t in body["tail"]))
    if isinstance(value, list):
        return tuple(_decode(v) for v in value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise GraphError(f"{value!r} is no input or attribute of a node.")
