"""A transcript gives back what was written, survives a torn line, and names what it cannot read."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from mining.transcript import Exchange, Transcript, TranscriptError, exchange_key, messages_hash

MESSAGES = ({"role": "user", "content": "σ(x)?"},)
EXCHANGE = Exchange(
    key="k1",
    model="m",
    messages=messages_hash(MESSAGES),
    text="zwei\nZeilen \u2028 σ",
    finish="stop",
    requests=2,
    prompt_tokens=7,
    completion_tokens=3,
    failures={"timeout": 1},
    reasons={"timeout": "late"},
)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "t.jsonl"
    transcript = Transcript(path)
    assert len(transcript) == 0
    transcript.add(EXCHANGE)
    transcript.add(replace(EXCHANGE, key="k2", text="", failure="timeout"))
    again = Transcript.replay(path)
    assert again.find("k1") == EXCHANGE
    assert again.find("k2") == replace(EXCHANGE, key="k2", text="", failure="timeout")
    assert again.find("k3") is None
    assert len(path.read_bytes().splitlines()) == len(again) == 2


def test_the_first_of_two_exchanges_of_one_name_holds(tmp_path: Path) -> None:
    transcript = Transcript(tmp_path / "t")
    transcript.add(EXCHANGE)
    transcript.add(replace(EXCHANGE, text="other"))
    assert transcript.find("k1") == EXCHANGE
    assert Transcript(tmp_path / "t").find("k1") == EXCHANGE


def test_a_torn_last_line_is_dropped_and_written_over(tmp_path: Path) -> None:
    path = tmp_path / "t"
    Transcript(path).add(EXCHANGE)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole) // 2])
    transcript = Transcript(path)
    assert len(transcript) == 1
    assert path.stat().st_size > len(whole)  # reading changes nothing
    transcript.add(replace(EXCHANGE, key="k2"))
    transcript.add(replace(EXCHANGE, key="k3"))
    assert [json.loads(line)["key"] for line in path.read_bytes().splitlines()] == ["k1", "k2", "k3"]


def test_a_file_of_one_torn_line_is_an_empty_transcript(tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_bytes(b'{"key": "k1", "mod')
    assert len(Transcript(path)) == 0


@pytest.mark.parametrize(
    "line",
    [
        b"hello",
        b"[1]",
        b'{"key": "k"}',
        b"\xff\xfe",
        json.dumps(asdict(EXCHANGE) | {"extra": 1}).encode(),
        json.dumps(asdict(EXCHANGE) | {"requests": "2"}).encode(),
        json.dumps(asdict(EXCHANGE) | {"text": None}).encode(),
        json.dumps(asdict(EXCHANGE) | {"failures": []}).encode(),
        b"[" * 100_000,
    ],
)
def test_a_file_of_another_kind_is_refused_by_its_line(line: bytes, tmp_path: Path) -> None:
    path = tmp_path / "t"
    Transcript(path).add(EXCHANGE)
    path.write_bytes(path.read_bytes() + line + b"\n")
    with pytest.raises(TranscriptError, match=r"line 2 of .*t is no exchange"):
        Transcript(path)


def test_a_replay_needs_its_file_and_leaves_it_alone(tmp_path: Path) -> None:
    path = tmp_path / "t"
    with pytest.raises(TranscriptError, match="there is no transcript"):
        Transcript.replay(path)
    Transcript(path).add(EXCHANGE)
    before = path.read_bytes()
    replayed = Transcript.replay(path)
    replayed.add(replace(EXCHANGE, key="k2"))
    assert replayed.find("k2") is not None
    assert path.read_bytes() == before


def test_a_file_that_cannot_be_written_or_read_gets_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x\n")
    with pytest.raises(TranscriptError, match="cannot write the transcript"):
        Transcript(tmp_path / "file" / "t").add(EXCHANGE)
    with pytest.raises(TranscriptError, match="cannot read the transcript"):
        Transcript(tmp_path)


def test_lines_from_many_threads_stay_whole(tmp_path: Path) -> None:
    transcript = Transcript(tmp_path / "t")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: transcript.add(replace(EXCHANGE, key=str(i), text="x" * 10_000)), range(40)))
    assert len(Transcript(tmp_path / "t")) == 40


def test_each_line_is_on_the_disk_before_the_next_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda number: synced.append(os.fstat(number).st_size))
    transcript = Transcript(tmp_path / "t")
    transcript.add(EXCHANGE)
    assert synced == [(tmp_path / "t").stat().st_size]


def test_a_key_hangs_on_everything_that_was_asked() -> None:
    settings = {"temperature": 1.0, "max_output_tokens": 100}
    keys = {
        exchange_key("m", MESSAGES, settings, "0/0"),
        exchange_key("n", MESSAGES, settings, "0/0"),
        exchange_key("m", ({"role": "user", "content": "?"},), settings, "0/0"),
        exchange_key("m", MESSAGES, settings | {"temperature": 0.5}, "0/0"),
        exchange_key("m", MESSAGES, settings, "0/1"),
    }
    assert len(keys) == 5
    assert exchange_key("m", MESSAGES, dict(reversed(settings.items())), "0/0") in keys
