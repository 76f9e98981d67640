"""From a proposal to a function that is worth training: traced in the jail, screened, and not known before."""

from __future__ import annotations

import dataclasses
from typing import Protocol

from activations import Graph, GraphError
from activations.to_python import to_python
from mining.behaviour import niche
from mining.identity import Known
from mining.jail import JailError, Refused
from mining.population import Slot
from mining.screen import Limits, screen


class Trace(Protocol):
    """Traces an untrusted source, as `mining.jail.Jail.trace` does."""

    def __call__(self, source: str) -> Graph:
        """The graph of `activation(x)` in the source; raises `mining.jail.Refused`."""
        ...


class Judge:
    """Judges proposals one after another; what it accepted it knows from then on."""

    def __init__(self, limits: Limits, trace: Trace) -> None:
        self._limits, self._trace = limits, trace
        self._known = Known()

    def remember(self, graph: Graph) -> None:
        """Know a function that an earlier session accepted."""
        self._known.add(graph)

    def __call__(self, slot: Slot) -> Slot:
        """The slot with its graph, hash, source and niche, or with the stage and the reason of its rejection."""
        proposal = slot.proposal
        if proposal.graph is None:
            try:
                proposal = dataclasses.replace(proposal, graph=self._traced(proposal.source))
            except Refused as refusal:
                return dataclasses.replace(slot, stage="jail", reason=str(refusal))
        assert proposal.graph is not None
        slot = dataclasses.replace(slot, proposal=proposal, hash=proposal.graph.hash)
        try:
            return self._look(slot, proposal.graph)
        except Exception as error:  # a graph can be odd in ways that nobody foresaw, and must not end the search
            reason = f"it cannot be judged ({type(error).__name__}: {error})"
            return dataclasses.replace(slot, stage="screen", reason=reason.replace("\n", " "))

    def _traced(self, source: str) -> Graph:
        """The source's graph; a jail that fails is tried once more, since a busy machine can do that to it."""
        try:
            return self._trace(source)
        except JailError:
            return self._trace(source)

    def _look(self, slot: Slot, graph: Graph) -> Slot:
        proposal = slot.proposal
        reason = screen(graph, self._limits)
        if reason is not None:
            return dataclasses.replace(slot, stage="screen", reason=reason)
        twin = self._known.find(graph)
        if twin is not None:
            said = f"it is the same function as one that was tried before, {twin}"
            return dataclasses.replace(slot, stage="identity", reason=said, twin=twin)
        self._known.add(graph)
        proposal = dataclasses.replace(proposal, source=proposal.source or _written(graph))
        return dataclasses.replace(slot, proposal=proposal, niche=niche(graph))


def _written(graph: Graph) -> str:
    """The graph as Python; empty where it holds what is not written, such as a Fourier transform."""
    try:
        return to_python(graph)
    except GraphError:
        return ""
