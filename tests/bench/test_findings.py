"""The page of the findings: its answers in words, the anchors, the hours, and how it is written."""

from pathlib import Path

import pytest

from bench.evidence import gather
from bench.findings import render_findings
from bench.findings.hours import hours
from bench.publish import write_findings
from bench.store import Store

from .conftest import MakeRecord
from .small_boards import board_of, evidence_of, four, records


def test_an_hour_is_divided_by_what_was_scored(make_record: MakeRecord) -> None:
    """Each cell takes 3.5 s and half a second of start, 2 s of it training and 1 s testing."""
    held = [make_record("v", "relu", seed, 70.0, family="vision", track="real", train=2.0) for seed in range(3)]
    held.append(make_record("v", "relu", 3, outcome="timeout", family="vision", track="real", train=2.0))
    (hour,) = hours(board_of(held))
    assert hour.cells == 3
    assert hour.seconds == pytest.approx(16 / 3)
    assert hour.an_hour == pytest.approx(3600 * 3 / 16)
    assert (hour.training, hour.testing) == pytest.approx((8 / 16, 4 / 16))


def test_the_page_says_what_it_cannot_tell(make_record: MakeRecord) -> None:
    held = records(make_record, "m", four(sine=0.1), "molecules")
    text = render_findings([evidence_of(held)])
    assert "**In the field we cannot tell 4 of 4 comparisons from 0.**" in text
    assert text.count("No records say anything to it yet.") == 2


def test_the_page_of_a_told_difference(make_record: MakeRecord) -> None:
    text = render_findings([evidence_of(records(make_record, "m", four(), "molecules"))])
    assert "gelu-sine is better than relu (+0.4" in text
    assert "we cannot tell 2 of 4 comparisons from 0.**" in text


def test_stand_ins_and_no_records_answer_nothing(make_record: MakeRecord) -> None:
    standin = [
        make_record("m", name, seed, score, family="molecules", track="stand-in")
        for name, scores in four().items()
        for seed, score in enumerate(scores)
    ]
    assert render_findings(gather(standin)) == render_findings([])
    assert render_findings([]).count("No records say anything to it yet.") == 3


def test_the_gap_to_the_published_number(make_record: MakeRecord) -> None:
    reference = {"value": 95.0, "low": 94.0, "high": 96.0, "source": "a paper"}
    held = records(make_record, "m", {"relu": (90.0, 91.0, 92.0)}, "molecules", reference=reference, profile="paper")
    lines = render_findings([evidence_of(held)]).split("## Is anything reproduced?")[1].splitlines()
    row = next(line for line in lines if line.startswith("| `paper`"))
    assert [cell.strip() for cell in row.strip("|").split("|")][3:] == [
        "95.00",
        "94.00 to 96.00",
        "-4.00",
        "not anchored",
    ]


def test_it_is_written_beside_the_records_whole_or_not_at_all(make_record: MakeRecord, tmp_path: Path) -> None:
    results = tmp_path / "results"
    for record in records(make_record, "m", four(), "molecules"):
        Store(results).write(record)
        Store(results / "local").write(record)
    assert write_findings(results, local=False) == tmp_path / "docs" / "findings.md"
    assert write_findings(results, local=True) == results / "local" / "findings.md"
    text = (tmp_path / "docs" / "findings.md").read_text(encoding="utf-8")
    own = (results / "local" / "findings.md").read_text(encoding="utf-8")
    assert "What the published records say" in text
    assert "[leaderboard](../leaderboard.md)" in text
    assert "What your own, unpublished records say" in own
    assert "[leaderboard](leaderboard.md)" in own
    assert text.partition("## In short")[2] == own.partition("## In short")[2]
    assert list((tmp_path / "docs").iterdir()) == [tmp_path / "docs" / "findings.md"]
