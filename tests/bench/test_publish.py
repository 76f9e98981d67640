"""Chosen records move to the published ones, once, and only where they are what they say."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

import activations
from bench.errors import BenchError, StoreError, UsageError
from bench.publish import check_words, matching, publish, write_board
from bench.records import Record
from bench.store import LOCAL, Store

from .conftest import record_fields


def sound(**options: Any) -> Record:
    graph = activations.get("relu").graph
    fields = record_fields(graph_hash=graph.hash, **options)
    fields["activation"]["graph"] = json.loads(graph.to_json())
    fields["metrics"] = {"test_accuracy": fields["score"]}
    return Record.model_validate(fields)


def test_chosen_records_move(tmp_path: Path) -> None:
    local, public = Store(tmp_path / LOCAL), Store(tmp_path)
    for seed in (0, 1):
        local.write(sound(task="digits", seed=seed))
    local.write(sound(task="lab-feynman"))
    assert publish(tmp_path, matching("smoke", ["digits"], []), allow_dirty=False) == 0
    assert [record.task.name for record in public.load().records] == ["digits", "digits"]
    assert [record.task.name for record in local.load().records] == ["lab-feynman"]


@pytest.mark.parametrize("fault", ["dirty", "graph", "name", "damaged", "twice", "copied", "score"])
def test_what_is_refused(tmp_path: Path, fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    local, record = Store(tmp_path / LOCAL), sound()
    if fault == "dirty":
        record = record.model_copy(update={"dirty": True})
    if fault == "graph":
        other = json.loads(activations.get("gelu").graph.to_json())
        record = record.model_copy(update={"activation": record.activation.model_copy(update={"graph": other})})
    if fault == "name":
        record = sound(activation="gelu")
    if fault == "twice":
        Store(tmp_path).write(record)
    if fault == "copied":
        losses = {"train_loss": [1 / step for step in range(1, 30)]}
        Store(tmp_path).write(sound(seed=1).model_copy(update={"curves": losses}))
        record = record.model_copy(update={"curves": losses})
    if fault == "score":
        record = record.model_copy(update={"score": 99.0})
    path = local.write(record)
    if fault == "damaged":
        path.write_text("{}")
    assert publish(tmp_path, matching("", [], []), allow_dirty=False) == 1
    assert path.exists()
    assert len(list(Store(tmp_path).paths())) == (fault in ("twice", "copied"))
    words = {"dirty": "local changes", "graph": "another graph", "damaged": "no valid", "twice": "published already"}
    words |= {"name": "is called gelu but holds another function", "score": "which none of its metrics is"}
    words["copied"] = "has the loss curve of smoke/fake-good/relu-s1-"
    assert words[fault] in capsys.readouterr().err


def test_dirty_records_can_be_allowed(tmp_path: Path) -> None:
    Store(tmp_path / LOCAL).write(sound().model_copy(update={"dirty": True}))
    assert publish(tmp_path, matching("", [], []), allow_dirty=True) == 0


def test_nothing_to_publish_is_said(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="nothing to publish"):
        publish(tmp_path, matching("", [], []), allow_dirty=False)


def test_a_misspelt_name_gets_the_nearest(tmp_path: Path) -> None:
    Store(tmp_path / LOCAL).write(sound(task="lab-harmonics"))
    check_words(tmp_path, ["lab-*"], ["relu"])
    with pytest.raises(UsageError, match="did you mean lab-harmonics"):
        check_words(tmp_path, ["lab-harmonix"], [])
    with pytest.raises(UsageError, match="did you mean relu"):
        check_words(tmp_path, [], ["rulu"])


def test_boards_lie_apart(tmp_path: Path) -> None:
    results = tmp_path / "results"
    Store(results).write(sound(seed=0))
    Store(results / LOCAL).write(sound(seed=1))
    published, own = write_board(results, False, None), write_board(results, True, None)
    assert (published, own) == (tmp_path / "leaderboard.md", results / LOCAL / "leaderboard.md")
    assert "--seeds 0`" in published.read_text()
    assert "--seeds 1`" in own.read_text()
    before = published.read_bytes()
    write_board(results, False, None)
    assert published.read_bytes() == before


def test_a_board_is_not_lost_to_a_slip(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no results folder"):
        write_board(tmp_path / "nowhere", False, None)
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="there is no results folder"):
        write_board(tmp_path / "file", False, None)
    assert not (tmp_path / "leaderboard.md").exists()
    with pytest.raises(StoreError, match="cannot write"):
        write_board(tmp_path, False, tmp_path / "file" / "board.md")


def test_a_strange_file_does_not_block_the_board(tmp_path: Path) -> None:
    results = tmp_path / "results"
    folder = Store(results).write(sound()).parent
    (folder / os.fsdecode(b"\xff.json")).write_text("{}")
    (folder / "e.json").mkdir()
    text = write_board(results, False, None).read_text()
    assert "?.json is no valid record" in text
    assert "e.json cannot be read (is a directory)" in text
    assert "--seeds 0`" in text


def test_pictures_beside_the_board(tmp_path: Path) -> None:
    results, pictures = tmp_path / "results", tmp_path / "docs" / "pictures"
    for name in ("relu", "gelu"):
        for seed in range(5):
            fields = record_fields("digits", name, seed, 90.0 + seed + (name == "gelu") * (1 + seed / 9))
            Store(results).write(Record.model_validate(fields))
    drawn = pictures / "smoke-stand-in"
    drawn.mkdir(parents=True)
    (drawn / "forest-gone.svg").write_text("of an earlier rendering")
    (pictures / "mine.svg").write_text("somebody's own")
    gone = pictures / "cpu-real" / "cost.svg"
    gone.parent.mkdir()
    gone.write_text("of a board that is no more")
    (gone.parent / "mine.svg").write_text("somebody's own")
    text = write_board(results, False, figures=pictures).read_text()
    assert "(docs/pictures/smoke-stand-in/forest-digits.svg)" in text
    assert {path.name for path in drawn.iterdir()} == set(re.findall(r"smoke-stand-in/([^)]+)\)", text))
    assert (pictures / "mine.svg").exists()
    assert [path.name for path in gone.parent.iterdir()] == ["mine.svg"]
    assert "pictures" not in write_board(results, False).read_text()
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot write"):
        write_board(results, False, figures=tmp_path / "file" / "pictures")
