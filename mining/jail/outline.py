"""A candidate's text as a syntax tree of bounded size, and the names that it defines."""

from __future__ import annotations

import ast
import warnings
from collections import Counter

from mining.jail import names
from mining.jail.steps import Refused, Scope

LONGEST = 8_000
"""Characters in a source."""
NODES = 3_000
"""Nodes in its syntax tree."""
DEEPEST = 100
"""Levels of its syntax tree; a sum of n terms has n."""
MODULES = {"torch": names.TORCH, "F": names.FUNCTIONAL, "math": names.MATH}
"""What may be called of each module, by the name that the source has for it."""


def parse(source: str) -> ast.Module:
    """The syntax tree, within the bounds on its size."""
    if len(source) > LONGEST:
        raise Refused(f"the source has {len(source)} characters; at most {LONGEST} are allowed.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except SyntaxError as error:
        where = f"line {error.lineno}: " if error.lineno else ""
        raise Refused(f"{where}the source is not Python ({error.msg}).") from None
    except (ValueError, MemoryError, RecursionError):
        raise Refused("the source is not Python that can be read: it nests too deep or holds odd characters.") from None
    _check_size(tree)
    return tree


def _check_size(tree: ast.AST) -> None:
    """Level by level, without recursion."""
    nodes, levels, level = 0, 0, [tree]
    while level:
        nodes, levels = nodes + len(level), levels + 1
        if levels > DEEPEST or nodes > NODES:
            raise Refused(f"the source is too large: at most {DEEPEST} levels and {NODES} nodes of syntax are allowed.")
        level = [child for node in level for child in ast.iter_child_nodes(node)]


def refuse(node: ast.AST, what: str) -> Refused:
    """The refusal, with the line that the node stands on."""
    line = getattr(node, "lineno", None)
    return Refused(f"line {line}: {what}." if line else f"{what}.")


def check_identifier(node: ast.AST, name: str | None) -> None:
    """Refuse names with a leading underscore, but for `_` itself."""
    if name is not None and name.startswith("_") and name != "_":
        raise refuse(node, f"the name {name!r} begins with an underscore, which is not allowed")


def read_scope(tree: ast.Module) -> Scope:
    """The names that the file defines; each function once, none of them in place of a known name."""
    functions: dict[str, ast.FunctionDef] = {}
    stores: Counter[str] = Counter()
    values: dict[str, ast.expr] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            if node.name in functions:
                raise refuse(node, f"the function {node.name!r} is defined twice")
            functions[node.name] = node
        elif isinstance(node, ast.arg):
            stores[node.arg] += 1
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            stores[node.id] += 1
        elif isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            values[node.targets[0].id] = node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            values[node.target.id] = node.value
    for name in (*functions, *stores):
        if name in MODULES or name in names.BUILTINS or (name in functions and name in stores):
            raise Refused(f"the name {name!r} is taken: give the variable or helper another one.")
        check_identifier(tree, name)
    once = {name: value for name, value in values.items() if stores[name] == 1}
    return Scope(functions, frozenset(stores), once)


def check_entry(tree: ast.Module, scope: Scope) -> None:
    """Refuse a source without `def activation(x)`."""
    entry = scope.functions.get("activation")
    if entry is None or entry not in tree.body:
        raise Refused("the source defines no function `activation`: write `def activation(x):`.")
    arguments = entry.args
    required = len(arguments.posonlyargs) + len(arguments.args) - len(arguments.defaults)
    if required != 1 or None in arguments.kw_defaults:
        raise refuse(entry, "activation takes one tensor: write `def activation(x):`")
