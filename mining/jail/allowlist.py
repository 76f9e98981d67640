"""The first wall of the jail: what a candidate's text may hold, decided on its syntax tree before any of it runs.

Everything that is not named here is refused. The list keeps honest candidates within the tensor language and gives
their proposers a sentence to learn from; that a hostile text finds no way past it is not assumed (see `confine`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

from mining.jail import names
from mining.jail.outline import MODULES, check_entry, check_identifier, parse, read_scope, refuse
from mining.jail.steps import Refused, Scope, count_steps

STEPS = 10_000
"""Calls and operations that one run of `activation` may take, loops and helpers multiplied out."""
LARGEST = 2**53
"""Size of a whole number written in the source."""
POWER = 64
"""Size of a whole number written as an exponent."""

IMPORTS = ("import math", "import torch", "import torch.nn.functional as F")

_PLAIN_EXPRESSIONS = (
    ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Subscript, ast.Slice, ast.Tuple, ast.List,
    ast.ListComp, ast.GeneratorExp,
)  # fmt: skip
_OPERATORS = (
    ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.BitAnd, ast.BitOr, ast.BitXor,
)  # fmt: skip
_ADVICE: dict[type[ast.AST], str] = {
    ast.While: "write `for i in range(10)` with constant bounds",
    ast.Lambda: "write a helper with def",
    ast.ClassDef: "write helpers with def",
    ast.AsyncFunctionDef: "write helpers with def",
    ast.With: "write x.detach() where no gradient is wanted",
    ast.JoinedStr: "an activation makes no text",
    ast.Dict: "use a tuple",
    ast.Set: "use a tuple",
    ast.DictComp: "use a tuple",
    ast.SetComp: "use a tuple",
    ast.Assert: "leave it out",
    ast.Raise: "leave it out",
    ast.MatMult: "write the sum out",
}


def check(source: str) -> None:
    """Return when the source may be run in the jail.

    Raises:
        Refused: it holds something outside the list; one sentence, with the line, written for its proposer.
    """
    tree = parse(source)
    scope = read_scope(tree)
    check_entry(tree, scope)
    for statement in tree.body:
        _check_top(statement, scope)
    steps = count_steps(tree, scope)
    if steps > STEPS:
        raise Refused(
            f"one run of activation takes {steps if steps < 10**9 else 'more than 10**9'} calls and operations, loops "
            f"and helpers multiplied out; at most {STEPS} are allowed: shorten its loops."
        )


def _check_top(node: ast.stmt, scope: Scope) -> None:
    if isinstance(node, ast.Import | ast.ImportFrom):
        if ast.unparse(node) not in IMPORTS:
            raise refuse(node, f"`{ast.unparse(node)}` is not allowed; only {', '.join(IMPORTS)} are")
    elif isinstance(node, ast.FunctionDef | ast.Assign | ast.AnnAssign) or _is_docstring(node):
        _check_statement(node, scope)
    else:
        raise refuse(node, "beside imports, only def and assignments of constants may stand outside a function")


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _check_statement(node: ast.stmt, scope: Scope) -> None:
    match node:
        case ast.FunctionDef():
            _check_function(node, scope)
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                _check_target(target, scope)
            _check_expression(value, scope)
        case ast.AugAssign(target=target, op=op, value=value):
            _check_target(target, scope)
            _check_operator(node, op)
            _check_expression(value, scope)
        case ast.AnnAssign(target=target, value=assigned):
            _check_target(target, scope)
            _check_all([assigned] if assigned else [], scope)
        case ast.For(target=target, iter=over, body=body, orelse=orelse):
            _check_target(target, scope)
            _check_expression(over, scope)
            _check_body([*body, *orelse], scope)
        case ast.If(test=test, body=body, orelse=orelse):
            _check_expression(test, scope)
            _check_body([*body, *orelse], scope)
        case ast.Return(value=returned):
            _check_all([returned] if returned else [], scope)
        case ast.Expr(value=value):
            if not _is_docstring(node):
                _check_expression(value, scope)
        case ast.Pass() | ast.Break() | ast.Continue():
            pass
        case _:
            raise _not_allowed(node)


def _check_body(body: Iterable[ast.stmt], scope: Scope) -> None:
    for statement in body:
        _check_statement(statement, scope)


def _check_function(node: ast.FunctionDef, scope: Scope) -> None:
    """Annotations are never evaluated (`prison` compiles without them), so they may say what they like."""
    if node.decorator_list:
        raise refuse(node, "decorators are not allowed")
    if node.args.vararg or node.args.kwarg:
        raise refuse(node, "*args and **kwargs are not allowed; name the arguments")
    _check_all([*node.args.defaults, *(d for d in node.args.kw_defaults if d)], scope)
    _check_body(node.body, scope)


def _check_target(node: ast.expr, scope: Scope) -> None:
    if isinstance(node, ast.Tuple | ast.List):
        for part in node.elts:
            _check_target(part, scope)
    elif isinstance(node, ast.Subscript):
        _check_all([node.value, node.slice], scope)
    elif not isinstance(node, ast.Name):
        raise refuse(node, f"`{ast.unparse(node)}` cannot be assigned to here; assign to a plain name")


def _check_all(nodes: Iterable[ast.expr], scope: Scope) -> None:
    for node in nodes:
        _check_expression(node, scope)


def _check_expression(node: ast.AST, scope: Scope) -> None:
    match node:
        case ast.Constant(value=value):
            _check_constant(node, value)
        case ast.Name(id=name):
            _check_name(node, name, scope)
        case ast.Attribute():
            _check_attribute(node, scope)
        case ast.Call():
            _check_call(node, scope)
        case ast.comprehension(target=target, iter=over, ifs=conditions, is_async=0):
            _check_target(target, scope)
            _check_all([over, *conditions], scope)
        case _ if isinstance(node, _PLAIN_EXPRESSIONS):
            _check_operators(node)
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.expr | ast.comprehension):
                    _check_expression(child, scope)
        case _:
            raise _not_allowed(node)


def _check_constant(node: ast.AST, value: object) -> None:
    if isinstance(value, int) and abs(value) > LARGEST:
        raise refuse(node, "a whole number beyond 2**53 is not allowed; write it as a float")
    if isinstance(value, str):
        raise refuse(node, "text is allowed as a docstring or as an argument of a call only")
    if not isinstance(value, int | float | None) and value is not ...:
        raise refuse(node, f"`{ast.unparse(node)[:40]}` is not allowed; use real numbers")


def _check_name(node: ast.AST, name: str, scope: Scope) -> None:
    if name in scope.variables:
        return
    if name in scope.functions or name in names.BUILTINS:
        raise refuse(node, f"the function {name!r} may only be called, not handed on")
    if name in MODULES:
        raise refuse(node, f"{name!r} may only be used as `{name}.<function>(...)`")
    raise refuse(node, f"the name {name!r} is not defined in the source and is not allowed")


def _check_attribute(node: ast.Attribute, scope: Scope) -> None:
    """An attribute that is read; called ones are the matter of `_check_call`."""
    check_identifier(node, node.attr)
    dotted = module_path(node)
    if dotted:
        module, name = dotted
        if name not in names.CONSTANTS[module]:
            called = " without a call" if name in MODULES[module] else ""
            raise refuse(node, f"`{ast.unparse(node)}` is not allowed{called}")
    elif node.attr not in names.ATTRIBUTES:
        raise refuse(node, f"the attribute `.{node.attr}` is not allowed")
    else:
        _check_expression(node.value, scope)


def module_path(node: ast.expr) -> tuple[str, str] | None:
    """(`torch`, `fft.rfft`) for `torch.fft.rfft`, None where the chain does not begin at a module."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id not in MODULES:
        return None
    if node.id == "torch" and parts[:0:-1] == ["nn", "functional"]:
        return "F", parts[0]
    return node.id, ".".join(reversed(parts))


def _check_call(node: ast.Call, scope: Scope) -> None:
    match node.func:
        case ast.Name(id=name):
            if name not in scope.functions and name not in names.BUILTINS:
                raise refuse(node, f"the function {name!r} is not allowed; call helpers of the source, {_known()}")
        case ast.Attribute(attr=attr, value=value) as func:
            check_identifier(func, attr)
            dotted = module_path(func)
            if dotted:
                _check_member(node, *dotted)
            elif attr not in names.METHODS:
                raise refuse(node, f"the method `.{attr}()` is not allowed")
            else:
                _check_expression(value, scope)
        case _:
            raise refuse(node, "only functions and methods called by name are allowed")
    for keyword in node.keywords:
        if keyword.arg is None:
            raise refuse(node, "`**` is not allowed in the arguments of a call")
        check_identifier(node, keyword.arg)
    for given in (*node.args, *(keyword.value for keyword in node.keywords)):
        if not (isinstance(given, ast.Constant) and isinstance(given.value, str) and len(given.value) < 20):
            _check_expression(given.value if isinstance(given, ast.Starred) else given, scope)


def _check_member(node: ast.AST, module: str, name: str) -> None:
    if name in names.RANDOM:
        raise refuse(node, f"{module}.{name} draws random or unset numbers; an activation is the same every time")
    if name not in MODULES[module]:
        raise refuse(node, f"`{module}.{name}` is not on the list of functions of tensors and numbers")


def _known() -> str:
    return f"{', '.join(sorted(names.BUILTINS))} and functions of torch, F and math"


def _check_operators(node: ast.AST) -> None:
    if isinstance(node, ast.BinOp):
        _check_operator(node, node.op)
        if isinstance(node.op, ast.Pow):
            power = node.right.operand if isinstance(node.right, ast.UnaryOp) else node.right
            if isinstance(power, ast.Constant) and isinstance(power.value, int) and abs(power.value) > POWER:
                raise refuse(node, f"a power beyond {POWER} is not allowed")
            inner = list(ast.walk(power))
            if any(isinstance(n, ast.Pow) for n in inner) and not any(isinstance(n, ast.Name) for n in inner):
                raise refuse(node, "a power of constants as a power is not allowed; write the number")


def _check_operator(node: ast.AST, op: ast.operator) -> None:
    if not isinstance(op, _OPERATORS):
        raise refuse(node, f"the operator {type(op).__name__} is not allowed")


def _not_allowed(node: ast.AST) -> Refused:
    advice = _ADVICE.get(type(node))
    return refuse(node, f"{type(node).__name__} is not allowed" + (f"; {advice}" if advice else ""))
