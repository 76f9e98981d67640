"""What happens inside: the life of one candidate's process, from its birth in the server to its last byte.

It confines itself, says so, and only then looks at the source: allow-list, run, trace, write. The line that says how it
is confined is on its way before the first step of the candidate, which therefore cannot forge it. What follows on the
same pipe may be forged by a text that slipped past the allow-list: then it is another graph, or another reason, for
that text alone, and it is read as data.
"""

from __future__ import annotations

import ast
import builtins
import gc
import json
import math
import os
import types
from operator import attrgetter
from typing import Any, NoReturn

from mining.jail import names
from mining.jail.allowlist import check
from mining.jail.confine import RESULT, Level, Limits, confine
from mining.jail.outline import parse
from mining.jail.steps import Refused

NODES = 400
"""Largest graph that leaves the jail."""


def serve(source: str, pipe: int, parent: int, promised: Level, limits: Limits, past_check: bool) -> NoReturn:
    """Confine this process, a fresh child of `parent`, and end it with the result of `source` written to `pipe`."""
    try:
        gc.disable()
        os.dup2(pipe, RESULT)
        confined = _confine(parent, promised, limits)
        _write(confined)
        if "unconfined" not in confined:
            _write(_answer(source, past_check, limits))
    finally:
        os._exit(0)


def _confine(parent: int, promised: Level, limits: Limits) -> dict[str, Any]:
    """How this process is confined; `unconfined` and why where it is less than was promised."""
    try:
        report = confine(parent, limits)
    except BaseException as error:  # whatever it is, it must be told apart from a result
        return {"unconfined": f"{type(error).__name__}: {error}"}
    if report.level < promised:
        return {"unconfined": f"the level fell from {promised} to {report.level}. {' '.join(report.missing)}"}
    return {"level": str(report.level)}


def _answer(source: str, past_check: bool, limits: Limits) -> dict[str, Any]:
    try:
        return {"graph": _judged(source, past_check)}
    except BaseException as error:
        return {"refused": _reason(error, limits)}


def _write(record: dict[str, Any]) -> None:
    line = json.dumps(record).encode() + b"\n"
    while line:
        try:
            line = line[os.write(RESULT, line) :]
        except OSError:  # nobody reads any more
            return


def _judged(source: str, past_check: bool) -> Any:
    """The graph of the candidate, as what JSON makes of it."""
    from activations.trace import trace

    graph = trace(_run(source) if past_check else load(source))
    if len(graph.nodes) > NODES:
        raise Refused(f"the graph has {len(graph.nodes)} operations; at most {NODES} are allowed.")
    return json.loads(graph.to_json())


def load(source: str) -> Any:
    """The candidate's function, from a checked source that was run with nothing in reach but what the list names."""
    check(source)
    tree = parse(source)
    tree.body = [node for node in tree.body if not isinstance(node, ast.Import)]
    namespace = {"__builtins__": {name: getattr(builtins, name) for name in names.BUILTINS}, "__name__": "candidate"}
    namespace |= _modules()
    exec(_compiled(tree), namespace)
    return namespace["activation"]


def _compiled(tree: ast.Module) -> types.CodeType:
    """Code whose annotations are not evaluated."""
    import __future__

    try:
        return compile(tree, "<candidate>", "exec", __future__.annotations.compiler_flag, dont_inherit=True)
    except SyntaxError as error:
        where = f"line {error.lineno}: " if error.lineno else ""
        raise Refused(f"{where}the source is not Python ({error.msg}).") from None


def _modules() -> dict[str, Any]:
    """`torch`, `F` and `math` with the listed names only."""
    import torch
    import torch.nn.functional as F

    shown = {
        "torch": _extract(torch, names.TORCH | names.CONSTANTS["torch"]),
        "F": _extract(F, names.FUNCTIONAL),
        "math": _extract(math, names.MATH | names.CONSTANTS["math"]),
    }
    shown["torch"].nn = types.SimpleNamespace(functional=shown["F"])
    return shown


def _extract(module: Any, wanted: frozenset[str]) -> Any:
    shown = types.SimpleNamespace()
    for path in wanted:
        *outer, name = path.split(".")
        place = shown
        for part in outer:
            if not hasattr(place, part):
                setattr(place, part, types.SimpleNamespace())
            place = getattr(place, part)
        setattr(place, name, attrgetter(path)(module))
    return shown


def _run(source: str) -> Any:
    """For tests of the jail itself: any source, with all of Python in reach."""
    namespace: dict[str, Any] = {"__name__": "candidate"}
    exec(compile(source, "<candidate>", "exec", dont_inherit=True), namespace)
    return namespace["activation"]


def _reason(error: BaseException, limits: Limits) -> str:
    """One sentence for the proposer."""
    from activations.trace import TraceError

    text = " ".join(str(error).split())[:400]
    if isinstance(error, MemoryError) or "MemoryError" in text or "can't allocate memory" in text:
        return f"the function needs more memory than the jail gives ({limits.memory >> 20} MiB)."
    if isinstance(error, RecursionError) or "RecursionError" in text:
        return "the function nests or recurs too deep."
    if isinstance(error, Refused | TraceError):
        return text
    return f"the source fails when it is run ({type(error).__name__}: {text.rstrip('.')})."
