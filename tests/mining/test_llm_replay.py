"""With a transcript a search repeats itself, without a server, and goes on where it broke off."""

import threading
from pathlib import Path

import pytest

from mining.llm import Caps, Endpoint, LlmError, LlmProposer
from mining.llm_batch import Batch, Slot
from mining.llm_usage import Budget, Usage
from mining.transcript import Transcript, TranscriptError

from .llm_server import OK, Handler, LlmServer, ask, number_answers, proposer, reset, say, scripted, status


def test_a_search_is_replayed_without_a_server_and_without_a_key(tmp_path: Path) -> None:
    behaviours = [say(number_answers(1)[0]), status(500), reset, say(""), status(400), OK]
    with LlmServer(*behaviours) as server:
        llm, _ = proposer(server, transcript=Transcript(tmp_path / "t"), retries=1)
        recorded = [ask(llm, 4), ask(llm, 3, seed=1)]
    offline = Endpoint("http://models.invalid/v1", (("m", 1.0),))
    again = LlmProposer(offline, transcript=Transcript.replay(tmp_path / "t"), live=False)
    assert [ask(again, 4), ask(again, 3, seed=1)] == recorded
    assert again.usage == llm.usage
    assert again.state() == llm.state()
    assert again.replayed == 7
    assert llm.usage.failures == {"server": 1, "connection": 1, "empty": 1, "request": 1}


def test_what_is_missing_is_asked_for_where_that_is_allowed(tmp_path: Path) -> None:
    answers = number_answers(6)
    with scripted(answers) as server:
        whole, _ = proposer(server, transcript=Transcript(tmp_path / "whole"))
        expected = ask(whole, 6)
    lines = (tmp_path / "whole").read_bytes().splitlines(keepends=True)
    (tmp_path / "t").write_bytes(b"".join(lines[:3]) + lines[3][:50])  # the process died while it wrote
    with scripted(answers[3:]) as server:
        llm, _ = proposer(server, transcript=Transcript(tmp_path / "t"))
        assert ask(llm, 6) == expected
    assert (llm.replayed, len(server.received)) == (3, 3)
    assert llm.usage == whole.usage
    assert (tmp_path / "t").read_bytes() == (tmp_path / "whole").read_bytes()


def test_what_is_missing_is_an_error_where_nothing_may_be_asked(tmp_path: Path) -> None:
    with LlmServer() as server:
        ask(proposer(server, transcript=Transcript(tmp_path / "t"))[0], 2)
        replayed = Transcript.replay(tmp_path / "t")
        other, _ = proposer(server, transcript=replayed, live=False, temperature=0.1)
        with pytest.raises(TranscriptError, match="lacks an answer of m: replay it with the seed"):
            ask(other, 2)
        more, _ = proposer(server, transcript=replayed, live=False)
        with pytest.raises(TranscriptError, match="lacks an answer"):
            ask(more, 3)
    assert len(server.received) == 2


def test_what_the_caps_left_open_is_not_missing(tmp_path: Path) -> None:
    caps = Caps(requests=3)
    with scripted(number_answers(5)) as server:
        llm, _ = proposer(server, caps, transcript=Transcript(tmp_path / "t"))
        recorded = [ask(llm, 2), ask(llm, 2, seed=1), ask(llm, 2, seed=2)]
        again, _ = proposer(server, caps, transcript=Transcript.replay(tmp_path / "t"), live=False)
        assert [ask(again, 2), ask(again, 2, seed=1), ask(again, 2, seed=2)] == recorded
    assert [len(proposals) for proposals in recorded] == [2, 1, 0]
    assert again.exhausted == llm.exhausted == "the cap of 3 requests is reached."


def test_a_resumed_search_repeats_the_generation_that_broke_off(tmp_path: Path) -> None:
    with scripted(number_answers(6)) as server:
        llm, _ = proposer(server, transcript=Transcript(tmp_path / "t"))
        ask(llm, 2)
        state = llm.state()
        recorded = ask(llm, 2, seed=1)
        resumed, _ = proposer(server, transcript=Transcript(tmp_path / "t"))
        resumed.restore(state)
        assert ask(resumed, 2, seed=1) == recorded
        assert len({p.source for p in [*recorded, *ask(resumed, 2, seed=1)]}) == 4  # the next asks anew
    assert len(server.received) == 6
    assert resumed.usage.requests == 6


def test_an_interrupt_leaves_the_candidate_open(tmp_path: Path) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    with LlmServer(OK, status(500), OK) as server:
        llm = LlmProposer(server.endpoint(parallel=1), transcript=Transcript(tmp_path / "t"), wait=interrupt)
        with pytest.raises(KeyboardInterrupt):
            ask(llm, 50)
    assert len(server.received) == 2
    assert len(Transcript(tmp_path / "t")) == 1


def test_a_candidate_that_waits_when_the_search_ends_stays_open(tmp_path: Path) -> None:
    ended = threading.Event()

    class Told(Budget):
        def close(self) -> None:
            super().close()
            ended.set()

    def refuse(handler: Handler) -> None:
        waiting.wait(10)
        status(401)(handler)

    waiting = threading.Event()

    def wait(_: float) -> None:
        waiting.set()
        ended.wait(10)

    messages = ({"role": "user", "content": "?"},)
    transcript = Transcript(tmp_path / "t")
    with LlmServer(by_model={"slow": status(500), "shut": refuse}) as server:
        batch = Batch(server.endpoint(parallel=2), "", Told(Caps(), Usage()), transcript, wait)
        with pytest.raises(LlmError, match="wants a key"):
            batch.run([Slot("1", "slow", messages), Slot("2", "shut", messages)])
    assert len(transcript) == 0
    assert len(server.received) == 2


def test_a_full_disk_ends_the_search_with_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x\n")
    with LlmServer() as server, pytest.raises(TranscriptError, match="cannot write"):
        ask(proposer(server, transcript=Transcript(tmp_path / "file" / "t"))[0], 3)


def test_there_must_be_somewhere_to_get_answers_from() -> None:
    with LlmServer() as server, pytest.raises(LlmError, match="without a live endpoint"):
        proposer(server, live=False)
