"""Two writings of one function get one hash: composites are expanded, sums and products brought into one order.

What is identified: composites and their definitions, order of sums and products, constants moved through them, whole
powers and repeated factors, division and reciprocal, mirrored comparisons, signs pulled out of odd functions. What is
not: anything that changes a value at a finite x beyond rounding, and anything that changes the derivative on purpose
(`detach`) or at a kink (relu, maximum and clamp stay apart). A factor is never cancelled against a divisor, and
constants agree to 12 digits.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Any

from activations.graph import Graph, Input, Node, Shape, Size
from activations.ops import DEAR, OPS, ROOT

_ODD = {"sin", "tan", "asin", "atan", "sinh", "tanh", "asinh", "atanh", "erf", "erfinv"}
_MIRRORED = {"gt": "lt", "ge": "le"}
_NOMINAL = (2, 4, 64)
"""Shape of x at which FLOPs an element are counted: reduced values cost little."""


def expand(graph: Graph) -> Graph:
    """The same function by rows that are no composites."""
    builder = _Builder()
    names: dict[str, Input] = {name: name for name in (*graph.inputs, *(p.name for p in graph.parameters))}
    for index, node in enumerate(graph.nodes):
        inputs = [names[i] if isinstance(i, str) else i for i in node.inputs]
        names[f"v{index}"] = builder.add(node.op, inputs, node.attributes)
    return Graph(tuple(builder.nodes), tuple(str(names[o]) for o in graph.outputs), graph.parameters, graph.inputs)


def hash_graph(graph: Graph) -> str:
    """16 hex digits that name the function of the graph."""
    expanded = expand(graph)
    order = _Order()
    values: dict[str, _Product] = {name: order.base("input", i) for i, name in enumerate(expanded.inputs)}
    for i, p in enumerate(expanded.parameters):
        values[p.name] = order.base("parameter", i, p.initial, p.per)
    for index, node in enumerate(expanded.nodes):
        inputs = [values[i] if isinstance(i, str) else order.number(i) for i in node.inputs]
        values[f"v{index}"] = order.apply(node, inputs)
    declared = [(p.initial, p.per) for p in expanded.parameters]
    return _digest("graph", *(order.key(values[o]) for o in expanded.outputs), declared)


def count_flops(graph: Graph) -> int:
    """FLOPs an element of x, by the table in `ops.py`, rounded to the nearest whole number."""
    import numpy as np

    from activations.codegen import compile_graph

    expanded = expand(graph)
    every = Graph(
        expanded.nodes, ("x", *(f"v{i}" for i in range(len(expanded.nodes)))), expanded.parameters, expanded.inputs
    )
    arguments = [np.full(_NOMINAL, 0.5) for _ in expanded.inputs] + [np.asarray(p.initial) for p in expanded.parameters]
    with np.errstate(all="ignore"):
        values = compile_graph(every, "numpy")(*arguments)
    values = values if isinstance(values, tuple) else (values,)
    sizes = {"x": values[0].size} | {f"v{i}": np.size(v) for i, v in enumerate(values[1:])}
    total = 0
    for i, node in enumerate(expanded.nodes):
        read = max([sizes.get(n, 1) for n in node.inputs if isinstance(n, str)], default=1)
        total += _weight(node) * max(read if not OPS[node.op].pointwise else 1, sizes[f"v{i}"])
    return round(total / values[0].size)


def _weight(node: Node) -> int:
    """FLOPs of one element; whole powers count as multiplications, division by a number as one."""
    if node.op == "pow" and isinstance(node.inputs[1], int | float):
        power = float(node.inputs[1])
        return int(abs(power)) - 1 + (ROOT if power < 0 else 0) if power.is_integer() and abs(power) <= 8 else DEAR
    if node.op == "div" and not isinstance(node.inputs[1], str):
        return 1
    return OPS[node.op].flops


class _Builder:
    """Collects nodes of an expanded graph; equal nodes are one."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.known: dict[Node, str] = {}

    def add(self, op: str, inputs: list[Input], attributes: Any = ()) -> Input:
        row = OPS[op]
        if not any(isinstance(i, str) for i in inputs) and op in _FOLDED:
            return _FOLDED[op](*inputs)
        if row.expansion:
            scope: dict[str, Any] = {name: self._caller(name) for name in OPS}
            value: Input = eval(row.expansion, scope | dict(zip("abcd", inputs, strict=False)))
            return value
        node = Node(op, tuple(inputs), attributes)
        if node not in self.known:
            self.known[node] = f"v{len(self.nodes)}"
            self.nodes.append(node)
        return self.known[node]

    def _caller(self, op: str) -> Any:
        return lambda *inputs: self.add(op, list(inputs))


_FOLDED: dict[str, Any] = {"neg": lambda a: -a, "mul": lambda a, b: a * b, "add": lambda a, b: a + b}


@dataclass(frozen=True)
class _Product:
    """A number times powers of bases. A base is the digest of an input, an operation or a normalised sum."""

    number: float
    factors: tuple[tuple[str, int], ...] = ()
    """Sorted; a base may stand twice, once above and once below the line, for they are never cancelled."""


class _Order:
    """Brings values into one order. Sums are kept by their digest, so that they can be flattened into greater sums."""

    def __init__(self) -> None:
        self.sums: dict[str, tuple[float, dict[tuple[tuple[str, int], ...], float]]] = {}

    def base(self, *parts: Any) -> _Product:
        return _Product(1.0, ((_digest(*parts), 1),))

    def number(self, value: Any) -> _Product:
        return self.base("size", value.expression) if isinstance(value, Size) else _Product(float(value))

    def key(self, value: _Product) -> str:
        return _digest("product", _text(value.number), value.factors)

    def apply(self, node: Node, inputs: list[_Product]) -> _Product:
        """The value of a node, from the values of its inputs."""
        op, first = node.op, inputs[0] if inputs else _Product(0.0)
        second = inputs[1] if len(inputs) > 1 else _Product(0.0)
        if op in ("to_float", "neg"):
            return first if op == "to_float" else self.scale(first, -1.0)
        if op in ("add", "sub"):
            return self.add(first, second if op == "add" else self.scale(second, -1.0)) or self.opaque(node, inputs)
        if op == "mul":
            return self.multiply(first, second) or self.opaque(node, inputs)
        if op in ("div", "reciprocal", "rsqrt"):
            above, below = (first, second) if op == "div" else (_Product(1.0), first)
            if op == "rsqrt":
                below = self.base("op", "sqrt", self.key(first), ())
            inverse = self.power(below, -1)
            return (inverse and self.multiply(above, inverse)) or self.opaque(node, inputs)
        if op == "pow" and not second.factors and second.number.is_integer() and 1 <= abs(second.number) <= 64:
            return self.power(first, int(second.number)) or self.opaque(node, inputs)
        if op in _ODD and first.number < 0:
            return self.scale(self.apply(node, [self.scale(first, -1.0)]), -1.0)
        if op == "abs" and first.factors:
            return self.scale(self.base("op", "abs", self.key(_Product(1.0, first.factors)), ()), abs(first.number))
        return self.opaque(node, inputs)

    def opaque(self, node: Node, inputs: list[_Product]) -> _Product:
        """An operation that is not looked into, except for the order of its inputs."""
        op, keys = node.op, [self.key(i) for i in inputs]
        if op in _MIRRORED:
            op, keys = _MIRRORED[op], keys[::-1]
        if OPS[op].commutative:
            keys.sort()
        return self.base("op", op, *keys, [(name, _plain(value)) for name, value in node.attributes])

    def scale(self, value: _Product, number: float) -> _Product:
        return _Product(value.number * number, value.factors)

    def multiply(self, a: _Product, b: _Product) -> _Product | None:
        number = a.number * b.number
        if number == 0 or not math.isfinite(number):
            return None
        powers: dict[tuple[str, bool], int] = {}
        for base, power in (*a.factors, *b.factors):
            powers[base, power > 0] = powers.get((base, power > 0), 0) + power
        return _Product(number, tuple(sorted((base, power) for (base, _), power in powers.items())))

    def power(self, value: _Product, exponent: int) -> _Product | None:
        if value.number == 0 or not 1e-100 < abs(value.number) < 1e100:
            return None
        number = value.number**exponent
        if number == 0 or not math.isfinite(number):
            return None
        return _Product(number, tuple(sorted((base, power * exponent) for base, power in value.factors)))

    def add(self, a: _Product, b: _Product) -> _Product | None:
        constant = 0.0
        terms: dict[tuple[tuple[str, int], ...], float] = {}
        for value in (a, b):
            if not math.isfinite(value.number) or (value.number == 0 and value.factors):
                return None
            own_constant, own_terms = self.terms(value)
            constant += own_constant
            for monomial, number in own_terms.items():
                terms[monomial] = terms.get(monomial, 0.0) + number
        if not terms:
            return _Product(constant)
        if constant == 0 and len(terms) == 1:
            ((monomial, number),) = terms.items()
            return _Product(number, monomial) if number else None
        content = next((terms[m] for m in sorted(terms) if terms[m] != 0), 0.0)
        if content == 0 or not math.isfinite(content) or not math.isfinite(constant):
            return None
        terms = {m: terms[m] / content for m in sorted(terms)}
        digest = _digest("sum", _text(constant / content), [(m, _text(n)) for m, n in terms.items()])
        self.sums[digest] = (constant / content, terms)
        return _Product(content, ((digest, 1),))

    def terms(self, value: _Product) -> tuple[float, dict[tuple[tuple[str, int], ...], float]]:
        """A value as a constant and a sum of monomials."""
        if not value.factors:
            return value.number, {}
        if len(value.factors) == 1 and value.factors[0][1] == 1 and value.factors[0][0] in self.sums:
            constant, terms = self.sums[value.factors[0][0]]
            return constant * value.number, {m: n * value.number for m, n in terms.items()}
        return 0.0, {value.factors: value.number}


def _text(number: float) -> str:
    return f"{number + 0.0:.11e}" if math.isfinite(number) else repr(number)


def _plain(value: Any) -> Any:
    if isinstance(value, Size):
        return value.expression
    if isinstance(value, Shape):
        return (value.drop, tuple(_plain(t) for t in value.tail))
    return tuple(_plain(v) for v in value) if isinstance(value, tuple) else value


def _digest(*parts: Any) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
