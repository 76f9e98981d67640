"""What is committed is what the committed records give: the board, its pictures, the findings, the gallery's index."""

import re
from pathlib import Path

import activations
from bench.evidence import gather
from bench.findings import render_findings
from bench.leaderboard import render
from bench.store import Store

ROOT = Path(__file__).parents[2]
FIGURES = "docs/figures"


def test_the_committed_board_is_that_of_the_committed_records() -> None:
    text = render(Store(ROOT / "results").load(), figures=FIGURES)
    assert (ROOT / "leaderboard.md").read_text(encoding="utf-8") == text, (
        f"leaderboard.md is not what the records give: run `bench leaderboard --figures {FIGURES}`"
    )


def test_the_committed_findings_are_those_of_the_committed_records() -> None:
    text = render_findings(gather(Store(ROOT / "results").load(curves=False).records))
    assert (ROOT / "docs" / "findings.md").read_text(encoding="utf-8") == text, (
        "docs/findings.md is not what the records say: run `bench findings`"
    )


def test_every_picture_that_a_page_shows_is_there_and_no_other() -> None:
    shown = {ROOT / name for name in re.findall(r"\]\(([^)]+\.svg)\)", (ROOT / "leaderboard.md").read_text())}
    assert shown == set((ROOT / FIGURES).rglob("*.svg"))
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for name in re.findall(r"\]\(([^):#]+)[)#]", page.read_text(encoding="utf-8")):
            assert (page.parent / name).exists(), f"{page.name} links {name}"


def test_the_gallery_has_a_card_for_every_built_in() -> None:
    cards = {path.stem for path in (ROOT / "docs" / "activations").glob("*.md")} - {"README"}
    built_in = {
        name for name in activations.names() if activations.get(name).function.__module__.startswith("activations.")
    }
    assert cards == built_in, "run `bench card --all docs/activations`"
