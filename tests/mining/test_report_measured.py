"""What the report measures: only what is missing is trained, and each function is opened and logged once."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from activations import Graph
from mining.findings import read_findings
from mining.fitness_report import ReportScore
from mining.luck import FIRST_SEED
from mining.population import Opening, Population, PopulationError
from mining.report import Plan, measure, render
from mining.sealed import open_sealed
from mining.settings import RUNGS

from .populations import GELU, RELU, Lab, fill, score_of, wave
from .reports import KNOWN, NOW, PLAN, measured, section


class Scores:
    """Counts the openings that were trained for."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, tuple[int, ...]]] = []

    def __call__(self, graph: Graph, seeds: Sequence[int]) -> ReportScore:
        self.seen.append((graph.hash, tuple(seeds)))
        return score_of(graph, seeds)


def test_the_best_are_confirmed_opened_and_logged_and_nothing_twice(tmp_path: Path) -> None:
    lab, scores = Lab(), Scores()
    with fill(tmp_path / "population.sqlite") as population:
        before = {(e.hash, e.rung) for e in population.evaluations()}
        said: list[str] = []
        measure(population, lab, 2, plan=PLAN, score=scores, now=lambda: NOW, say=said.append)
        assert len(said) == 2 + len(KNOWN) + 2
        assert said[2] == "opening the sealed shift for relu"
        findings = read_findings(population)
        assert all(findings.fitness(slot.hash, "final") is not None for slot in findings.ranked("deep")[:5])
        assert scores.seen == [(h, PLAN.seeds) for h in [*KNOWN.values(), *(s.hash for s in findings.confirmed[:2])]]
        assert [(o.hash, o.seeds) for o in population.openings()] == scores.seen
        assert {(o.at, o.reason) for o in population.openings()} == {(NOW, "report")}
        added = {(e.hash, e.rung) for e in population.evaluations()} - before
        assert {rung for _, rung in added} == {RUNGS.final.name}, "what breeds is left as the search left it"
        first = render(population)
        lab.jobs.clear()
        measure(population, lab, 2, plan=PLAN, score=scores, now=lambda: "later")
        assert lab.jobs == []
        assert len(population.openings()) == len(KNOWN) + 2 == len(scores.seen)
        assert render(population) == first


def test_a_killed_measurement_goes_on(tmp_path: Path) -> None:
    def dies(graph: Graph, seeds: Sequence[int]) -> ReportScore:
        if graph == GELU:
            raise KeyboardInterrupt
        return score_of(graph, seeds)

    with fill(tmp_path / "population.sqlite") as population:
        with pytest.raises(KeyboardInterrupt):
            measure(population, Lab(), plan=PLAN, score=dies, now=lambda: NOW)
        assert "**Nothing can be said yet:**" in render(population)
        assert len(population.openings()) == 1
        lab = Lab()
        measure(population, lab, plan=PLAN, score=score_of, now=lambda: NOW)
        assert lab.jobs == []
        assert "**Found:**" in render(population)


def test_an_opening_on_other_seeds_is_a_new_one_and_is_not_mixed_in(tmp_path: Path) -> None:
    scores = Scores()
    with measured(tmp_path / "population.sqlite") as population:
        best = read_findings(population).confirmed[0].member.graph
        (first,) = open_sealed(population, {"best": best}, PLAN.seeds, "promote", score=scores)
        assert scores.seen == []
        open_sealed(population, {"best": best}, (5000, 5001), "promote", score=scores, now=lambda: NOW)
        assert scores.seen == [(h, (5000, 5001)) for h in (RELU.hash, best.hash)]
        assert read_findings(population).opened[best.hash] == first
        log = section(render(population), "Openings of the sealed shift")
        assert log.count("promote") == 2
        assert "5000, 5001" in log


@pytest.mark.parametrize("shown", [-9.0, {"feynman": [-9.0, -9.0]}, {"feynman": {}}, {}])
def test_an_opening_in_an_older_form_is_logged_and_not_read(shown: object, tmp_path: Path) -> None:
    scores = Scores()
    with fill(tmp_path / "population.sqlite") as population:
        old = {"validation": shown, "sealed": shown, "cpu_seconds": 1.0}
        for graph in (RELU, GELU):
            population.add_opening(Opening(NOW, "report", graph.hash, PLAN.seeds, old))
        measure(population, Lab(), plan=PLAN, score=scores, now=lambda: NOW)
        assert {h for h, _ in scores.seen} >= {RELU.hash, GELU.hash}
        assert len(population.openings()) == len(KNOWN) + 3 + 2
        text = render(population)
    assert "-9.000" not in text
    assert "**Found:**" in text


def test_several_processes_open_what_one_does(tmp_path: Path) -> None:
    wanted = {"gelu": GELU, "the same": GELU, "wave": wave(0.3), "relu": RELU}
    with Population(tmp_path / "one") as population:
        alone = open_sealed(population, wanted, PLAN.seeds, "report", score=score_of)
    with Population(tmp_path / "two") as population:
        said: list[str] = []
        assert open_sealed(population, wanted, PLAN.seeds, "report", 2, score_of, lambda: NOW, said.append) == alone
        assert [o.hash for o in population.openings()] == [RELU.hash, GELU.hash, wave(0.3).hash]
    assert [text.split()[-1] for text in said] == ["relu", "gelu", "wave"]
    assert alone[0] == alone[1]
    assert set(alone[3].by_problem("sealed", "feynman").values()) == {0.0}


def test_seeds_that_others_use_are_refused(tmp_path: Path) -> None:
    with fill(tmp_path / "population.sqlite") as population:
        for seed in (*RUNGS.cheap.seeds, *RUNGS.final.seeds, FIRST_SEED + 3):
            with pytest.raises(ValueError, match=rf"\[{seed}\] are used by a rung or by luck"):
                measure(population, Lab(), plan=Plan(seeds=(999, seed)), score=score_of)
        assert population.openings() == []


def test_what_is_no_search_and_what_was_not_measured_is_told(tmp_path: Path) -> None:
    with Population(tmp_path / "a" / "population.sqlite") as empty:
        with pytest.raises(PopulationError, match="holds no search yet"):
            measure(empty, Lab(), score=score_of)
        with pytest.raises(PopulationError, match="holds no search yet"):
            render(empty)
    with fill(tmp_path / "b" / "population.sqlite") as unmeasured, pytest.raises(PopulationError, match="measured"):
        render(unmeasured)
