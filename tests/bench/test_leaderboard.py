"""The board says what the records say: all of it, nothing else, and always in the same bytes."""

import random

import pytest

from bench.leaderboard import render
from bench.records import Record
from bench.store import Loaded

from .conftest import MakeRecord


def board(records: list[Record], *damaged: str) -> str:
    return render(Loaded(tuple(records), damaged))


@pytest.fixture
def records(make_record: MakeRecord) -> list[Record]:
    found = [
        make_record(task, name, seed, 90 + seed + bonus, track=track)
        for task, track in (("digits", "stand-in"), ("lab-feynman", "real"))
        for name, bonus in (("relu", 0), ("gelu", 0.5))
        for seed in (0, 1, 2)
    ]
    return [*found, make_record("digits", "sine", 0, outcome="diverged")]


def test_the_same_records_give_the_same_bytes(records: list[Record]) -> None:
    first = board(records)
    for seed in range(5):
        random.Random(seed).shuffle(records)
        assert board(records) == first


def test_it_shows_scores_differences_and_ranks(records: list[Record]) -> None:
    text = board(records)
    assert "| 1      | gelu         | 1.00        | +0.50 ± 0.00 (3)" in text
    assert "91.50 ± 1.00 (3)" in text
    assert "90.50 to 92.50" in text
    assert "`bench run --profile smoke --tasks lab-feynman --activations gelu,relu --seeds 0,1,2`" in text
    assert "commit c0ffeec0ffee: 7 cells" in text
    assert "2 / 0" in text


def test_a_mined_function_is_marked_where_it_was_mined(records: list[Record]) -> None:
    assert "†" not in board(records).partition("## Profile")[2]
    mined = [
        record.model_copy(update={"activation": record.activation.model_copy(update={"mined_on": ("lab-feynman",)})})
        if record.activation.name == "gelu"
        else record
        for record in records
    ]
    marked = {line for line in board(mined).partition("## Profile")[2].splitlines() if "†" in line}
    assert marked
    assert all(line.startswith(("| 1      | gelu", "| gelu ")) for line in marked), marked
    lab = board(mined).partition("### lab-feynman")[2].partition("###")[0]
    digits = board(mined).partition("### digits\n")[2].partition("###")[0]
    assert "+0.50 ± 0.00 (3) †" in lab
    assert "†" not in digits


def test_stand_ins_stand_apart(records: list[Record]) -> None:
    text = board(records)
    real, stand_in = text.index("## Profile `smoke`, real"), text.index("## Profile `smoke`, stand-ins")
    assert real < text.index("### lab-feynman") < stand_in < text.index("### digits")
    assert "lab-feynman" not in text[stand_in:]
    assert "**Stand-in data**" in text[stand_in:]


def test_what_is_missing_is_named(records: list[Record]) -> None:
    text = board(records)
    assert "* sine: digits: 1 diverged of 1" in text
    assert "### Failures" in text
    assert "| digits | sine         | 0      | diverged  | it diverged |" in text


def test_a_reference_is_held_against_relu_under_paper_only(make_record: MakeRecord) -> None:
    reference = {"value": 95.0, "low": 94.0, "high": 96.0, "source": "a paper"}

    def anchor(score: float, profile: str = "paper") -> str:
        text = board([make_record("t", "relu", 0, score, profile=profile, reference=reference)])
        return next(line for line in text.splitlines() if line.startswith("* Anchor"))

    assert "Anchor: anchored" in anchor(94.5)
    assert "not anchored" in anchor(93.9)
    assert "not anchored" in anchor(96.1)
    assert "not the published protocol" in anchor(94.5, "cpu")


def test_text_of_strangers_cannot_break_a_table(make_record: MakeRecord) -> None:
    nasty = make_record("t", outcome="crashed").model_copy(update={"reason": "a | b\n| c |\n# head"})
    line = next(line for line in board([nasty]).splitlines() if "a \\|" in line)
    assert line.endswith("a \\| b \\| c \\| # head |")


def test_refused_files_are_named(records: list[Record]) -> None:
    assert "* smoke/digits/x.json is no valid record" in board(records, "smoke/digits/x.json is no valid record")


def test_a_function_from_a_file_needs_its_file(make_record: MakeRecord) -> None:
    text = board([make_record("t", name) for name in ("relu", "my-own")])
    assert "--activations my-own,relu --seeds 0 --plugin FILE`" in text


def test_no_records_is_said(records: list[Record]) -> None:
    assert "There are no records yet" in board([])
