"""The file of a search: whole rows or none, numbers that survive, and a clear word when it is not what it should be."""

import math
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from activations import get
from mining.candidate import Proposal
from mining.population import Evaluation, Opening, Population, PopulationError

RELU = get("relu").graph


def proposal(source: str = "def activation(x): ...") -> Proposal:
    return Proposal("llm", None, source, "because", "asked", ("aa", "bb"))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "run" / "population.sqlite"
    with Population(path) as population:
        population.add_proposals(0, 1, [proposal(), Proposal("genetic", RELU)])
        first, second = population.slots(0)
        assert population.slots() == [], "an open generation is no part of the past"
        closed = [
            replace(first, stage="jail", reason="it cheats"),
            replace(second, hash=RELU.hash, niche=(1, 2), rung="one", fitness=math.inf, families={"a": math.inf}),
        ]
        population.close_generation(0, closed, {"llm": "[1]"}, 2.5)
        population.add_evaluation(Evaluation(RELU.hash, "one", -0.25, {"a": math.inf}, {"p": 0.1}, True, 3.0))
        population.add_opening(Opening("2026-01-01T00:00:00Z", "report", RELU.hash, (7, 8), {"a": 1.5}))
        population.set_fact("settings", "{}")
    with Population(path) as population:
        assert population.slots() == closed
        assert population.slots()[0].rejected is not None
        assert population.slots()[1].member.niche == (1, 2)
        assert population.evaluations() == [Evaluation(RELU.hash, "one", -0.25, {"a": math.inf}, {"p": 0.1}, True, 3.0)]
        assert population.openings() == [Opening("2026-01-01T00:00:00Z", "report", RELU.hash, (7, 8), {"a": 1.5})]
        assert population.states() == {"llm": "[1]"}
        population.add_proposals(1, 0, [proposal()], {"llm": "[1.5]"})
        assert population.states() == {"llm": "[1.5]"}
        population.close_generation(1, population.slots(1), {"llm": "[1, 2]"}, 0.5)
        assert population.states() == {"llm": "[1, 2]"}
        assert (population.next, population.seconds, population.fact("settings")) == (2, 3.0, "{}")


def test_a_generation_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    with Population(tmp_path / "p.sqlite") as population:
        with pytest.raises(TypeError):
            population.add_proposals(0, 0, [proposal(), replace(proposal(), parents=(object(),))])  # type: ignore[arg-type]
        assert population.slots(0) == []
        population.add_proposals(0, 0, [proposal()])
        with pytest.raises(sqlite3.IntegrityError):
            population.add_proposals(0, 0, [replace(proposal(), operation="new"), proposal()])
        assert [slot.proposal.operation for slot in population.slots(0)] == ["asked"]
        population.close_generation(0, population.slots(0), {}, 1.0)
        with pytest.raises(sqlite3.IntegrityError):
            population.close_generation(0, [replace(population.slots(0)[0], stage="jail")], {}, 1.0)
        assert population.slots(0)[0].stage is None


def test_two_processes_do_not_share_a_population(tmp_path: Path) -> None:
    with (
        Population(tmp_path / "night" / "p.sqlite"),
        pytest.raises(PopulationError, match="night is in use by another process"),
    ):
        Population(tmp_path / "night" / "p.sqlite")
    Population(tmp_path / "night" / "p.sqlite").close()


def test_a_file_that_is_no_population_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("this is not a database, whatever its name says" * 50)
    with pytest.raises(PopulationError, match="cannot be opened as a population"):
        Population(tmp_path / "text")
    with Population(tmp_path / "old") as population:
        population.set_fact("format", "0")
    with pytest.raises(PopulationError, match="has format 0; this version reads format 1"):
        Population(tmp_path / "old")
