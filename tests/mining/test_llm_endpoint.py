"""Keys stay secret, models that are missing are dropped, proxies and parallel requests change no answer."""

import logging
import threading
from collections import Counter
from pathlib import Path

import pytest

from mining.llm import LlmError
from mining.transcript import Transcript

from .llm_server import KEY, OK, SOURCE, Handler, LlmServer, ask, proposer, say, send_bytes, status


def test_a_refused_key_ends_the_search_with_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    with LlmServer(OK, status(401, f"wrong key {KEY}")) as server:
        llm, _ = proposer(server, key_variable="MY_KEY", transcript=Transcript(tmp_path / "t"))
        with pytest.raises(LlmError, match=r"refuses the key in the environment variable MY_KEY .* set it") as error:
            ask(llm, 6)
    assert KEY not in str(error.value)
    assert server.received[0].authorization == f"Bearer {KEY}"
    assert len(server.received) == 2
    assert len(Transcript(tmp_path / "t")) == 1  # what was answered is kept, what was refused is open


def test_a_missing_key_is_told_before_anything_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with LlmServer() as server:
        with pytest.raises(LlmError, match="environment variable OPENAI_API_KEY holds no key"):
            proposer(server, key_variable="OPENAI_API_KEY")
        assert server.received == []
    with LlmServer(status(401)) as server, pytest.raises(LlmError, match="wants a key"):
        ask(proposer(server)[0])


def test_the_key_stands_nowhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    echoes = [say(f"```python\n# {KEY}\n{SOURCE}\n```"), status(400, f"no {KEY}"), send_bytes(f"<p>{KEY}".encode())]
    with LlmServer(*echoes) as server:
        llm, _ = proposer(server, key_variable="MY_KEY", transcript=Transcript(tmp_path / "t"))
        proposals = ask(llm, 3)
    shown = [repr(proposals), repr(llm.endpoint), llm.state(), llm.usage.summary(), (tmp_path / "t").read_text()]
    assert "[key]" in shown[0]
    assert "status 400: no [key]" in shown[3]
    assert not [text for text in [*shown, caplog.text] if KEY in text]


@pytest.mark.parametrize("code", [403, 404])
def test_a_model_that_is_not_there_is_dropped_and_the_others_go_on(code: int) -> None:
    with LlmServer(by_model={"gone": status(code, "no model gone")}) as server:
        llm, _ = proposer(server, models=(("gone", 1.0), ("m", 1.0)))
        first, second = ask(llm, 10), ask(llm, 10, seed=1)
        assert 0 < len(first) < 10
        assert len(second) == 10
        assert llm.exhausted == ""
        assert llm.usage.failures == {"model": 10 - len(first)}
        resumed, _ = proposer(server, models=(("gone", 1.0), ("m", 1.0)))
        resumed.restore(llm.state())
        assert len(ask(resumed, 10)) == 10


def test_without_any_model_it_is_exhausted() -> None:
    with LlmServer(status(404, "no such thing")) as server:
        llm, _ = proposer(server)
        assert ask(llm, 2) == []
        assert llm.exhausted == "the endpoint has none of the models (status 404: no such thing)."
        assert ask(llm, 2) == []
    assert len(server.received) == 2


def test_models_are_drawn_by_weight_and_asked_in_parallel() -> None:
    together = threading.Barrier(4, timeout=20)

    def wait_for_three_more(handler: Handler) -> None:
        together.wait()
        OK(handler)

    with LlmServer(wait_for_three_more) as server:
        llm, _ = proposer(server, parallel=4, models=(("often", 9.0), ("seldom", 1.0)))
        assert len(ask(llm, 40)) == 40
    drawn = Counter(received.body["model"] for received in server.received)
    assert 28 <= drawn["often"] < 40


def test_the_order_of_arrival_does_not_matter() -> None:
    """The later a request comes in, the sooner it is answered; each answer names the model that was asked."""
    arrived = iter(range(100))
    gates = [threading.Event() for _ in range(6)]
    gates[5].set()

    def name_model(handler: Handler) -> None:
        say(f"def activation(x):\n    # {handler.received.body['model']}\n    return x")(handler)

    def answer_backwards(handler: Handler) -> None:
        turn = next(arrived)
        gates[turn + 1].wait(10)
        name_model(handler)
        gates[turn].set()

    models = tuple((f"m{i}", 1.0) for i in range(20))
    with LlmServer(answer_backwards) as server:
        backwards = ask(proposer(server, parallel=5, models=models)[0], 5)
    with LlmServer(name_model) as server:
        assert ask(proposer(server, parallel=1, models=models)[0], 5) == backwards
    assert len({proposal.rationale for proposal in backwards}) > 1


def test_a_proxy_is_used_for_other_machines_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    with LlmServer() as proxy, LlmServer() as server:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.server_port}")
        for url in (server.url, server.url.replace("127.0.0.1", "localhost")):
            assert len(ask(proposer(server, base_url=url)[0])) == 1
        assert (len(server.received), len(proxy.received)) == (2, 0)
        assert len(ask(proposer(server, base_url="http://models.invalid/v1")[0])) == 1
    assert [received.path for received in proxy.received] == ["http://models.invalid/v1/chat/completions"]


def test_what_an_endpoint_does_not_accept_is_left_out() -> None:
    with LlmServer() as server:
        ask(proposer(server, temperature=None, limit_name="max_completion_tokens", max_output_tokens=9)[0])
    body = server.received[0].body
    assert "temperature" not in body
    assert "max_tokens" not in body
    assert body["max_completion_tokens"] == 9
