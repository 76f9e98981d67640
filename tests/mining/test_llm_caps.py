"""Caps hold, also in parallel and across a resume; settings that make no sense get one sentence."""

import threading
from collections import Counter
from typing import Any

import pytest

from mining.llm import Caps, Endpoint, LlmError, Price, read_models, read_prices
from mining.llm_usage import Budget, Hold, Usage

from .llm_server import ANSWER, OK, LlmServer, ask, proposer, say, status


@pytest.mark.parametrize("parallel", [1, 8])
def test_a_cap_on_requests_counts_failed_and_repeated_ones(parallel: int) -> None:
    with LlmServer(status(500), OK) as server:
        llm, _ = proposer(server, Caps(requests=7), parallel=parallel)
        assert len(ask(llm, 20)) == 6
        assert llm.exhausted == "the cap of 7 requests is reached."
        assert ask(llm, 20, seed=1) == []
    assert len(server.received) == llm.usage.requests == 7


@pytest.mark.parametrize("parallel", [1, 8])
def test_a_cap_on_tokens_holds(parallel: int) -> None:
    with LlmServer(say(ANSWER, usage={"prompt_tokens": 900, "completion_tokens": 100})) as server:
        llm, _ = proposer(server, Caps(tokens=10_000), parallel=parallel, max_output_tokens=200)
        proposals = ask(llm, 30)
    used = llm.usage.prompt_tokens + llm.usage.completion_tokens
    assert used == 1000 * len(proposals)
    assert 8_000 <= used <= 10_000
    assert "cap of 10,000 tokens" in llm.exhausted


def test_a_cap_on_cost_holds() -> None:
    prices = {"m": Price(prompt=10.0, completion=100.0)}  # a request costs 100 * 10 / 1e6 + 20 * 100 / 1e6
    with LlmServer() as server:
        llm, _ = proposer(server, Caps(cost=0.03, prices=prices), max_output_tokens=100)
        proposals = ask(llm, 30)
    assert llm.usage.cost == pytest.approx(0.003 * len(proposals))
    assert 1 <= len(proposals) <= 10
    assert "cap of 0.03 on cost" in llm.exhausted


def test_a_cap_of_nothing_sends_nothing() -> None:
    with LlmServer() as server:
        llm, _ = proposer(server, Caps(requests=0))
        assert ask(llm, 3) == []
    assert server.received == []


def test_caps_hold_across_a_resume() -> None:
    with LlmServer() as server:
        first, _ = proposer(server, Caps(requests=5))
        ask(first, 3)
        second, _ = proposer(server, Caps(requests=5))
        second.restore("")
        second.restore(first.state())
        assert second.usage == first.usage
        assert second.state() == first.state()
        assert len(ask(second, 9, seed=1)) == 2
    assert len(server.received) == 5


def test_a_request_waits_for_those_on_their_way_before_it_is_denied() -> None:
    budget = Budget(Caps(tokens=100), Usage())
    first, second = Hold("m", 10, 50), Hold("m", 10, 70)
    assert budget.take(first)
    taken: list[bool] = []
    thread = threading.Thread(target=lambda: taken.append(budget.take(second)))
    thread.start()
    budget.settle(first, 10, 5)
    thread.join(5)
    assert taken == [True]
    budget.settle(second, 10, 70)
    assert not budget.take(first)
    assert "(95 are used)" in budget.denied


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"base_url": "api.example.org"}, "no base URL"),
        ({"base_url": "file:///v1"}, "no base URL"),
        ({"models": ()}, "at least one model"),
        ({"models": (("m", 1.0), ("m", 2.0))}, "each model once"),
        ({"models": (("m", 0.0),)}, "weight of the model 'm' is 0"),
        ({"models": (("m", float("nan")),)}, "weight"),
        ({"temperature": 2.5}, "temperature is 2.5"),
        ({"timeout": 0.0}, "timeout"),
        ({"parallel": 0}, "at least 1"),
        ({"retries": -1}, "at least 0"),
    ],
)
def test_bad_settings_get_one_sentence(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(LlmError, match=words):
        Endpoint(**{"base_url": "http://localhost/v1", "models": (("m", 1.0),)} | settings)


def test_bad_caps_get_one_sentence() -> None:
    with pytest.raises(LlmError, match="cap on tokens is -1"):
        Caps(tokens=-1)
    with pytest.raises(LlmError, match="price of the model 'm'"):
        Caps(prices={"m": Price(-1, 0)})
    with LlmServer() as server, pytest.raises(LlmError, match="the price of 'm' is not known"):
        proposer(server, Caps(cost=1.0))


def test_models_and_prices_as_they_are_typed() -> None:
    assert read_models(["qwen2.5:7b", "org/large=3", " a=b =0.5"]) == (
        ("qwen2.5:7b", 1),
        ("org/large", 3),
        ("a=b", 0.5),
    )
    assert read_prices(["m=0.15/0.6", "a=b=1/2"]) == {"m": Price(0.15, 0.6), "a=b": Price(1, 2)}
    for read, text in ((read_models, "m=much"), (read_prices, "m=1"), (read_prices, "m=1.2.3/4"), (read_prices, "m")):
        with pytest.raises(LlmError, match=text):
            read([text])


def test_usage_survives_json() -> None:
    usage = Usage(3, 1, 10, 5, 0.25, Counter(timeout=2), {"timeout": "late"})
    assert Usage.from_json(usage.to_json()) == usage
    assert usage.summary() == "3 requests, 1 functions, 10 + 5 tokens, cost 0.25; timeout 2 (late)"
