"""The LaTeX form of a graph: from the templates of the table, with as few parentheses as the precedence allows."""

from __future__ import annotations

import re
from collections import Counter

from activations.graph import Graph, Input, Node, Size
from activations.ops import OPS

_NEGATED, _SUM, _PRODUCT, _POWER, _ATOM = range(5)
_LEVELS = {
    "neg": _NEGATED, "add": _SUM, "sub": _SUM, "leaky_relu": _SUM, "mul": _PRODUCT, "div": _PRODUCT, "silu": _PRODUCT,
    "hardswish": _PRODUCT, "reciprocal": _PRODUCT, "rsqrt": _PRODUCT, "exp": _POWER, "exp2": _POWER, "pow": _POWER,
}  # fmt: skip
"""How tightly a row's template binds; rows that are not named bind like a function call."""
_NEEDS = {
    "neg": (_PRODUCT,), "add": (_NEGATED, _SUM), "sub": (_NEGATED, _PRODUCT), "mul": (_PRODUCT, _PRODUCT),
    "silu": (_PRODUCT,), "hardswish": (_PRODUCT,), "log1p": (_SUM,), "expm1": (_NEGATED,), "to_float": (_NEGATED,),
    "unsqueeze": (_NEGATED,), "squeeze": (_NEGATED,), "expand": (_NEGATED,),
}  # fmt: skip
"""How tightly each input must bind to stand without parentheses; others must bind like a function call."""
_GREEK = set(
    [
        "alpha",
        "beta",
        "gamma",
        "delta",
        "epsilon",
        "zeta",
        "eta",
        "theta",
        "kappa",
        "lambda",
        "mu",
        "nu",
        "xi",
        "pi",
        "rho",
        "sigma",
        "tau",
        "phi",
        "chi",
        "psi",
        "omega",
    ]
)
_LONG = 24
"""A value that is used twice and takes more characters than this gets a name of its own."""


def to_latex(graph: Graph) -> str:
    """The right-hand side of f(x), without dollar signs; long shared parts come first, as `u_1 = ..., u_2 = ...`."""
    uses = Counter(i for node in graph.nodes for i in node.inputs if isinstance(i, str))
    written: dict[str, tuple[str, int]] = {name: (_name(name), _ATOM) for name in graph.inputs}
    written |= {p.name: (_name(p.name), _ATOM) for p in graph.parameters}
    definitions: list[str] = []
    for index, node in enumerate(graph.nodes):
        text, value = _write(node, written), f"v{index}"
        level = _LEVELS.get(node.op, _ATOM)
        if uses[value] > 1 and len(text) > _LONG:
            definitions.append(f"u_{{{len(definitions) + 1}}} = {text}")
            text, level = f"u_{{{len(definitions)}}}", _ATOM
        elif OPS[node.op].latex == "{0}":
            level = _level(node.inputs[0], written)
        written[value] = (text, level)
    result = written[graph.outputs[0]][0]
    return ",\\; ".join([*definitions, f"f(x) = {result}"]) if definitions else result


def _write(node: Node, written: dict[str, tuple[str, int]]) -> str:
    template, inputs = OPS[node.op].latex, node.inputs
    if node.op == "mul" and not isinstance(inputs[1], str):
        inputs = inputs[::-1]
    needs = _NEEDS.get(node.op, ())

    def fill(match: re.Match[str]) -> str:
        found = match.group()
        if found in ("{{", "}}"):
            return found[0]
        name = found[1:-1]
        if name == "all":
            return ", ".join(_text(i, written) for i in inputs)
        if not name.isdigit():
            return str(dict(node.attributes)[name]).strip("(),")
        value = inputs[int(name)]
        text = _text(value, written)
        before, after = template[: match.start()][-1:], template[match.end() :][:1]
        if (
            (before in ("(", "{", "[", "|") and after in (")", "}", "]", r"\|", ","))
            or after == r"\\"
            or node.op == "where"
        ):
            return text
        if template[: match.start()].endswith(("(", ", ")) and after in (",", ")"):
            return text
        needed = needs[int(name)] if int(name) < len(needs) else _ATOM
        return text if _level(value, written) >= needed else f"({text})"

    return re.sub(r"\{\{|\}\}|\{\w+\}", fill, template)


def _text(value: Input, written: dict[str, tuple[str, int]]) -> str:
    if isinstance(value, str):
        return written[value][0]
    if isinstance(value, Size):
        return re.sub(r"\bn(\d)\b", r"n_{\1}", value.expression.replace("//", "/").replace("*", r" \cdot "))
    if isinstance(value, bool):
        return str(int(value))
    return f"{value:.5g}" if value == value and abs(value) != float("inf") else str(value).replace("inf", r"\infty")


def _level(value: Input, written: dict[str, tuple[str, int]]) -> int:
    if isinstance(value, str):
        return written[value][1]
    return _ATOM if not isinstance(value, Size) and value >= 0 else _NEGATED


def _name(name: str) -> str:
    if name in _GREEK:
        return f"\\{name}"
    return name if len(name) == 1 else rf"\mathrm{{{name.replace('_', ' ')}}}"
