"""Against a real server that misbehaves in every way the proposer survives, counts and tells."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mining.candidate import Proposal, Proposer
from mining.llm import LlmProposer
from mining.llm_usage import FAILURES
from mining.transcript import Transcript

from .llm_server import (
    ANSWER,
    OK,
    SOURCE,
    Behaviour,
    FixedView,
    LlmServer,
    ask,
    chat,
    drip,
    hang_up,
    never_end,
    proposer,
    reset,
    retry_at,
    say,
    send_bytes,
    send_json,
    status,
    stay_silent,
)


def test_an_answer_becomes_a_proposal_with_its_rationale() -> None:
    with LlmServer() as server:
        llm, waits = proposer(server, temperature=0.5)
        (proposal,) = ask(llm)
    assert (proposal.proposer, proposal.graph, proposal.source) == ("llm", None, SOURCE + "\n")
    assert proposal.rationale == "Grows slowly, so a slope learnt inside holds outside."
    assert proposal.operation.endswith("(m)")
    sent = server.received[0]
    assert sent.path == "/v1/chat/completions"
    assert (sent.body["model"], sent.body["temperature"], sent.body["max_tokens"]) == ("m", 0.5, 2048)
    assert [message["role"] for message in sent.body["messages"]] == ["system", "user"]
    assert (llm.usage.requests, llm.usage.answers, llm.usage.prompt_tokens, llm.usage.completion_tokens) == (
        1,
        1,
        100,
        20,
    )
    assert not llm.usage.failures
    assert waits == []


def test_it_is_a_proposer() -> None:
    with LlmServer() as server:
        one: Proposer = proposer(server)[0]
        one.learn([(Proposal("llm", source=SOURCE), 0.1)])
        assert one.name == "llm"


PASSING: dict[str, tuple[Behaviour, str, list[float]]] = {
    "silence": (stay_silent, "timeout", [1.0]),
    "drip": (drip, "timeout", [1.0]),
    "status 408": (status(408), "request", [1.0]),
    "status 429": (status(429), "rate-limit", [1.0]),
    "status 429, 0 s": (status(429, Retry_After="0"), "rate-limit", [0.0]),
    "status 429, 1 s": (status(429, Retry_After="1"), "rate-limit", [1.0]),
    "status 429, 7.5 s": (status(429, Retry_After="7.5"), "rate-limit", [7.5]),
    "status 429, an hour": (status(429, Retry_After="3600"), "rate-limit", [60.0]),
    "status 429, for ever": (status(429, Retry_After="inf"), "rate-limit", [60.0]),
    "status 429, no number": (status(429, Retry_After="nan"), "rate-limit", [1.0]),
    "status 429, nonsense": (status(429, Retry_After="soon"), "rate-limit", [1.0]),
    "status 429, a past date": (retry_at(-100), "rate-limit", [0.0]),
    "status 429, a far date": (retry_at(1e6), "rate-limit", [60.0]),
    "status 500": (status(500), "server", [1.0]),
    "status 503 with a wait": (status(503, Retry_After="3"), "server", [3.0]),
    "reset": (reset, "connection", [1.0]),
    "hang-up": (hang_up, "connection", [1.0]),
    "half a body": (send_bytes(json.dumps(chat(ANSWER)).encode()[:60]), "not-json", [1.0]),
    "no body": (send_bytes(b""), "not-json", [1.0]),
    "not JSON": (send_bytes(b"hello"), "not-json", [1.0]),
    "a page": (send_bytes(b"<html>Sign in</html>", "text/html"), "not-json", [1.0]),
    "bytes": (send_bytes(b"\xff\x00\x80"), "not-json", [1.0]),
    "deep JSON": (send_bytes(b"[" * 200_000), "not-json", [1.0]),
    "a list": (send_json([]), "malformed", [1.0]),
    "null": (send_json(None), "malformed", [1.0]),
    "no choices": (send_json({"choices": []}), "malformed", [1.0]),
    "choices of another kind": (send_json({"choices": {"0": 1}}), "malformed", [1.0]),
    "content of another kind": (say(["text"]), "malformed", [1.0]),
}


@pytest.mark.parametrize("name", PASSING)
def test_what_may_pass_is_asked_again(name: str) -> None:
    behaviour, kind, expected = PASSING[name]
    with LlmServer(behaviour, OK) as server:
        llm, waits = proposer(server, timeout=1.0 if kind == "timeout" else 20.0)
        proposals = ask(llm)
    assert [proposal.source for proposal in proposals] == [SOURCE + "\n"]
    assert llm.usage.failures == {kind: 1}
    assert f"{kind} 1 ({llm.usage.reasons[kind]})" in llm.usage.summary()
    assert waits == expected
    assert llm.usage.requests == len(server.received) == 2


LASTING: dict[str, tuple[Behaviour, str]] = {
    "status 400": (status(400, "use max_completion_tokens instead"), "request"),
    "status 307": (status(307, Location="http://127.0.0.1:9/"), "request"),
    "status 429, no money": (status(429, error_code="insufficient_quota"), "rate-limit"),
    "an endless body": (never_end, "oversized"),
    "no text": (say(""), "empty"),
    "null text": (say(None), "empty"),
    "no message": (send_json({"choices": [{}]}), "empty"),
    "length": (say(ANSWER, "length"), "truncated"),
    "withheld": (say(None, "content_filter"), "filtered"),
    "prose": (say("I would rather not."), "no-function"),
    "broken code": (say("```python\ndef activation(x):\n    return x x\n```"), "unparsable"),
    "half a function": (say("```python\ndef activation(x):"), "truncated"),
    "a long function": (say("def activation(x):\n    return x" + " + x" * 5000), "too-long"),
}


@pytest.mark.parametrize("name", LASTING)
def test_what_will_not_pass_costs_one_request_and_one_candidate(name: str) -> None:
    behaviour, kind = LASTING[name]
    with LlmServer(behaviour, OK) as server:
        llm, waits = proposer(server)
        assert len(ask(llm, 2)) == 1
    assert {**llm.usage.failures, "usage": 0} == {kind: 1, "usage": 0}
    assert f"{kind} 1 (" in llm.usage.summary()
    assert llm.usage.requests == len(server.received) == 2
    assert waits == []


def test_every_kind_of_failure_is_met_here() -> None:
    kinds = {kind for _, kind, _ in PASSING.values()} | {kind for _, kind in LASTING.values()}
    assert kinds | {"usage", "model"} == set(FAILURES)


@pytest.mark.parametrize(
    "behaviour",
    [
        say("Not so:\n```python\ndef f(x):\n    return x\n```\nbut so:\n" + ANSWER),
        send_bytes(json.dumps(chat(ANSWER)).encode(), "text/plain"),
        say(ANSWER, finish=None),
        say("\ud800\n" + ANSWER),
    ],
)
def test_odd_answers_with_a_function_are_taken(behaviour: Behaviour) -> None:
    with LlmServer(behaviour) as server:
        llm, _ = proposer(server)
        assert [proposal.source for proposal in ask(llm)] == [SOURCE + "\n"]
    assert not llm.usage.failures


def test_retries_end_and_their_waits_double() -> None:
    with LlmServer(status(500, "worn out")) as server:
        llm, waits = proposer(server, retries=8)
        assert ask(llm) == []
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    assert llm.usage.failures == {"server": 9}
    assert llm.usage.summary() == (
        "9 requests, 0 functions, 0 + 0 tokens, cost 0; server 9 (status 500: worn out)"
    )  # what the server refused costs nothing


def test_no_server_at_all_is_a_failed_connection() -> None:
    with LlmServer() as server:
        pass
    llm, _ = proposer(server)
    assert ask(llm) == []
    assert llm.usage.failures == {"connection": 3}
    assert llm.usage.prompt_tokens == 0
    assert "cannot connect to http://127.0.0.1" in llm.usage.summary()


HOSTILE = """\
import os
os.mkdir({mark!r})

def activation(x):
    os.mkdir({mark!r})
    return x
"""


def test_hostile_code_is_handed_on_and_never_run(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    source = HOSTILE.format(mark=str(mark))
    with LlmServer(say(f"```python\n{source}```")) as server:
        llm, _ = proposer(server, transcript=Transcript(tmp_path / "t"))
        (proposal,) = ask(llm)
        ask(llm)
        LlmProposer(server.endpoint(), transcript=Transcript.replay(tmp_path / "t"), live=False).propose(
            1, FixedView(), np.random.default_rng(0)
        )
    assert (proposal.source, proposal.graph) == (source, None)
    assert not mark.exists()


@pytest.mark.parametrize(
    "usage",
    [
        {},
        [],
        "many",
        {"prompt_tokens": -5, "completion_tokens": 20},
        {"prompt_tokens": 100, "completion_tokens": None},
        {"prompt_tokens": 100.5, "completion_tokens": 20},
        {"prompt_tokens": True, "completion_tokens": 20},
        {"prompt_tokens": 10**30, "completion_tokens": 20},
    ],
)
def test_absurd_token_counts_are_estimated(usage: Any) -> None:
    with LlmServer(say(ANSWER, usage=usage)) as server:
        llm, _ = proposer(server)
        assert len(ask(llm)) == 1
    assert llm.usage.failures == {"usage": 1}
    assert 90 < llm.usage.prompt_tokens < 3000
    assert 10 < llm.usage.completion_tokens < 100


def test_an_answer_that_may_have_been_made_is_paid_for() -> None:
    with LlmServer(stay_silent) as server:
        llm, _ = proposer(server, timeout=0.1, retries=1, max_output_tokens=500)
        ask(llm)
    assert llm.usage.completion_tokens == 1000
    assert llm.usage.prompt_tokens > 200
