"""A population made by hand, for whatever reads one: a start, some thirty proposals of two proposers, all the rungs.

Fitness follows the function: the more sine, the better, with a little noise that differs from rung to rung.
"""

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from activations import Graph, get
from activations.graph import Node
from activations.to_python import to_python
from mining.candidate import Proposal
from mining.fitness_report import ReportScore
from mining.population import Evaluation, Population, Slot
from mining.settings import RUNGS, Job, Settings
from tasks.lab import FAMILIES

SETTINGS = Settings(
    seed=5,
    proposers=(("genetic", 3.0), ("llm", 1.0)),
    start=("relu", "gelu"),
    families=("polynomials", "feynman"),
    flops=200,
    pointwise=True,
    generation_size=8,
)
NICHE = (0, 2, False, 1, True, 1)
RATIONALE = "Waves help.\n```\n</pre><script>alert(1)</script> | a bar\u202e"
STRANGE = "the name 'os' | is `not` allowed; 3 calls cost 213 FLOPs"
PROBLEMS = 3
"""Of each family, in an opening."""
RELU, GELU = get("relu").graph, get("gelu").graph


def wave(amount: float) -> Graph:
    """gelu(x) + amount * sin(x)."""
    nodes = (Node("gelu_erf", ("x",)), Node("sin", ("x",)), Node("mul", ("v1", amount)), Node("add", ("v0", "v2")))
    return Graph(nodes, ("v3",))


def fitness_of(graph: Graph, rung: str, worth: float = 1.0) -> float:
    """What the fake lab says: GELU is at -0.05 and sine is worth `worth` of its amount."""
    amount = next((float(i) for node in graph.nodes for i in node.inputs if isinstance(i, float)), 0.0)
    base = 0.0 if graph == RELU else -0.05
    noise = np.random.default_rng([int(graph.hash, 16), len(rung)]).normal(0, 0.01)
    return base - worth * 0.2 * amount + float(noise) * bool(base)


def evaluation_of(graph: Graph, rung: str, worth: float = 1.0) -> Evaluation:
    """A whole row of it."""
    fitness = fitness_of(graph, rung, worth)
    families = {"polynomials": fitness - 0.01, "feynman": fitness + 0.01}
    return Evaluation(graph.hash, rung, fitness, families, {"p 1": fitness}, rung == RUNGS.final.name, 2.0)


class Lab:
    """Stands for the pool of workers, its None between results included; remembers its jobs. Copies of GELU under
    other seeds lie 0.02 apart.
    """

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    def __call__(self, jobs: Sequence[Job]) -> Generator[Evaluation | None]:
        for job in reversed(jobs):
            yield None
            self.jobs.append(job)
            fitness = -0.05 + 0.02 * float(np.random.default_rng(job.rung.seeds).standard_normal())
            known = evaluation_of(job.graph, job.rung.name)
            yield Evaluation(job.hash, job.rung.name, fitness if job.hash.startswith("luck") else known.fitness,
                             known.families, known.problems, job.rung.exact, 1.5)  # fmt: skip


def score_of(graph: Graph, seeds: Sequence[int]) -> ReportScore:
    """Stands for the opening of the sealed shift, at which a function is as good as on the rungs; ReLU's losses are
    1.
    """
    return opened_at(fitness_of(graph, "validation"), fitness_of(graph, "sealed"))(graph, seeds)


def opened_at(validation: float, sealed: float) -> Callable[[Graph, Sequence[int]], ReportScore]:
    """An opening that shows about these numbers for whatever it is asked; ReLU is 0."""

    def score(graph: Graph, seeds: Sequence[int]) -> ReportScore:
        own = graph != RELU
        shown = [{f: logs(mean * own, f, seeds, 0.004 * own) for f in FAMILIES} for mean in (validation, sealed)]
        return ReportScore(*shown)

    return score


def logs(mean: float, family: str, seeds: Sequence[int], noise: float) -> dict[str, tuple[float, ...]]:
    """Numbers around a mean on each of `PROBLEMS` problems, the same noise for whatever is asked."""
    drawn = [np.random.default_rng([len(family), place]).standard_normal(len(seeds)) for place in range(PROBLEMS)]
    return {f"{family} {place}": tuple(map(float, mean + noise * row)) for place, row in enumerate(drawn)}


def fill(path: Path, generations: int = 4, worth: float = 1.0) -> Population:
    """A searched population, not yet measured for a report; with one generation it holds the start alone."""
    population = Population(path)
    population.set_fact("settings", SETTINGS.to_json())
    close(population, 0, [Proposal("start", get(n).graph, "", "", n) for n in SETTINGS.start], worth)
    for generation in range(1, generations):
        close(population, generation, proposals(generation, population), worth)
    return population


def proposals(generation: int, population: Population) -> list[Proposal]:
    """Six functions of the genetic proposer, four of an LLM, and one that each stage rejects."""
    best = sorted((s for s in population.slots() if s.scored), key=lambda s: s.fitness or 0.0)
    parents = tuple(slot.hash or "" for slot in best[:2])
    made = []
    for place in range(10):
        amount = round(0.08 * generation + 0.011 * place, 3)
        who = "genetic" if place < 6 else "llm"
        made.append(
            Proposal(who, wave(amount), to_python(wave(amount)), RATIONALE if who == "llm" else "",
                     f"sine times {amount}", parents if place % 3 == 0 else parents[:1])
        )  # fmt: skip
    return [*made, Proposal("llm", None, "import os"), Proposal("genetic", wave(900.0)), Proposal("genetic", GELU)]


def close(population: Population, generation: int, made: Sequence[Proposal], worth: float) -> None:
    """Judge and score a generation: the first half of it reaches the deep rung, the first of it the final one."""
    population.add_proposals(generation, generation % 2, made)
    closed = [_judged(slot, population, place, worth) for place, slot in enumerate(population.slots(generation))]
    population.close_generation(generation, closed, {}, 12.5)


def _judged(slot: Slot, population: Population, place: int, worth: float) -> Slot:
    graph = slot.proposal.graph
    if graph is None:
        return replace(slot, stage="jail", reason=STRANGE)
    slot = replace(slot, hash=graph.hash)
    if graph == wave(900.0):
        return replace(slot, stage="screen", reason=f"The function costs {300 + slot.generation} FLOPs an element.")
    if graph == GELU and slot.generation:
        return replace(slot, stage="identity", reason=f"it is the same function as {GELU.hash}", twin=GELU.hash)
    rungs = [RUNGS.cheap, *([RUNGS.deep] if place % 2 == 0 else []), *([RUNGS.final] if place == 9 else [])]
    scores = [evaluation_of(graph, rung.name, worth) for rung in rungs]
    if place == 3:  # one training of each generation is lost
        scores = [Evaluation(graph.hash, RUNGS.cheap.name, math.inf, {}, {}, False, 0.5)]
    for score in scores:
        population.add_evaluation(score)
    last = scores[-1]
    return replace(slot, niche=NICHE, rung=last.rung, fitness=last.fitness, families=last.families)
