"""A search repeats itself: uninterrupted, stopped and resumed, or killed between any two writes."""

import itertools
import math
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from activations import Graph, get
from activations.graph import Node
from mining.candidate import Proposal, View
from mining.jail import Refused
from mining.judge import Judge
from mining.population import Evaluation, Population, PopulationError
from mining.screen import Limits
from mining.search import Search
from mining.settings import RUNGS, Budget, Job, Settings, Status

SETTINGS = Settings(
    seed=3,
    proposers=(("wavy", 3.0), ("texts", 1.0)),
    start=("relu", "gelu", "identity"),
    families=("polynomials",),
    flops=200,
    pointwise=True,
    generation_size=6,
)


def wave(amount: float) -> Graph:
    """gelu(x) + amount * sin(x)."""
    return Graph(
        (Node("gelu_erf", ("x",)), Node("sin", ("x",)), Node("mul", ("v1", amount)), Node("add", ("v0", "v2"))), ("v3",)
    )


class Wavy:
    """Proposes waves of random sizes, some of them twice; counts what it learns."""

    name = "wavy"

    def __init__(self) -> None:
        self.rounds = 0
        self.learnt: list[float | None] = []

    def propose(self, count: int, view: View, stream: np.random.Generator) -> list[Proposal]:
        self.rounds += 1
        parents = [view.parent(stream) for _ in range(count)]
        amounts = [round(float(stream.uniform(0.1, 2)), 1) for _ in range(count)]
        return [
            Proposal(self.name, wave(amount), operation=f"wave {amount}", parents=(parent.hash,))
            for amount, parent in zip(amounts, parents, strict=True)
        ]

    def learn(self, results: Sequence[tuple[Proposal, float | None]]) -> None:
        self.learnt += [fitness for _, fitness in results]

    def state(self) -> str:
        return ",".join(map(str, [self.rounds, *self.learnt]))

    def restore(self, state: str) -> None:
        rounds, *words = state.split(",")
        self.rounds = int(rounds)
        self.learnt = [None if word == "None" else float(word) for word in words]


class Texts(Wavy):
    """Proposes sources, good and bad."""

    name = "texts"

    def propose(self, count: int, view: View, stream: np.random.Generator) -> list[Proposal]:
        texts = [f"{float(stream.uniform(0.1, 2)):.2f}", "evil"]
        return [Proposal(self.name, source=text) for text, _ in zip(itertools.cycle(texts), range(count), strict=False)]


def trace(source: str) -> Graph:
    """Stands for the jail: a source is a number, or evil."""
    if source == "evil":
        raise Refused("evil is refused")
    return wave(float(source) + 3)


class Killed(BaseException):
    """What a kill -9 looks like from inside a test."""


class Trainer:
    """A fitness that depends on the function and the rung alone, and a death after so many evaluations."""

    def __init__(self, lives: float = math.inf) -> None:
        self.lives = lives
        self.jobs: list[tuple[str, str]] = []

    def __call__(self, jobs: Sequence[Job]) -> Generator[Evaluation]:
        for job in reversed(jobs):  # the order of arrival must not matter
            if len(self.jobs) >= self.lives:
                raise Killed
            self.jobs.append((job.hash, job.rung.name))
            noise = {RUNGS.cheap.name: 0.3, RUNGS.deep.name: 0.1}.get(job.rung.name, 0.0)
            stream = np.random.default_rng([int(job.hash, 16), int(100 * noise)])
            fitness = int(job.hash[:4], 16) / 65536 - 0.5 + noise * float(stream.standard_normal())
            if job.hash[4] == "0":
                fitness = math.inf
            yield Evaluation(job.hash, job.rung.name, fitness, {"polynomials": fitness}, {}, False, 1.0)


def search(path: Path, trainer: Trainer, settings: Settings = SETTINGS) -> tuple[Population, Search]:
    population = Population(path)
    proposers = {"wavy": Wavy(), "texts": Texts()}
    return population, Search(
        population, settings, proposers, trainer, Judge(Limits(flops=settings.flops), trace), RUNGS
    )


def contents(path: Path) -> tuple[object, ...]:
    """All that a population says, but for times and the order in which evaluations came in."""
    with Population(path) as population:
        evaluations = sorted((e.hash, e.rung, e.fitness) for e in population.evaluations())
        return population.slots(), evaluations, population.states(), population.next


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search that nobody interrupted."""
    path = tmp_path_factory.mktemp("whole") / "population.sqlite"
    population, found = search(path, Trainer())
    assert found.run(Budget(evaluations=25)) == "all evaluations are done"
    population.close()
    return path


def test_a_search_fills_the_population(whole: Path) -> None:
    with Population(whole) as population:
        slots, evaluations = population.slots(), population.evaluations()
    start = [slot for slot in slots if slot.generation == 0]
    assert [slot.proposal.operation for slot in start] == ["relu", "gelu", "identity"]
    assert [slot.stage for slot in start] == [None, None, "screen"]
    assert {slot.stage for slot in slots} == {None, "jail", "screen", "identity"}
    assert {slot.island for slot in slots if slot.generation} == {0, 1}
    cheap = {e.hash for e in evaluations if e.rung == RUNGS.cheap.name}
    deep = {e.hash for e in evaluations if e.rung == RUNGS.deep.name}
    final = {e.hash for e in evaluations if e.rung == RUNGS.final.name}
    assert len(cheap) - 2 >= 25
    assert final < deep < cheap
    assert len(cheap) == sum(slot.scored for slot in slots), "no function is trained twice"
    assert all(slot.proposal.source and slot.niche for slot in slots if slot.scored)
    drawn = [slot for slot in slots if slot.hash in deep and slot.scored and slot.rung == RUNGS.cheap.name]
    assert drawn, "what went deep by lot alone keeps its cheap fitness"


def test_an_equal_function_teaches_its_proposer_what_is_known(whole: Path) -> None:
    with Population(whole) as population:
        twins = [slot for slot in population.slots() if slot.stage == "identity" and slot.proposal.proposer == "wavy"]
        learnt = population.states()["wavy"].split(",")[1:]
        known = {e.hash: e.fitness for e in population.evaluations() if e.rung == RUNGS.cheap.name}
    assert twins
    assert all(slot.twin in known for slot in twins)
    assert "None" not in learnt


@pytest.mark.parametrize("lives", [0, 1, 3, 7, 12, 20, 33])
def test_a_killed_search_goes_on_to_the_same_population(whole: Path, tmp_path: Path, lives: int) -> None:
    path = tmp_path / "population.sqlite"
    population, found = search(path, Trainer(lives))
    with pytest.raises(Killed):
        found.run(Budget(evaluations=25))
    before = {(e.hash, e.rung) for e in population.evaluations()}
    population.close()
    assert len(before) == lives
    trainer = Trainer()
    population, found = search(path, trainer)
    found.run(Budget(evaluations=25))
    population.close()
    assert not before & set(trainer.jobs), "what was evaluated is not done again"
    assert contents(path) == contents(whole)


def test_a_search_killed_at_its_very_end_closes_its_last_generation(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Population(whole) as population:
        last = population.next - 1
    path = tmp_path / "population.sqlite"
    population, found = search(path, Trainer())

    def close(number: int, *rest: Any) -> None:
        if number == last:
            raise Killed
        Population.close_generation(population, number, *rest)

    monkeypatch.setattr(population, "close_generation", close)
    with pytest.raises(Killed):
        found.run(Budget(evaluations=25))
    population.close()
    population, found = search(path, Trainer())
    assert found.status().evaluations >= 25, "all that was asked for is done, but for the last word"
    found.run(Budget(evaluations=25))
    population.close()
    assert contents(path) == contents(whole)


def test_a_search_that_dies_over_and_over_ends_in_the_same_population(whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "population.sqlite"
    for _ in range(200):
        population, found = search(path, Trainer(lives=2))
        try:
            found.run(Budget(evaluations=25))
            break
        except Killed:
            continue
        finally:
            population.close()
    assert contents(path) == contents(whole)


def test_a_stop_leaves_the_generation_to_be_finished(whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "population.sqlite"
    budget = Budget(evaluations=25)
    seen: list[Status] = []

    def watch(status: Status) -> None:
        seen.append(status)
        budget.stop = len(seen) > 9

    population, found = search(path, Trainer())
    found._watch = watch
    assert found.run(budget) == "stopped"
    population.close()
    population, found = search(path, Trainer())
    found.run(Budget(evaluations=25))
    population.close()
    assert contents(path) == contents(whole)


def test_time_ends_a_search(tmp_path: Path) -> None:
    population, found = search(tmp_path / "population.sqlite", Trainer())
    assert found.run(Budget(seconds=0.0)) == "time is over"
    assert found.status().evaluations == 0
    population.close()


def test_another_setting_is_refused(whole: Path) -> None:
    other = Settings(**{**vars(SETTINGS), "seed": 4})
    judge = Judge(Limits(), trace)
    with Population(whole) as population, pytest.raises(PopulationError, match="has seed 3, not 4"):
        Search(population, other, {}, Trainer(), judge, RUNGS)


def test_proposers_that_have_nothing_new_end_it(tmp_path: Path) -> None:
    settings = Settings(**{**vars(SETTINGS), "proposers": (("texts", 1.0),), "generation_size": 1})

    class Silent(Texts):
        def propose(self, count: int, view: View, stream: np.random.Generator) -> list[Proposal]:
            return []

    with Population(tmp_path / "population.sqlite") as population:
        judge = Judge(Limits(), trace)
        found = Search(population, settings, {"texts": Silent()}, Trainer(), judge, RUNGS)
        assert "brought nothing new" in found.run(Budget(evaluations=100))


def test_the_best_is_confirmed_and_the_median_is_that_of_all(whole: Path) -> None:
    population, found = search(whole, Trainer(0))
    status, said = found.status(), population.evaluations()
    assert status.best == min(e.fitness for e in said if e.rung == RUNGS.final.name)
    assert status.median == np.median([e.fitness for e in said if e.rung == RUNGS.cheap.name])
    assert get("gelu").graph.hash in {e.hash for e in said}
    population.close()
