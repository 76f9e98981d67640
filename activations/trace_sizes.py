"""Symbolic sizes of a trace, rewritten as sizes told from the end of x's shape: `s7 // 2 + 1` becomes `n1 // 2 + 1`."""

from __future__ import annotations

from typing import Any

import torch

from activations.graph import Shape, Size
from activations.trace import TraceError


class Sizes:
    """The sizes of one trace, whose x has the given symbolic shape."""

    def __init__(self, shape: Any) -> None:
        self.lengths = [_expression(length) for length in shape]
        self.names = {symbol: f"n{len(self.lengths) - axis}" for axis, symbol in enumerate(self.lengths)}

    def read(self, value: Any) -> int | float | Size:
        """A number, or a Size when it depends on the shape."""
        import sympy

        expression = _expression(value)
        if not isinstance(expression, sympy.Basic):
            return value if isinstance(value, bool) else expression
        if expression.is_number:
            return int(expression) if expression.is_integer else float(expression)
        front = self.lengths[0]
        if expression.has(front):
            numel = sympy.Symbol("numel", integer=True, positive=True)
            others = sympy.prod(self.lengths[1:])
            reduced = sympy.simplify(expression.subs(front, numel / others))
            return Size(self._write(reduced))
        return Size(self._write(expression))

    def shape(self, sizes: list[Any]) -> Shape:
        """A list of sizes as the shape of x with its last axes replaced."""
        found = [s if isinstance(s, Size) else self.read(s) for s in sizes]
        own = [self.read_front(), *(Size(f"n{k}") for k in range(len(self.lengths) - 1, 0, -1))]
        same = 0
        while same < min(len(found), len(own)) and found[same] == own[same]:
            same += 1
        tail = tuple(found[same:])
        return Shape(len(own) - same if same else None, tail)  # type: ignore[arg-type]

    def read_front(self) -> int | float | Size:
        """How `read` writes the length of the first axis."""
        import sympy

        numel = sympy.Symbol("numel", integer=True, positive=True)
        return Size(self._write(sympy.simplify(numel / sympy.prod(self.lengths[1:]))))

    def _write(self, e: Any) -> str:
        import sympy

        name = type(e).__name__
        if e.is_Symbol:
            found = self.names.get(e, e.name)
            if found != "numel" and e not in self.names:
                raise TraceError("the function makes a size that does not come from the shape of x.")
            return found
        if e.is_Integer or e.is_Float or e.is_Rational:
            number = repr(float(e)) if e.is_Float else str(e)
            return number if e.is_Integer and not e.is_negative else f"({number})"
        parts = [self._write(a) for a in e.args]
        if e.is_Add:
            return f"({' + '.join(parts)})"
        if e.is_Mul:
            below = [a for a in e.args if a.is_Pow and a.exp.is_negative]
            above = [self._write(a) for a in e.args if a not in below] or ["1"]
            text = " * ".join(above)
            return (
                f"({text})"
                if not below
                else f"({text} // ({' * '.join(self._write(sympy.Pow(a.base, -a.exp)) for a in below)}))"
            )
        if e.is_Pow:
            return f"({parts[0]} ** {parts[1]})"
        two = {
            "FloorDiv": "//",
            "CleanDiv": "//",
            "PythonMod": "%",
            "Mod": "%",
            "FloatTrueDiv": "/",
            "IntTrueDiv": "/",
            "FloatPow": "**",
            "PowByNatural": "**",
        }
        if name in two:
            return f"({parts[0]} {two[name]} {parts[1]})"
        if name == "ToFloat":
            return parts[0]
        if name == "OpaqueUnaryFn_sqrt":
            return f"({parts[0]} ** 0.5)"
        if name in ("Max", "Min"):
            return f"{name.lower()}({', '.join(parts)})"
        raise TraceError(f"the function computes a size with {name}, which a graph does not carry.")


def _expression(value: Any) -> Any:
    return value.node.expr if isinstance(value, torch.SymInt | torch.SymFloat) else value
