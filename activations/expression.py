"""A candidate as the user types it: a Python file, or an expression such as `gelu(x) * (1 + 0.5 * sinc(x))`."""

from __future__ import annotations

import ast
import difflib
import importlib.util
import inspect
import math
import operator
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from activations import plugins, registry
from activations.registry import Activation

if TYPE_CHECKING:
    import torch

CONSTANTS = {"pi": math.pi, "e": math.e, "tau": math.tau}

FROM_TORCH = frozenset({
    "abs", "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "ceil", "clamp", "clip", "copysign", "cos",
    "cosh", "cumsum", "erf", "erfc", "exp", "exp2", "expm1", "flip", "floor", "fmod", "hypot", "log", "log10",
    "log1p", "log2", "logaddexp", "logit", "max", "maximum", "mean", "min", "minimum", "negative", "pow",
    "reciprocal", "relu", "remainder", "roll", "round", "rsqrt", "sigmoid", "sign", "sin", "sinc", "sinh",
    "softmax", "sqrt", "square", "std", "sum", "tan", "tanh", "trunc", "var", "where", "xlogy",
})  # fmt: skip
"""Names that an expression takes from `torch`; `max` and `min` are those of two values, as in a formula."""

FROM_FUNCTIONAL = frozenset({
    "celu", "elu", "gelu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "logsigmoid", "mish",
    "relu6", "selu", "silu", "softplus", "softshrink", "softsign", "tanhshrink", "threshold",
})  # fmt: skip
"""Names that an expression takes from `torch.nn.functional`."""

LONGEST = 2000
"""Characters in an expression."""

DEEPEST = 400
"""Levels of an expression's syntax tree, far from where Python's own stack ends; a sum has as many as terms."""

_BINARY: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.Mod: operator.mod,
}
_UNARY: Mapping[type[ast.unaryop], Callable[[Any], Any]] = {ast.USub: operator.neg, ast.UAdd: operator.pos}
_COMPARE: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


class ExpressionError(ValueError):
    """A candidate that is neither a usable file nor a usable expression; one sentence says why."""


def from_source(text: str, name: str | None = None) -> Activation:
    """The activation that a file defines or an expression describes, traced and ready, but not registered by us.

    The name or alias of a registered activation gives that activation. A file holds `def activation(x)`, or exactly
    one `@register(...)`, under whose name it is then registered. An expression may use x, numbers, pi, e, tau,
    arithmetic, comparisons within `where`, and the functions of `FROM_TORCH` and `FROM_FUNCTIONAL`; sinc(x) is
    sin(pi x) / (pi x). Without a `name` it is called by the file's name, or `candidate`.

    Raises:
        ExpressionError: the text is neither, or names something outside these lists.
        PluginError: the file fails.
        TraceError: the function cannot be traced.
    """
    text = text.strip()
    known, path = registry.snapshot().get(text), _path(text)
    if known:
        activation = known
    elif path:
        activation = _from_file(path, name)
    else:
        activation = Activation(name or "candidate", _function(text), text, origin="candidate", source=text)
    _ = activation.graph  # traced now, so that what is wrong with it is said here and not inside a run
    return activation


def _function(text: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """The expression's function; where a mistyped name of an activation was meant, the error offers the nearest."""
    try:
        return _tried(text)
    except ExpressionError as error:
        near = difflib.get_close_matches(text, registry.snapshot(), n=1, cutoff=0.7) if len(text) < 100 else []
        if not near or not re.fullmatch(r"[\w-]+", text):
            raise
        raise ExpressionError(f"{str(error).rstrip('.?')}; the nearest registered activation is {near[0]}.") from error


def _path(text: str) -> Path | None:
    """The file that the text names, or None when it can only be an expression; a `.py` file need not be there."""
    if text.endswith(".py") and "\n" not in text:
        return Path(text)
    try:
        path = Path(text).expanduser()
        return path if path.is_file() else None
    except (OSError, RuntimeError, ValueError):  # too long for a file's name, `~x` with no user x, a NUL character
        return None


def parse(text: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """Turn an expression in x into a function of a tensor, without handing the text to Python.

    Raises:
        ExpressionError: a syntax error, an unknown name, or syntax outside arithmetic and calls.
    """
    if len(text) > LONGEST:
        raise ExpressionError(f"The expression has {len(text)} characters: write a .py file for more than {LONGEST}.")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else "it cannot be read"
        raise ExpressionError(f"{text.strip()!r} is neither a .py file nor an expression in x: {reason}.") from error
    if _depth(tree) > DEEPEST:
        raise ExpressionError(f"The expression nests more than {DEEPEST} levels deep: write a .py file instead.")
    _check(tree)
    if not any(isinstance(node, ast.Name) and node.id == "x" for node in ast.walk(tree)):
        raise ExpressionError(f"{text.strip()!r} does not use x: an activation is a function of x.")
    return lambda x: _evaluate(tree, x)


def _depth(tree: ast.AST) -> int:
    """Levels of the tree, counted without recursion."""
    levels, level = 0, [tree]
    while level:
        levels, level = levels + 1, [child for node in level for child in ast.iter_child_nodes(node)]
    return levels


def _tried(text: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """The parsed expression after one evaluation, so that its arithmetic errors are not taken for a tracer's."""
    import torch

    function = parse(text)
    try:
        function(torch.linspace(-2, 2, 24).reshape(2, 3, 4))
    except Exception as error:  # whatever torch or Python's arithmetic has against these arguments
        reason = str(error).partition("\n")[0].rstrip(".")
        raise ExpressionError(f"{text!r} cannot be computed: {type(error).__name__}: {reason}.") from error
    return function


def _from_file(path: Path, name: str | None) -> Activation:
    known = set(registry.names())
    module, registered = plugins.run_file(path)
    if len(registered) == 1:
        return registry.get(registered[0])
    if registered:
        raise ExpressionError(f"{path} registers {len(registered)} activations ({', '.join(registered)}): keep one.")
    function = getattr(module, "activation", None)
    if not callable(function):
        raise ExpressionError(f"{path} defines no function `activation(x)` and registers none with @register.")
    stem = re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-") or "candidate"
    chosen = name or (stem if stem not in known else f"{stem}-candidate")
    formula = (function.__doc__ if inspect.isroutine(function) else "") or path.name  # not the text of torch's classes
    text = importlib.util.decode_source(Path(module.__file__ or path).read_bytes())  # as Python read it, any encoding
    return Activation(chosen, function, formula.strip(), origin="candidate", source=text)


def _check(node: ast.AST) -> None:
    """Refuse everything but numbers, x, constants, arithmetic, comparisons and calls of known functions."""
    if isinstance(node, ast.Constant):
        _check_constant(node)
    elif isinstance(node, ast.Name):
        if node.id != "x" and node.id not in CONSTANTS:
            raise _unknown(node.id, ["x", *CONSTANTS], function=False)
    elif isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        _check(node.left)
        _check(node.right)
    elif isinstance(node, ast.UnaryOp) and type(node.op) in _UNARY:
        _check(node.operand)
    elif isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _COMPARE:
        _check(node.left)
        _check(node.comparators[0])
    elif isinstance(node, ast.Call):
        _check_call(node)
    else:
        raise ExpressionError(f"{ast.unparse(node)!r} is not allowed in an expression{_advice(node)}.")


def _check_constant(node: ast.Constant) -> None:
    if isinstance(node.value, str) and node.value in ("tanh", "none"):  # gelu(x, approximate="tanh")
        return
    if not isinstance(node.value, int | float):
        raise ExpressionError(f"{node.value!r} is not allowed in an expression: use real numbers.")


def _check_call(node: ast.Call) -> None:
    if not isinstance(node.func, ast.Name):
        called = ast.unparse(node.func)
        raise ExpressionError(f"{called!r} is not allowed in an expression: write {called.split('.')[-1]}(...) alone.")
    if node.func.id not in FROM_TORCH | FROM_FUNCTIONAL:
        raise _unknown(node.func.id, sorted(FROM_TORCH | FROM_FUNCTIONAL), function=True)
    for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
        _check(argument)
    if any(keyword.arg is None for keyword in node.keywords):
        raise ExpressionError("'**' is not allowed in the arguments of a call.")


def _unknown(name: str, known: list[str], function: bool) -> ExpressionError:
    """`known` names are offered when they are near; a function's name that stands without a call says so."""
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    kind, functions = "function" if function else "name", ", ".join(sorted(FROM_TORCH | FROM_FUNCTIONAL))
    if not function and name in FROM_TORCH | FROM_FUNCTIONAL:
        advice = f"a function is called, as in {name}(x)."
    elif near:
        advice = f"did you mean {' or '.join(near)}? The functions are {functions}."
    else:
        advice = f"use x, numbers, {', '.join(CONSTANTS)} and the functions {functions}."
    return ExpressionError(f"The {kind} {name!r} is unknown in an expression: {advice}")


def _advice(node: ast.AST) -> str:
    if isinstance(node, ast.IfExp):
        return ": use where(condition, a, b)"
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitXor):
        return ": a power is written **"
    return ""


def _evaluate(node: ast.AST, x: torch.Tensor) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id="x"):
            return x
        case ast.Name(id=name):
            return CONSTANTS[name]
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return _number(_evaluate(left, x)) ** _evaluate(right, x)
        case ast.BinOp(left=left, op=operation, right=right):
            return _BINARY[type(operation)](_number(_evaluate(left, x)), _number(_evaluate(right, x)))
        case ast.UnaryOp(op=sign, operand=operand):
            return _UNARY[type(sign)](_evaluate(operand, x))
        case ast.Compare(left=left, ops=[operation], comparators=[right]):
            return _COMPARE[type(operation)](_evaluate(left, x), _evaluate(right, x))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=keywords):
            values = [_evaluate(argument, x) for argument in arguments]
            return _call(name, values, {str(keyword.arg): _evaluate(keyword.value, x) for keyword in keywords})
    raise AssertionError(f"_check let {ast.unparse(node)!r} pass")


def _number(value: Any) -> Any:
    """Whole numbers in arithmetic become floats: 9**9**9 then overflows at once instead of running for minutes."""
    return float(value) if isinstance(value, int) else value


def _call(name: str, values: list[Any], options: dict[str, Any]) -> Any:
    import torch

    numbers = not any(isinstance(value, torch.Tensor) for value in values)
    if numbers and hasattr(math, name):  # sqrt(2 / pi)
        return getattr(math, name)(*values)
    if name in ("max", "min") and len(values) == 2:  # as in a formula, not torch's maximum along an axis
        return _extreme(name, *values)
    return getattr(torch if name in FROM_TORCH else torch.nn.functional, name)(*values, **options)


def _extreme(name: str, a: Any, b: Any) -> Any:
    import torch

    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return torch.maximum(a, b) if name == "max" else torch.minimum(a, b)
    tensor, bound = (a, b) if isinstance(a, torch.Tensor) else (b, a)
    if name == "max" and bound == 0:
        return torch.relu(tensor)  # what is meant; clamp differs from it in the gradient at 0
    return torch.clamp(tensor, min=bound) if name == "max" else torch.clamp(tensor, max=bound)
