"""What may come out of a candidate's process: a graph of known parts, or a reason; all else is turned away as data."""

from __future__ import annotations

import base64
import json
import signal
from typing import Any

import pytest

from activations.graph import Graph, Node, Shape, Size
from mining.jail import JailError, Limits, Refused
from mining.jail.prison import NODES
from mining.jail.reply import read_reply

CONFINED = b'{"level": "full"}\n'
SINE = Graph((Node("sin", ("x",)),), ("v0",))


def frame(output: bytes, end: str = "", killed: int = 0, first: bytes = CONFINED) -> dict[str, Any]:
    return {"number": 0, "end": end, "signal": killed, "output": base64.b64encode(first + output).decode()}


def read(record: Any) -> Graph:
    return read_reply(frame(json.dumps(record).encode()), Limits())


def of_nodes(*nodes: dict[str, Any], **changes: Any) -> dict[str, Any]:
    graph = {"format": 1, "inputs": ["x"], "parameters": [], "nodes": list(nodes), "outputs": [f"v{len(nodes) - 1}"]}
    return {"graph": graph | changes}


def node(op: str = "add", inputs: Any = ("x", 1.0), **attributes: Any) -> dict[str, Any]:
    return {"op": op, "inputs": list(inputs), "attributes": attributes}


@pytest.mark.parametrize(
    "graph",
    [
        SINE,
        Graph((Node("div", ("x", Size("n1 ** 0.5"))),), ("v0",)),
        Graph((Node("add", ("x", float("inf"))), Node("view", ("v0",), (("shape", Shape(0)),))), ("v1",)),
        Graph((Node("mean", ("x",), (("dim", (-1,)), ("keepdim", True))), Node("sub", ("x", "v0"))), ("v1",)),
        Graph((Node("expand", (2,), (("shape", Shape(1, (Size("n1"),))),)), Node("add", ("x", "v0"))), ("v1",)),
    ],
)
def test_an_honest_graph_comes_out_as_it_is(graph: Graph) -> None:
    assert read({"graph": json.loads(graph.to_json())}) == graph


CODE = "0] + [print(1)] + [0"
FORGED = {
    "code in a shape": of_nodes(node("view", ["x"], shape={"shape": {"drop": CODE, "tail": []}})),
    "a truth in a shape": of_nodes(node("view", ["x"], shape={"shape": {"drop": True, "tail": []}})),
    "text in a shape": of_nodes(node("view", ["x"], shape={"shape": {"drop": 0, "tail": ["n1"]}})),
    "more in a shape": of_nodes(node("view", ["x"], shape={"shape": {"drop": 0, "tail": [], "a": 1}})),
    "code in a size": of_nodes(node(inputs=["x", {"size": "__import__('os')"}])),
    "a call in a size": of_nodes(node(inputs=["x", {"size": "print(n1)"}])),
    "a long size": of_nodes(node(inputs=["x", {"size": "+".join(["n1"] * 99)}])),
    "powers of powers": of_nodes(node(inputs=["x", {"size": "((n1**4)**4)**4"}])),
    "code in an input": of_nodes(node(inputs=["x", "print(1)"])),
    "code in a text": of_nodes(node("mean", ["x"], dim="print(1)", keepdim=True)),
    "a list in an input": of_nodes(node(inputs=["x", ["x"]])),
    "a shape in an input": of_nodes(node(inputs=["x", {"shape": {"drop": 0, "tail": []}}])),
    "nothing in an input": of_nodes(node(inputs=["x", None])),
    "a value from later": of_nodes(node(inputs=["x", "v0"])),
    "no operation": of_nodes(node("system")),
    "an operation that is a list": of_nodes(node(op=["add"])),  # type: ignore[arg-type]
    "a parameter": of_nodes(node(), parameters=[{"name": "b", "initial": 1.0, "per": "site"}]),
    "a second input": of_nodes(node(), inputs=["x", "y"]),
    "another input": of_nodes(node(), inputs=["y"]),
    "two outputs": of_nodes(node(), outputs=["v0", "v0"]),
    "no outputs": of_nodes(node(), outputs=[]),
    "another format": of_nodes(node(), format=2),
    "too many nodes": of_nodes(*[node()] * (NODES + 1)),
    "no nodes": {"graph": {}},
    "a graph that is a list": {"graph": []},
    "a list": [],
    "a number": 3,
    "both": {"graph": {}, "refused": "x"},
    "a giant number": of_nodes(node(inputs=["x", 2**64])),
    "a giant tensor": of_nodes(node("expand", [1.0], shape={"shape": {"drop": 0, "tail": [10**9]}}), node()),
    "a giant range": of_nodes(node("arange", [0, 10**12, 1]), node()),
    "a giant transform": of_nodes(node("irfft", ["x", {"size": "n1 * 900000"}], dim=[-1], norm=0)),
    "a shape of less than nothing": of_nodes(node("view", ["x"], shape={"shape": {"drop": None, "tail": [-1]}})),
    "a size divided by nothing": of_nodes(node("arange", [0, {"size": "n1 // 0"}, 1]), node()),
}


@pytest.mark.parametrize("record", FORGED.values(), ids=FORGED.keys())
def test_a_forged_graph_is_turned_away(record: Any) -> None:
    with pytest.raises(Refused, match=r"[^.]\.$"):
        read(record)


@pytest.mark.parametrize(
    "output", [b"{", b"NaN", b"\xff\xfe", b"[" * 90_000, b'{"graph":' + b"9" * 9_000 + b"}", b'{"refused":"a"}\n{}']
)
def test_broken_json_is_turned_away(output: bytes) -> None:
    with pytest.raises(Refused, match="is not the graph of an activation"):
        read_reply(frame(output), Limits())


def test_a_reason_is_one_printable_line() -> None:
    with pytest.raises(Refused) as refusal:
        read({"refused": "a\x1b[2J\nb\u202e" + "c" * 9000})
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) == 500


@pytest.mark.parametrize(
    ("end", "killed", "reason"),
    [
        ("deadline", 9, "gave no graph within 5 s"),
        ("flood", 9, "larger than 1024 KiB"),
        ("lingering", 9, "gave no graph and went on"),
        ("", 0, "without a result"),
        ("", signal.SIGSYS, "a system call that the jail forbids"),
        ("", signal.SIGKILL, "processor time or memory"),
        ("", signal.SIGSEGV, r"crashed its process \(SIGSEGV\)"),
    ],
)
def test_every_death_has_its_sentence(end: str, killed: int, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        read_reply(frame(b"", end, killed), Limits())


def test_a_result_after_the_deadline_does_not_count() -> None:
    with pytest.raises(Refused, match="within"):
        read_reply(frame(b'{"graph":' + SINE.to_json().encode() + b"}", "deadline", 9), Limits())


@pytest.mark.parametrize("first", [b"", b"\n", b"{\n", b'{"unconfined": "no seccomp"}\n'])
def test_a_process_that_was_not_confined_is_no_verdict_on_the_candidate(first: bytes) -> None:
    with pytest.raises(JailError, match="A candidate was not run: "):
        read_reply(frame(b'{"graph":' + SINE.to_json().encode() + b"}", first=first), Limits())
