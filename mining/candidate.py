"""The words of the miner: what a proposer hands in, what comes of it, and what a proposer sees of the population."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from activations import Graph

BASELINE = "relu"
"""Name of the activation to which every fitness is a ratio."""


@dataclass(frozen=True)
class Proposal:
    """A candidate as its proposer makes it: a graph that it built itself, or a source text to be traced in the jail."""

    proposer: str
    """`start`, `genetic`, `llm`, `exhaustive`, `controller` or `random`."""
    graph: Graph | None = None
    """None where `source` must be traced first; a graph is data and needs no jail."""
    source: str = ""
    """Python text that defines `activation(x)`; where a graph is given it may be empty and is written from it."""
    rationale: str = ""
    """Why the proposer expects something of it, in its own words; may be empty."""
    operation: str = ""
    """What was done to the parents, e.g. `replace sin by cos`."""
    parents: tuple[str, ...] = ()
    """Hashes of the graphs it was made from."""


@dataclass(frozen=True)
class Rejected:
    """A proposal that is not trained, and why; the reason is written for its proposer."""

    proposal: Proposal
    stage: str
    """`jail`, `screen` or `identity`."""
    reason: str


@dataclass(frozen=True)
class Member:
    """A scored function of the population."""

    hash: str
    """Of the canonical graph."""
    graph: Graph
    source: str
    rationale: str
    proposer: str
    fitness: float
    """Mean over families of the mean log10 ratio of out-of-distribution losses to ReLU's, on the validation shift:
    lower is better, 0 is ReLU, inf where a training was not finite."""
    families: Mapping[str, float]
    """The same for each family."""
    parents: tuple[str, ...]
    island: int
    niche: tuple[int, ...]
    """Cell of the MAP-Elites grid."""


class View(Protocol):
    """What a proposer sees of one island when a generation begins; the same all through the generation."""

    @property
    def members(self) -> Sequence[Member]:
        """The island's functions, best first; never empty once the start functions are scored."""
        ...

    @property
    def elites(self) -> Sequence[Member]:
        """The best function of each niche of the island, best first."""
        ...

    @property
    def rejections(self) -> Sequence[Rejected]:
        """What was rejected lately, newest first; a few dozen at most."""
        ...

    def parent(self, stream: np.random.Generator) -> Member:
        """A member drawn for breeding: good ones more often, rare niches too."""
        ...


class Proposer(Protocol):
    """A way to make candidates. All that it draws comes from the stream it is given, so that a resumed search repeats
    itself; what it learns lies in `state`.
    """

    @property
    def name(self) -> str:
        """What `Proposal.proposer` says."""
        ...

    def propose(self, count: int, view: View, stream: np.random.Generator) -> list[Proposal]:
        """At most `count` new candidates; fewer or none where the method has run out of them."""
        ...

    def learn(self, results: Sequence[tuple[Proposal, float | None]]) -> None:
        """Told once a generation what came of its own proposals: a fitness, or None for a rejected one."""
        ...

    def state(self) -> str:
        """Everything learnt so far as JSON text, kept with each generation; empty where nothing is learnt."""
        ...

    def restore(self, state: str) -> None:
        """Go on from what `state` gave."""
        ...
