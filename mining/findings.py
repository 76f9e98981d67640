"""What a population says when the search is over: the numbers of the report, read and never trained for."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from activations import Graph
from activations.graph import GraphError
from activations.to_python import to_formula
from mining.luck import Luck, read_luck
from mining.population import Evaluation, Opening, Population, PopulationError, Slot
from mining.sealed import Opened, is_measurement, read_opening
from mining.settings import Rungs, Settings

if TYPE_CHECKING:
    from mining.fitness import Correlation, Rung

FAIR = 10
"""A proposer with fewer evaluations than this is not compared with the others."""
PROTOCOL = "report"
"""Under this name the population keeps what `write_protocol` writes."""


@dataclass(frozen=True)
class RungFacts:
    """A rung as it was used."""

    name: str
    problems: int
    seeds: tuple[int, ...]
    steps: int
    exact: bool

    @staticmethod
    def of(rung: Rung) -> RungFacts:
        """Of a rung of the ladder."""
        return RungFacts(rung.name, rung.problems, rung.seeds, rung.recipe.steps, rung.exact)


@dataclass(frozen=True)
class ProposerRow:
    """One proposer beside the others."""

    name: str
    proposals: int
    rejected: Mapping[str, int]
    """By stage."""
    fitness: Sequence[float]
    """On the cheap rung, of all its functions, in the order in which they were made."""


@dataclass(frozen=True)
class Findings:
    """A population, read once."""

    run: str
    settings: Settings
    ladder: Mapping[str, RungFacts]
    """`cheap`, `deep` and `final`."""
    references: Mapping[str, Graph]
    """Known functions that the report opens beside the found ones."""
    rivals: tuple[str, ...]
    """Those of them that a find must beat."""
    rediscovered: Mapping[str, str]
    """From the hash of a trained function to the name of the known one that it is."""
    report_seeds: tuple[int, ...]
    """Those of the openings, which nothing else uses."""
    slots: Sequence[Slot]
    evaluations: Mapping[tuple[str, str], Evaluation]
    """By hash and name of the rung."""
    openings: Sequence[Opening]
    luck: Luck
    generations: int
    seconds: float
    """Wall time of the search."""

    def fitness(self, found: str | None, rung: str) -> float | None:
        """Of a function on the rung `cheap`, `deep` or `final`; None where it was not trained there."""
        evaluation = self.evaluations.get((found or "", self.ladder[rung].name))
        return None if evaluation is None else evaluation.fitness

    @cached_property
    def by_hash(self) -> Mapping[str, Slot]:
        """The slot in which each trained function came first, those of the start among them."""
        return {slot.hash: slot for slot in reversed(self.slots) if slot.scored and slot.hash}

    @cached_property
    def found(self) -> list[Slot]:
        """Trained functions that are new, neither of the start nor known by a name, in the order of the proposals."""
        return [slot for slot in self.trained if slot.hash not in self.rediscovered]

    @cached_property
    def trained(self) -> list[Slot]:
        """Every trained function that is not of the start, in the order of the proposals: as many as luck had
        chances.
        """
        return sorted(
            (slot for slot in self.by_hash.values() if slot.generation > 0), key=lambda s: (s.generation, s.slot)
        )

    @cached_property
    def confirmed(self) -> list[Slot]:
        """Found functions that were finite on the final rung, best first."""
        return self.ranked("final")

    @cached_property
    def best(self) -> list[Slot]:
        """Confirmed functions, then those of the deep rung that were not confirmed, best first."""
        return [*self.confirmed, *(s for s in self.ranked("deep") if self.fitness(s.hash, "final") is None)]

    def ranked(self, rung: str) -> list[Slot]:
        """Found functions that were finite on a rung, best first."""
        scored = [(self.fitness(slot.hash, rung), slot) for slot in self.found]
        finite = [(fitness, slot) for fitness, slot in scored if fitness is not None and math.isfinite(fitness)]
        return [slot for _, slot in sorted(finite, key=lambda pair: (pair[0], pair[1].generation, pair[1].slot))]

    @cached_property
    def opened(self) -> Mapping[str, Opened]:
        """What each function showed on the report's seeds, by hash; one that was opened twice showed the same twice."""
        measured = [o for o in self.openings if is_measurement(o) and o.seeds == self.report_seeds]
        return {opening.hash: read_opening(opening) for opening in measured}

    def correlation(self, first: str, second: str) -> Correlation:
        """How far two rungs agree on the functions that were trained on both, those of the start among them."""
        from mining.fitness import rung_correlation

        return rung_correlation(self.pairs(first, second))

    def pairs(self, first: str, second: str) -> list[tuple[float, float]]:
        """Fitness on two rungs of every function that was trained on both."""
        both = [(self.fitness(h, first), self.fitness(h, second)) for h in self.by_hash]
        return [(one, other) for one, other in both if one is not None and other is not None]

    @cached_property
    def proposers(self) -> list[ProposerRow]:
        """Every proposer, in the order of the settings."""
        return [self._proposer(name) for name, _ in self.settings.proposers]

    def _proposer(self, name: str) -> ProposerRow:
        own = [slot for slot in self.slots if slot.proposal.proposer == name]
        stages = dict.fromkeys(("jail", "screen", "identity"), 0)
        for slot in own:
            if slot.stage is not None:
                stages[slot.stage] = stages.get(slot.stage, 0) + 1
        fitness = [self.fitness(slot.hash, "cheap") for slot in self.trained if slot.proposal.proposer == name]
        return ProposerRow(name, len(own), stages, [f for f in fitness if f is not None])

    @property
    def equal(self) -> int:
        """How many evaluations each proposer is compared on: the least count among those that have enough; 0 where
        none has.
        """
        return min((len(row.fitness) for row in self.proposers if len(row.fitness) >= FAIR), default=0)

    def chain(self, found: str | None) -> list[Slot]:
        """A function's first parents, from a start function to itself."""
        chain: list[Slot] = []
        slot = self.by_hash.get(found or "")
        while slot is not None and slot not in chain:
            chain.insert(0, slot)
            parents = slot.proposal.parents
            slot = self.by_hash.get(parents[0]) if parents else None
        return chain

    def label(self, slot: Slot, longest: int = 100) -> str:
        """The name of a start function, the formula of another."""
        if slot.generation == 0:
            return slot.proposal.operation
        assert slot.proposal.graph is not None
        return formula(slot.proposal.graph, longest)

    @property
    def cpu_seconds(self) -> Mapping[str, float]:
        """Processor time of training, by rung, and of the copies that measure luck."""
        by_rung = dict.fromkeys((rung.name for rung in self.ladder.values()), 0.0)
        for evaluation in self.evaluations.values():
            by_rung[evaluation.rung] = by_rung.get(evaluation.rung, 0.0) + evaluation.cpu_seconds
        opened = sum(float(o.result["cpu_seconds"]) for o in self.openings if is_measurement(o))
        return by_rung | {"luck": sum(copy.cpu_seconds for copy in self.luck.copies), "openings": opened}


def formula(graph: Graph, longest: int = 100) -> str:
    """One expression, or the number of operations where the graph cannot be written so."""
    try:
        return to_formula(graph, longest)
    except GraphError:
        return f"{len(graph.nodes)} operations"


def read_findings(population: Population) -> Findings:
    """Read everything that a report needs.

    Raises:
        PopulationError: the run has no settings, or no report was measured yet.
    """
    settings, text = population.fact("settings"), population.fact(PROTOCOL)
    if settings is None:
        raise PopulationError(f"{population.path} holds no search yet: begin one with `bench mine`.")
    if text is None:
        raise PopulationError(f"nothing was measured for a report on {population.path.parent.name}: call `measure`.")
    protocol = json.loads(text)
    return Findings(
        run=population.path.parent.name,
        settings=Settings.from_json(settings),
        ladder={role: RungFacts(**f | {"seeds": tuple(f["seeds"])}) for role, f in protocol["ladder"].items()},
        references={name: Graph.from_json(graph) for name, graph in protocol["references"].items()},
        rivals=tuple(protocol.get("rivals", ("relu", "gelu"))),
        rediscovered=protocol.get("rediscovered", {}),
        report_seeds=tuple(protocol["seeds"]),
        slots=population.slots(),
        evaluations={(e.hash, e.rung): e for e in population.evaluations()},
        openings=population.openings(),
        luck=read_luck(population),
        generations=population.next,
        seconds=population.seconds,
    )


def write_protocol(
    population: Population,
    rungs: Rungs,
    references: Mapping[str, Graph],
    rivals: Sequence[str],
    rediscovered: Mapping[str, str],
    seeds: tuple[int, ...],
) -> None:
    """Write down what the rungs were, what the report compares with and on which seeds, and which functions were known
    before, so that it can be rendered from the population alone.
    """
    roles = {"cheap": rungs.cheap, "deep": rungs.deep, "final": rungs.final}
    protocol = {
        "ladder": {role: dataclasses.asdict(RungFacts.of(rung)) for role, rung in roles.items()},
        "references": {name: json.loads(graph.to_json()) for name, graph in references.items()},
        "rivals": rivals,
        "rediscovered": rediscovered,
        "seeds": seeds,
    }
    population.set_fact(PROTOCOL, json.dumps(protocol))
