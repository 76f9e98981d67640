"""The genetic proposer, the search's default: mutation and crossover on graphs, written out as readable Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from activations import Graph, GraphError
from activations.to_python import to_formula, to_python
from mining.candidate import Proposal, View
from mining.moves import CROSSOVERS, MUTATIONS, Moved, draw

if TYPE_CHECKING:
    import numpy as np

_MOVES = ((1, 0.6), (2, 0.25), (3, 0.15))
"""How many moves a mutation makes, and how often."""


@dataclass(frozen=True)
class Genetic:
    """Breeds from the island's members. It learns nothing: the population is its memory."""

    name: str = "genetic"
    crossover: float = 0.3
    """Share of the proposals that have two parents."""
    most_nodes: int = 40
    """Operations of a child; a longer one is thrown away and another is made."""
    tries: int = 20
    """Attempts at one proposal before it is given up."""

    def propose(self, count: int, view: View, stream: np.random.Generator) -> list[Proposal]:
        """At most `count` children, none of them equal by hash to a member, to what was rejected lately, or to
        another of them.
        """
        known = {member.hash for member in view.members}
        known |= {r.proposal.graph.hash for r in view.rejections if r.proposal.graph is not None}
        found: list[Proposal] = []
        for _ in range(count * self.tries):
            if len(found) == count:
                break
            child = self._child(view, stream)
            if child and child.graph and child.graph.hash not in known:
                known.add(child.graph.hash)
                found.append(child)
        return found

    def learn(self, results: Sequence[tuple[Proposal, float | None]]) -> None:
        """Nothing: what the results say is in the population."""

    def state(self) -> str:
        """Empty."""
        return ""

    def restore(self, state: str) -> None:
        """Nothing to restore."""

    def _child(self, view: View, stream: np.random.Generator) -> Proposal | None:
        parents = [view.parent(stream)]
        if stream.random() < self.crossover:
            parents.append(view.parent(stream))
        if any(parent.graph.parameters for parent in parents):
            return None  # the screen lets no such function into a population
        graphs = [parent.graph for parent in parents]
        moved = _mutated(graphs[0], stream) if len(graphs) == 1 else _crossed(graphs[0], graphs[1], stream)
        if not moved or not 0 < len(moved.graph.nodes) <= self.most_nodes:
            return None
        operation = f"{moved.phrase} in {_short(graphs[0])}"
        hashes = tuple(dict.fromkeys(parent.hash for parent in parents))
        return Proposal(self.name, moved.graph, _written(moved.graph), operation=operation, parents=hashes)


def _mutated(graph: Graph, stream: np.random.Generator) -> Moved | None:
    """One to three moves, one after another; moves that find nothing to work on are left out."""
    phrases: list[str] = []
    for _ in range(draw(_MOVES, stream)):
        moved = draw(MUTATIONS, stream)(graph, stream)
        if moved:
            graph = moved.graph
            phrases.append(moved.phrase)
    return Moved(graph, ", then ".join(phrases)) if phrases else None


def _crossed(a: Graph, b: Graph, stream: np.random.Generator) -> Moved | None:
    return draw(CROSSOVERS, stream)(a, b, stream)


def _short(graph: Graph) -> str:
    try:
        return to_formula(graph, 60)
    except GraphError:
        return f"graph {graph.hash}"


def _written(graph: Graph) -> str:
    """Python source, or nothing for a function with operations that are not written as Python."""
    try:
        return to_python(graph)
    except GraphError:
        return ""
