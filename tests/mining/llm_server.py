"""An OpenAI-compatible server on this machine that misbehaves as it is told, and what its tests need beside it.

`scripted(answers)` is a well-behaved one that gives fixed answers in turn. To make a transcript without a model, run a
search against it with a `Transcript` to write to:

    with scripted(answers) as server:
        LlmProposer(server.endpoint(parallel=1), transcript=Transcript(path))
"""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from activations import Graph
from activations.graph import Node
from mining.candidate import Member, Proposal, Rejected
from mining.llm import Caps, Endpoint, LlmProposer

SOURCE = "def activation(x):\n    # Grows slowly, so a slope learnt inside holds outside.\n    return torch.asinh(x)"
ANSWER = f"```python\n{SOURCE}\n```"
KEY = "sk-a-secret-of-the-tests"


@dataclass(frozen=True)
class Received:
    """A request as the server got it."""

    path: str
    authorization: str
    body: dict[str, Any]


Behaviour = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Notes a request and lets the next behaviour answer it."""

    server: LlmServer
    received: Received

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.received = Received(self.path, self.headers.get("authorization", ""), body)
        self.server.next_behaviour(self.received)(self)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def send(self, body: bytes, status: int = 200, kind: str = "application/json", **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


class LlmServer(ThreadingHTTPServer):
    """Behaviours in the order of arrival, the last one for ever; `by_model` comes before them."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, *behaviours: Behaviour, by_model: dict[str, Behaviour] | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.received: list[Received] = []
        self.closing = threading.Event()
        self._behaviours = behaviours or (say(ANSWER),)
        self._by_model = by_model or {}
        self._given = 0
        self._lock = threading.Lock()

    def __enter__(self) -> LlmServer:
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is part of the tests."""

    def next_behaviour(self, received: Received) -> Behaviour:
        with self._lock:
            self.received.append(received)
            if received.body["model"] in self._by_model:
                return self._by_model[received.body["model"]]
            self._given += 1
            return self._behaviours[min(self._given, len(self._behaviours)) - 1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def endpoint(self, **settings: Any) -> Endpoint:
        """This server with one model, two retries and no key, unless `settings` say otherwise."""
        usual: dict[str, Any] = {"models": (("m", 1.0),), "key_variable": "", "timeout": 20.0, "retries": 2}
        return Endpoint(**{"base_url": self.url} | usual | settings)


def scripted(answers: Sequence[str]) -> LlmServer:
    """A server that gives the answers in turn, over and over; with `parallel=1` the n-th candidate gets the n-th."""
    turn = iter(range(10**9))
    return LlmServer(lambda handler: say(answers[next(turn) % len(answers)])(handler))


def number_answers(count: int) -> list[str]:
    """Answers that differ: x times 0, 1, 2 and so on."""
    return [f"```python\ndef activation(x):\n    # Number {i}.\n    return {i} * x\n```" for i in range(count)]


def chat(content: Any, finish: str | None = "stop", usage: Any = None) -> dict[str, Any]:
    """The body of an answer."""
    choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": finish}
    counts = {"prompt_tokens": 100, "completion_tokens": 20} if usage is None else usage
    return {"id": "1", "object": "chat.completion", "choices": [choice], "usage": counts}


def say(content: Any, finish: str | None = "stop", usage: Any = None) -> Behaviour:
    """Answer as a model does."""
    return send_json(chat(content, finish, usage))


def send_json(data: Any) -> Behaviour:
    return lambda handler: handler.send(json.dumps(data).encode())


def send_bytes(body: bytes, kind: str = "application/json") -> Behaviour:
    return lambda handler: handler.send(body, kind=kind)


OK = say(ANSWER)


def status(code: int, message: str = "no", error_code: str = "", **headers: str) -> Behaviour:
    """Refuse, with an error as the OpenAI API writes it."""
    body = json.dumps({"error": {"message": message, "code": error_code}}).encode()
    return lambda handler: handler.send(body, code, **headers)


def retry_at(seconds: float) -> Behaviour:
    """Status 429 that names a date, so many seconds from now."""
    return lambda handler: handler.send(b"{}", 429, Retry_After=formatdate(time.time() + seconds, usegmt=True))


def stay_silent(handler: Handler) -> None:
    """Say nothing until the test is over."""
    handler.server.closing.wait(10)


def drip(handler: Handler) -> None:
    """Send a byte now and then, so that no single read ever takes long."""
    handler.send_response(200)
    handler.end_headers()
    while not handler.server.closing.wait(0.02):
        handler.wfile.write(b" ")
        handler.wfile.flush()


def never_end(handler: Handler) -> None:
    """Send a body without end."""
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(b'{"choices": [{"message": {"content": "')
    while not handler.server.closing.is_set():
        handler.wfile.write(b"x" * 65536)


def reset(handler: Handler) -> None:
    """Break the connection without a word."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def hang_up(handler: Handler) -> None:
    """Announce more than is sent."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [')


def make_member(name: str, fitness: float, niche: int = 0, source: str = "") -> Member:
    """A scored function; its graph does not matter here."""
    graph = Graph((Node("sin", ("x",)),), ("v0",))
    families = {"polynomials": fitness - 0.1, "feynman": fitness + 0.1}
    text = source or f"def activation(x):\n    # The idea of {name}.\n    return torch.sin(x)\n"
    return Member(name, graph, text, "", "start", fitness, families, (), 0, (niche,))


@dataclass(frozen=True)
class FixedView:
    """A view that holds what it is given."""

    members: Sequence[Member] = field(default_factory=lambda: [make_member("good", -0.3), make_member("relu", 0.0, 1)])
    elites: Sequence[Member] = ()
    rejections: Sequence[Rejected] = ()

    def parent(self, stream: np.random.Generator) -> Member:
        return self.members[int(stream.integers(len(self.members)))]


def proposer(server: LlmServer, caps: Caps | None = None, **options: Any) -> tuple[LlmProposer, list[float]]:
    """One that asks the server one request at a time, and the waits that it would have kept."""
    keywords = {name: options.pop(name) for name in ("transcript", "live") if name in options}
    waits: list[float] = []
    endpoint = server.endpoint(**{"parallel": 1} | options)
    return LlmProposer(endpoint, caps, wait=waits.append, **keywords), waits


def ask(proposer: LlmProposer, count: int = 1, seed: int = 0) -> list[Proposal]:
    """One generation over a view that stays the same."""
    return proposer.propose(count, FixedView(), np.random.default_rng(seed))
