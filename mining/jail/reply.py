"""Reading what came out of a candidate's process: bytes that anyone may have written, from which a graph is made only
when every part of it is of a kind and size that a trace gives.
"""

from __future__ import annotations

import base64
import json
import re
import signal
from collections.abc import Iterator
from typing import Any

from activations.graph import Graph, GraphError, Node, Shape, Size
from mining.jail.confine import Limits
from mining.jail.prison import NODES
from mining.jail.steps import Refused

LONGEST_SIZE = 200
"""Characters in the expression of a size."""
LARGEST = 2**63
"""Size of a whole number in a graph."""
GROWTH = 64
"""How many times larger than x a tensor made by its lengths alone may be."""

_SHAPE = (2, 4, 6, 30)
_SIZE = re.compile(r"[a-z0-9 +*/%(),.-]+")
_NAME = re.compile(r"[A-Za-z]\w{0,30}")
_MADE_BY_LENGTH = ("arange", "irfft")
_MALFORMED = "what the function's process wrote is not the graph of an activation"


class JailError(RuntimeError):
    """The jail itself failed; it says nothing about the candidate."""


def read_reply(frame: dict[str, Any], limits: Limits) -> Graph:
    """The candidate's graph.

    Raises:
        Refused: there is none, and why.
        JailError: its process was not confined, so that nothing of it was run.
    """
    confined, _, output = base64.b64decode(frame["output"]).partition(b"\n")
    _check_confined(confined)
    if frame["end"] == "deadline":
        raise Refused(f"the function gave no graph within {limits.deadline:g} s.")
    if frame["end"] == "flood":
        raise Refused(f"the function's result is larger than {limits.output >> 10} KiB.")
    if not output and frame["end"] == "lingering":
        raise Refused("the function's process gave no graph and went on.")
    if not output:
        raise Refused(_death(frame["signal"]))
    try:
        record = json.loads(output, parse_constant=_no_constant)
        return _read_answer(record)
    except Refused:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError):
        raise Refused(f"{_MALFORMED}.") from None


def _check_confined(line: bytes) -> None:
    """The first line was written before the candidate began, and only by us."""
    try:
        record = json.loads(line)
    except ValueError:
        record = {}
    if "level" not in record:
        reason = record.get("unconfined", "its process ended before it was confined")
        raise JailError(f"A candidate was not run: {reason.rstrip('.')}.")


def _death(killed: int) -> str:
    match killed:
        case 0:
            return "the function ended its process without a result."
        case signal.SIGSYS:
            return "the function made a system call that the jail forbids."
        case signal.SIGKILL | signal.SIGXCPU:
            return "the function's process was killed for what it used: processor time or memory."
    return f"the function crashed its process ({signal.Signals(killed).name})."


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _read_answer(record: Any) -> Graph:
    if set(record) == {"refused"}:
        raise Refused("".join(c if c.isprintable() else " " for c in record["refused"][:500]))
    if set(record) != {"graph"}:
        raise Refused(f"{_MALFORMED}.")
    raw = record["graph"]
    if len(raw["nodes"]) > NODES:
        raise Refused(f"the graph has {len(raw['nodes'])} operations; at most {NODES} are allowed.")
    if raw["parameters"] != [] or raw["inputs"] != ["x"] or len(raw["outputs"]) != 1:
        raise Refused(f"{_MALFORMED}: it has one input, x, and one output.")
    for node in raw["nodes"]:
        _check_node(node)
    try:
        graph = Graph.from_json(raw)
    except GraphError as error:
        raise Refused(f"{_MALFORMED}: {error}") from None
    for made in graph.nodes:
        _check_growth(made)
    return graph


def _check_node(node: Any) -> None:
    """The parts of a node are those that a trace writes; what `Graph` itself checks is left to it."""
    for value in node["inputs"]:
        if value is None or isinstance(value, list) or (isinstance(value, dict) and "shape" in value):
            raise ValueError
        _check_value(value)
    for name, value in node["attributes"].items():
        _check_value(name)
        for part in value if isinstance(value, list) else [value]:
            _check_value(part)


def _check_value(value: Any) -> None:
    match value:
        case None | bool() | float():
            return
        case int() if abs(value) < LARGEST:
            return
        case str() if _NAME.fullmatch(value):
            return
        case {"float": "inf" | "-inf" | "nan", **rest} if not rest:
            return
        case {"size": str(text), **rest} if not rest:
            if len(text) <= LONGEST_SIZE and _SIZE.fullmatch(text) and text.count("**") <= 2:
                return
        case {"shape": {"drop": drop, "tail": list(tail), **more}, **rest} if not rest and not more and len(tail) < 10:
            if drop is None or (type(drop) is int and 0 <= drop < 10):
                for part in tail:
                    if not isinstance(part, int | dict) or (isinstance(part, dict) and "size" not in part):
                        raise ValueError
                    _check_value(part)
                return
    raise ValueError


def _check_growth(node: Node) -> None:
    """Lengths that a node states, rather than takes from a tensor, must not make a giant of any x."""
    elements = 1
    for length in _SHAPE:
        elements *= length
    for count in _stated(node):
        if not 0 <= count <= GROWTH * elements:
            raise Refused(f"the function makes a tensor of {count:g} elements from one of {elements}.")


def _stated(node: Node) -> Iterator[float]:
    for _, value in node.attributes:
        if isinstance(value, Shape):
            count = 1
            for length in value.evaluate(_SHAPE):
                count *= int(length)
            yield count
    if node.op in _MADE_BY_LENGTH:
        for value in node.inputs:
            if isinstance(value, Size):
                yield abs(value.evaluate(_SHAPE))
            elif isinstance(value, int | float):
                yield abs(value)
