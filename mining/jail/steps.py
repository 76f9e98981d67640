"""How many steps a candidate takes, read off its syntax tree: loops have constant bounds and helpers do not recur."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field

BEYOND = 10**12
"""Numbers of iterations and steps are not told apart beyond this."""


class Refused(ValueError):
    """A candidate that is turned away: one sentence that says why, written for its proposer."""


@dataclass(frozen=True)
class Scope:
    """The names that a source defines, of all its functions together."""

    functions: dict[str, ast.FunctionDef]
    variables: frozenset[str]
    """Variables and arguments."""
    once: dict[str, ast.expr]
    """What is assigned to the variables that are assigned once: constants, if it is constant."""
    steps: dict[str, int | None] = field(default_factory=dict)
    """Of the functions counted so far; None while one is being counted."""


def count_steps(tree: ast.Module, scope: Scope) -> int:
    """Calls and operations of the module's own statements and one call of `activation`.

    Raises:
        Refused: a loop's bounds are not constant, or a function calls itself.
    """
    total = {name: _function(name, scope) for name in scope.functions}
    return min(total["activation"] + _all(tree.body, scope), BEYOND)


def _function(name: str, scope: Scope) -> int:
    if name in scope.steps:
        known = scope.steps[name]
        if known is None:
            raise Refused(f"the function {name!r} calls itself; write a loop over range(...) with constant bounds.")
        return known
    scope.steps[name] = None
    steps = min(_all(scope.functions[name].body, scope), BEYOND)
    scope.steps[name] = steps
    return steps


def _all(nodes: Iterable[ast.AST], scope: Scope) -> int:
    return sum(_steps(node, scope) for node in nodes)


def _steps(node: ast.AST, scope: Scope) -> int:
    match node:
        case ast.FunctionDef(args=arguments):
            return _all([*arguments.defaults, *(d for d in arguments.kw_defaults if d)], scope)
        case ast.For(iter=over, body=body, orelse=orelse):
            return _steps(over, scope) + _times(over, scope) * (1 + _all(body, scope)) + _all(orelse, scope)
        case ast.ListComp(elt=element, generators=generators) | ast.GeneratorExp(elt=element, generators=generators):
            steps = 1 + _steps(element, scope)
            for generator in reversed(generators):
                steps = _times(generator.iter, scope) * (steps + 1 + _all(generator.ifs, scope))
                steps += _steps(generator.iter, scope)
            return steps
        case ast.Call(func=ast.Name(id=name)) if name in scope.functions:
            return 1 + _function(name, scope) + _all([*node.args, *node.keywords], scope)
    own = isinstance(node, ast.Call | ast.BinOp | ast.UnaryOp | ast.Compare | ast.Subscript | ast.AugAssign)
    return own + _all(ast.iter_child_nodes(node), scope)


def _times(over: ast.expr, scope: Scope) -> int:
    """How often a loop over this runs."""
    found = _length(over, scope, 0)
    if found is None:
        raise Refused(
            f"line {over.lineno}: a loop over `{ast.unparse(over)[:60]}` is not allowed; loop over range(...) with "
            "constant bounds, or over a tuple."
        )
    return min(found, BEYOND)


def _length(over: ast.expr, scope: Scope, depth: int) -> int | None:
    """Number of elements, None where it is not constant; `depth` ends circles of names."""
    if depth > 20:
        return None
    match over:
        case ast.Call(func=ast.Name(id="range"), args=bounds, keywords=[]) if 1 <= len(bounds) <= 3:
            found = [_whole(b, scope, depth + 1) for b in bounds]
            numbers = [n for n in found if n is not None]
            constant = len(numbers) == len(found) and (len(numbers) < 3 or numbers[2] != 0)
            return _range_length(range(*numbers)) if constant else None
        case ast.Call(func=ast.Name(id="enumerate" | "reversed" | "list" | "tuple"), args=[inner, *_]):
            return _length(inner, scope, depth + 1)
        case ast.Call(func=ast.Name(id="zip"), args=inners) if inners:
            lengths = [n for n in (_length(inner, scope, depth + 1) for inner in inners) if n is not None]
            return min(lengths) if len(lengths) == len(inners) else None
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            return len(elements)
        case ast.ListComp(generators=[generator]):
            return _length(generator.iter, scope, depth + 1)
        case ast.Name(id=name) if name in scope.once:
            return _length(scope.once[name], scope, depth + 1)
    return None


def _range_length(numbers: range) -> int:
    """`len` fails beyond the machine's word."""
    return max(0, (numbers.stop - numbers.start + numbers.step - (1 if numbers.step > 0 else -1)) // numbers.step)


def _whole(node: ast.expr, scope: Scope, depth: int) -> int | None:
    """A constant whole number, None for anything else; kept small, so that working it out costs nothing."""
    if depth > 20:
        return None
    match node:
        case ast.Constant(value=int(number)):
            return min(max(number, -BEYOND), BEYOND)
        case ast.Name(id=name) if name in scope.once:
            return _whole(scope.once[name], scope, depth + 1)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            inner = _whole(operand, scope, depth + 1)
            return None if inner is None else -inner
        case ast.Call(func=ast.Name(id="len"), args=[argument]):
            return _length(argument, scope, depth + 1)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() | ast.Mult() | ast.FloorDiv() as op, right=right):
            first, second = _whole(left, scope, depth + 1), _whole(right, scope, depth + 1)
            if first is not None and second is not None:
                return _computed(op, first, second)
    return None


def _computed(op: ast.operator, first: int, second: int) -> int | None:
    match op:
        case ast.Add():
            return first + second
        case ast.Sub():
            return first - second
        case ast.Mult():
            return first * second if max(abs(first), abs(second)) <= BEYOND else None
    return first // second if second else None
