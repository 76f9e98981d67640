"""The gallery: cards, pictures, an index; the same bytes each time, and nothing of the user's own records."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

import activations
from activations import UnknownActivation
from bench.errors import UsageError
from bench.gallery import INDEX, gallery, show
from bench.records import Record
from bench.store import LOCAL, Store

from .conftest import record_fields, run_bench

NAMES = ("silu", "relu", "turbulent", "hardshrink")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published score of ReLU and a local one."""
    folder = tmp_path_factory.mktemp("results")
    graph = activations.get("relu").graph.hash
    Store(folder).write(Record.model_validate(record_fields("published-task", graph_hash=graph)))
    Store(folder / LOCAL).write(Record.model_validate(record_fields("own-task", graph_hash=graph)))
    return folder


@pytest.fixture(scope="module")
def folder(results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The gallery of a few functions."""
    made = tmp_path_factory.mktemp("gallery") / "inner"
    assert gallery(made, results, NAMES) == len(NAMES)
    return made


def test_each_function_has_a_card_and_what_has_a_curve_a_picture(folder: Path) -> None:
    cards = {f"{name}.md" for name in NAMES}
    pictures = {f"{name}.svg" for name in NAMES if name != "turbulent"}
    assert {path.name for path in folder.iterdir()} == cards | pictures | {INDEX}
    for name in pictures:
        ElementTree.fromstring((folder / name).read_bytes())
    assert "![relu: curve, first and second derivative](relu.svg)" in (folder / "relu.md").read_text()
    assert "svg" not in (folder / "turbulent.md").read_text()


def test_the_index_leads_to_every_card(folder: Path) -> None:
    text = (folder / INDEX).read_text()
    rows = [line for line in text.splitlines() if line.startswith("| [")]
    assert [re.findall(r"\[(.*?)\]\((.*?)\)", row)[0] for row in rows] == [(n, f"{n}.md") for n in sorted(NAMES)]
    assert "`x * sigmoid(x)`" in rows[2]
    assert "| -0.278465 to ∞ |" in rows[2]
    assert "hand-designed" in rows[2]
    assert '<img src="silu.svg"' in rows[2]
    assert "not pointwise" in rows[3]
    assert "4 functions." in text


def test_links_and_pictures_of_the_index_are_there(folder: Path) -> None:
    text = "".join(path.read_text() for path in folder.glob("*.md"))
    linked = re.findall(r"\]\((\S+?\.(?:md|svg))\)|src=\"(\S+?)\"", text)
    assert len(linked) == 4 + 3 + 3
    assert all((folder / (link or picture)).is_file() for link, picture in linked)


def test_only_published_records_are_shown(folder: Path) -> None:
    text = (folder / "relu.md").read_text()
    assert "published-task" in text
    assert "own-task" not in text


def test_the_same_records_give_the_same_bytes_and_other_files_stay(folder: Path, results: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    gallery(tmp_path, results, NAMES[::-1])
    for path in folder.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_mistakes_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be a folder"):
        gallery(tmp_path / "file", tmp_path, ["relu"])
    with pytest.raises(UnknownActivation, match="did you mean relu"):
        gallery(tmp_path, tmp_path, ["relo"])
    for name, folder in (("", None), ("relu", tmp_path)):
        with pytest.raises(UsageError, match="name one activation"):
            show(name, folder, tmp_path)


def test_somebodys_own_readme_is_kept(tmp_path: Path, results: Path) -> None:
    own = tmp_path / INDEX
    own.write_text("# My thesis\n")
    with pytest.raises(UsageError, match="is no index of ours"):
        gallery(tmp_path, results, NAMES)
    assert [path.name for path in tmp_path.iterdir()] == [INDEX]
    assert own.read_text() == "# My thesis\n"


def test_the_command_shows_one_card_and_refuses_two_wishes(tmp_path: Path) -> None:
    done = run_bench("card", "relu", "--results", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert (done.stdout.splitlines()[0], done.stderr) == ("# relu", "")
    absent = run_bench("card", "relu", "--results", str(tmp_path / "nowhere"))
    assert (absent.stdout, absent.stderr.count("\n")) == (done.stdout, 1)
    assert "nowhere, so a card shows no scores" in absent.stderr
    both = run_bench("card", "relu", "--all", str(tmp_path / "out"), "--results", str(tmp_path))
    assert (both.returncode, both.stdout) == (2, "")
    assert both.stderr.startswith("bench: name one activation")
    assert not (tmp_path / "out").exists()
