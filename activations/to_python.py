"""The Python form of a graph: source over torch as a person would write it. Tracing it gives the same hash."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from activations.graph import Graph, GraphError, GraphParameter, Input, Node, Size
from activations.ops import COMPLEX, OPS

_COMPARISON, _SUM, _PRODUCT, _SIGN, _POWER, _ATOM = range(6)
_LINE = 120
"""Columns of a line."""
_WIDTH = 100
"""Characters of an expression: with its indent, its name or `return` it stays within a line."""
_SHORT = 12
"""An expression of fewer characters is not worth a name of its own for the line's sake."""
_IMPORTS = {"torch": "import torch", "F": "import torch.nn.functional as F"}
_COMPARISONS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_TENSORS_ONLY = {
    "maximum": (0, 1), "minimum": (0, 1), "atan2": (0, 1), "hypot": (0, 1), "logaddexp": (0, 1), "logical_and": (0, 1),
    "logical_or": (0, 1), "logical_xor": (0, 1), "copysign": (0,), "fmod": (0,),
}  # fmt: skip
"""Inputs at which torch takes no number."""
_CALLS = {
    "gelu_tanh": 'F.gelu({0}, approximate="tanh")',
    "clamp_min": "torch.clamp({0}, min={1})",
    "clamp_max": "torch.clamp({0}, max={1})",
    "detach": "torch.detach({0})",
    "where": "torch.where({0}, {1}, {2})",
    "to_float": "({0}).to(x.dtype)",
    "to_int": "({0}).to(torch.int64)",
    "to_bool": "({0}).to(torch.bool)",
    "coefficient": "{0}[{1}]",
    "roll": "torch.roll({0}, {shifts}, {dims})",
    "flip": "torch.flip({0}, {dims})",
    "cumsum": "torch.cumsum({0}, dim={dim})",
    "softmax": "torch.softmax({0}, dim={dim})",
    "log_softmax": "torch.log_softmax({0}, dim={dim})",
    "var": "torch.var({0}, dim={dim}, correction={1}, keepdim={keepdim})",
    "std": "torch.std({0}, dim={dim}, correction={1}, keepdim={keepdim})",
} | {op: f"torch.{op}({{0}}, dim={{dim}}, keepdim={{keepdim}})" for op in ("sum", "mean", "amax", "amin", "logsumexp")}
"""Rows whose call is not the `torch` column of the table with its inputs in order."""
_DEFAULTS: dict[str, dict[tuple[Input, ...], str]] = {
    "softplus": {(1, 20): "F.softplus({0})"},
    "hardtanh": {(-1, 1): "F.hardtanh({0})", (0, 6): "F.relu6({0})"},
    "leaky_relu": {(0.01,): "F.leaky_relu({0})"},
    "elu": {
        (1, 1, 1): "F.elu({0})",
        (1.6732632423543772, 1.0507009873554805, 1): "F.selu({0})",
    },
}
"""Rows with numbers that torch knows by a shorter call."""
_NAMES = {
    "wave": "sin cos tan sinc", "gate": "sigmoid hardsigmoid", "squashed": "tanh erf atan asinh hardtanh clamp",
    "mask": "eq ne lt le gt ge logical_and logical_or logical_xor logical_not", "size": "abs norm",
    "growth": "exp exp2 expm1", "logarithm": "log log1p log2 log10", "root": "sqrt rsqrt", "power": "pow",
    "total": "add sum", "difference": "sub", "product": "mul", "ratio": "div reciprocal", "average": "mean",
    "spread": "std var", "chosen": "where", "shifted": "roll", "negated": "neg",
    "rectified": "relu leaky_relu elu clamp_min clamp_max",
}  # fmt: skip
_NAME_OF = {op: name for name, ops in _NAMES.items() for op in ops.split()}


class _Text(NamedTuple):
    """An expression and how tightly its outermost operator binds."""

    text: str
    level: int

    def at(self, level: int) -> str:
        """The text, in parentheses unless it binds at least this tightly."""
        return self.text if self.level >= level else f"({self.text})"


def to_python(graph: Graph, name: str = "activation") -> str:
    """A file that defines `def name(x)` over torch; values that are used twice or are long get names of their own.

    Raises:
        GraphError: the graph holds an operation that is not written here (Fourier transforms, sorts, indexing), or
            has inputs beside x.
    """
    if graph.inputs != ("x",) or len(graph.outputs) != 1:
        raise GraphError("only a graph of x with one output is written as Python.")
    writer = _Writer(graph, formula=False)
    result = writer.write()
    body = [_head(name, graph), *(f"    {line}" for line in writer.lines), f"    return {result}"]
    return "\n".join([*_imports(graph, "\n".join(body)), *body, ""])


def to_formula(graph: Graph, longest: int = 200) -> str:
    """The graph as one expression in x, such as `gelu(x) + 0.1 * sin(x)`; inner parts that make it longer than
    `longest` characters become `…`.

    Raises:
        GraphError: as `to_python`.
    """
    writer = _Writer(graph, formula=True, width=longest)
    return re.sub(r"\b(torch|F)\.", "", writer.write())


def _imports(graph: Graph, body: str) -> list[str]:
    """Only what the body uses, and two blank lines after it."""
    used = set(re.findall(r"\b(torch|F)\.", body))
    outer = [line for name, line in _IMPORTS.items() if name in used]
    ours = ["from activations import Parameter"] if graph.parameters else []
    lines = [*outer, *([""] if outer and ours else []), *ours]
    return [*lines, "", ""] if lines else []


def _head(name: str, graph: Graph) -> str:
    arguments = ["x", *(["*"] if graph.parameters else []), *map(_declaration, graph.parameters)]
    line = f"def {name}({', '.join(arguments)}):"
    if len(line) <= _LINE:
        return line
    return "\n".join([f"def {name}(", *(f"    {argument}," for argument in arguments), "):"])


def _declaration(p: GraphParameter) -> str:
    per = "" if p.per == "site" else f', per="{p.per}"'
    return f"{p.name}=Parameter({p.initial!r}{per})"


class _Writer:
    """Writes the nodes in order; `written` holds the expression of each value, `lines` the named ones."""

    def __init__(self, graph: Graph, formula: bool, width: int = _WIDTH) -> None:
        self.graph, self.formula, self.width = graph, formula, width
        names = [*graph.inputs, *(p.name for p in graph.parameters)]
        self.written = {name: _Text(name, _ATOM) for name in names}
        self.taken = Counter({*names, "torch", "F"})
        self.lines: list[str] = []

    def write(self) -> str:
        """The expression of the output; what has a name of its own is in `lines`."""
        uses = Counter(i for node in self.graph.nodes for i in node.inputs if isinstance(i, str))
        for index, node in enumerate(self.graph.nodes):
            value = f"v{index}"
            self.written[value] = self._fitted(node)
            if uses[value] > 1 and not self.formula:
                self._name(value)
        return self.written[self.graph.outputs[0]].text

    def _fitted(self, node: Node) -> _Text:
        """The node's expression; its longest inputs are named, or left out of a formula, until it fits."""
        inputs = [i for i in node.inputs if isinstance(i, str)]
        while True:
            found = self._composed(node)
            longest = max(inputs, key=lambda i: len(self.written[i].text), default="")
            if len(found.text) <= self.width or not longest or len(self.written[longest].text) < _SHORT:
                return found
            if self.formula:
                self.written[longest] = _Text("…", _ATOM)
            else:
                self._name(longest)

    def _name(self, value: str) -> None:
        """Give a value a line and a name after what it is."""
        stem = _NAME_OF.get(self.graph.nodes[int(value[1:])].op, "part")
        self.taken[stem] += 1
        name = stem if self.taken[stem] == 1 else f"{stem}_{self.taken[stem]}"
        if name in self.taken and name != stem:
            self._name(value)
            return
        self.lines.append(f"{name} = {self.written[value].text}")
        self.written[value] = _Text(name, _ATOM)

    def _composed(self, node: Node) -> _Text:
        parts = [self._input(node, place) for place in range(len(node.inputs))]
        if node.op in _INFIX:
            return _INFIX[node.op](*parts)
        if node.op in _COMPARISONS:
            return _Text(f"{parts[0].at(_SUM)} {_COMPARISONS[node.op]} {parts[1].at(_SUM)}", _COMPARISON)
        texts = [part.text for part in parts]
        if node.op in ("to_float", "to_int", "to_bool") and parts[0].level == _ATOM:
            return _Text(_CALLS[node.op].replace("({0})", "{0}").format(*texts), _ATOM)
        return _Text(_call(node).format(*texts, **{k: _axes(v) for k, v in node.attributes}), _ATOM)

    def _input(self, node: Node, place: int) -> _Text:
        value = node.inputs[place]
        if isinstance(value, str):
            return self.written[value]
        if isinstance(value, Size):
            return _Text(_size(value), _ATOM)
        whole = not (node.op == "where" and not any(isinstance(i, str) for i in node.inputs[1:]))
        number = _number(value, whole)
        if place in _TENSORS_ONLY.get(node.op, ()) and not self.formula:
            return _Text(self._filled(node, number), _ATOM)
        return _Text(number, _SIGN if number.startswith("-") else _ATOM)

    def _filled(self, node: Node, number: str) -> str:
        """A tensor of one number, of the shape of the other input where that is a name, else of x."""
        other = next((self.written[i].text for i in node.inputs if isinstance(i, str)), "x")
        like = other if other.isidentifier() else "x"
        short = {"0": "zeros_like", "1": "ones_like"}.get(number)
        return f"torch.{short}({like})" if short else f"torch.full_like({like}, {number})"


def _add(a: _Text, b: _Text, sign: str = "+") -> _Text:
    if b.text.startswith("-") and b.level in (_PRODUCT, _SIGN):
        sign, b = ("-" if sign == "+" else "+"), _Text(b.text[1:], b.level)
    return _Text(f"{a.at(_SUM)} {sign} {b.at(_PRODUCT)}", _SUM)


def _sub(a: _Text, b: _Text) -> _Text:
    return _add(a, b, "-")


def _mul(a: _Text, b: _Text) -> _Text:
    """A number goes first, as in a formula; a product stays first, so that no rounding changes."""
    if _is_number(b.text) and not _is_number(a.text) and a.level != _PRODUCT:
        a, b = b, a
    return _Text(f"{a.at(_PRODUCT)} * {b.at(_SIGN)}", _PRODUCT)


def _div(a: _Text, b: _Text) -> _Text:
    return _Text(f"{a.at(_PRODUCT)} / {b.at(_SIGN)}", _PRODUCT)


def _neg(a: _Text) -> _Text:
    fenced = a.text.startswith("-") or ("**" in a.text and a.level in (_PRODUCT, _POWER))
    inner = f"({a.text})" if fenced else a.at(_PRODUCT)
    return _Text(f"-{inner}", _PRODUCT if a.level == _PRODUCT else _SIGN)


def _pow(a: _Text, b: _Text) -> _Text:
    base, exponent = a.at(_ATOM), b.at(_SIGN)
    simple = re.fullmatch(r"[\w.]+", base) and re.fullmatch(r"-?[\w.]+", exponent)
    return _Text(f"{base}**{exponent}" if simple else f"{base} ** {exponent}", _POWER)


def _reciprocal(a: _Text) -> _Text:
    return _div(_Text("1", _ATOM), a)


_INFIX: dict[str, Callable[..., _Text]] = {
    "add": _add, "sub": _sub, "mul": _mul, "div": _div, "neg": _neg, "pow": _pow, "reciprocal": _reciprocal,
}  # fmt: skip


def _call(node: Node) -> str:
    """A template of the call, with `{0}` for the first input and attributes by name."""
    op, row = node.op, OPS[node.op]
    if op in _DEFAULTS and node.inputs[1:] in _DEFAULTS[op]:
        return _DEFAULTS[op][node.inputs[1:]]
    if op == "elu":
        plain = node.inputs[2:] == (1, 1)
        return "F.elu({0}, {1})" if plain else "torch.ops.aten.elu({0}, {1}, {2}, {3})"
    if op in _CALLS:
        whole = dict(node.attributes).get("dim", 0) is None and dict(node.attributes).get("keepdim") is False
        template = _CALLS[op].replace(", dim={dim}", "") if whole else _CALLS[op]
        return template.replace(", keepdim={keepdim}", "") if whole or "keepdim" not in template else template
    if not row.pointwise or row.attributes or row in COMPLEX:
        raise GraphError(f"the operation {op!r} is not written as Python: keep the source it was traced from.")
    function = row.torch if row.torch.startswith(("torch.", "F.")) else f"torch.{row.torch}"
    return f"{function}({', '.join(f'{{{i}}}' for i in range(len(node.inputs)))})"


def _axes(value: object) -> str:
    if isinstance(value, tuple) and len(value) == 1:
        return repr(value[0])
    return "()" if value is None else repr(value)


def _size(size: Size) -> str:
    text = re.sub(r"\bn(\d)\b", r"x.shape[-\1]", size.expression)
    return f"({re.sub(r'numel', 'x.numel()', text)})"


def _number(value: Input, whole: bool) -> str:
    """The shortest text of a number; a whole float loses its `.0` where that changes nothing."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return repr(value)
    if value != value or abs(value) == float("inf"):
        return f'float("{value}")'
    if float(value).is_integer() and abs(value) < 1e6:
        return str(int(value)) if whole else repr(float(value))
    return repr(value)


def _is_number(text: str) -> bool:
    return re.fullmatch(r"-?[\d.]+(e[+-]?\d+)?", text) is not None
