"""Pictures: there for what there is to draw, of a size to be read, with no date, and matplotlib left as it was."""

import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from activations import Graph
from activations.graph import Node
from mining.findings import Findings, read_findings
from mining.luck import Luck
from mining.pictures import CURVES, MOST_ANCESTORS, _ancestors, _curved, _medians, draw, drawable
from mining.population import Population
from mining.report import Plan, measure
from mining.report_tables import picture
from mining.style import COLOURS, DASHES

from .populations import Lab, fill, score_of

ALL = ("curves.png", "progress.png", "rungs.png", "lineage.png")


def findings_of(population: Population) -> Findings:
    measure(population, Lab(), plan=Plan(copies=3, seeds=(1000, 1001)), score=score_of, now=lambda: "then")
    return read_findings(population)


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Findings]:
    with fill(tmp_path_factory.mktemp("run") / "population.sqlite") as population:
        yield findings_of(population)


@pytest.mark.parametrize("name", ALL)
def test_a_picture_is_drawn_without_a_date_and_without_a_trace(name: str, findings: Findings, tmp_path: Path) -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    data = draw(name, findings, tmp_path).read_bytes()
    assert dict(matplotlib.rcParams) == before
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", data[16:24])
    assert 600 <= width <= 1600
    assert 100 <= height <= 1600
    assert b"tEXt" not in data
    assert draw(name, findings, tmp_path).read_bytes() == data


def test_only_what_there_is_is_drawn(findings: Findings, tmp_path: Path) -> None:
    assert drawable(findings) == ALL
    with fill(tmp_path / "population.sqlite", generations=1) as population:
        assert drawable(findings_of(population)) == ()


def test_what_looks_at_several_numbers_has_no_curve(tmp_path: Path) -> None:
    nodes = Node("roll", ("x",), (("dims", (-2,)), ("shifts", (1,)))), Node("sub", ("x", "v0"))
    whole = Graph(nodes, ("v1",))
    with fill(tmp_path / "population.sqlite") as population:
        findings = findings_of(population)
    first = replace(findings.best[0], proposal=replace(findings.best[0].proposal, graph=whole))
    some = replace(findings)
    vars(some)["best"] = [first, *findings.best[1:3]]
    assert [rank for rank, _ in _curved(some)] == [2, 3]
    assert draw("curves.png", some, tmp_path).read_bytes()
    vars(some)["best"] = [first]
    assert "curves.png" not in drawable(some)
    assert "have no curve" in picture("curves.png", ALL)


def test_progress_is_drawn_without_luck_and_without_a_finite_number(findings: Findings, tmp_path: Path) -> None:
    draw("progress.png", replace(findings, luck=Luck(())), tmp_path)
    lost = {key: replace(value, fitness=float("inf")) for key, value in findings.evaluations.items()}
    draw("progress.png", replace(findings, evaluations=lost), tmp_path)


def test_ancestors_come_before_their_children_and_the_chain_is_in_lane_0(findings: Findings) -> None:
    shown, lanes, more = _ancestors(findings)
    places = {slot.hash: place for place, slot in enumerate(shown)}
    assert len(shown) <= MOST_ANCESTORS
    assert more == 0
    assert shown[-1] == findings.best[0]
    assert shown[0].generation == 0
    edges = [(p, s.hash) for s in shown for p in s.proposal.parents]
    assert edges
    assert all(places[parent] < places[child] for parent, child in edges)
    assert [s.hash for s in shown if lanes[s.hash] == 0] == [s.hash for s in findings.chain(findings.best[0].hash)]


def test_a_median_is_that_of_all_before() -> None:
    assert list(_medians([3.0, 1.0, 2.0, float("inf")])) == [3.0, 1.0, 2.0, 2.0]


def test_lines_differ_without_colour() -> None:
    assert len(set(map(str, DASHES))) == len(DASHES) == len(set(COLOURS)) >= CURVES


def test_matplotlib_is_imported_when_something_is_drawn() -> None:
    code = "import sys, mining.report; sys.exit('matplotlib' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
