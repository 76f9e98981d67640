"""An island of the population as a proposer sees it: its functions, the elite of each niche, and migrants.

Islands breed apart, so that one good function does not push out everything else at once; every few generations the
best of the others are shown on each. Within an island, MAP-Elites: the best function of each niche, by what it does
(`mining.behaviour`), is kept for breeding however good the best of another niche is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from mining.candidate import Member, Rejected
from mining.population import Slot

MIGRATION = 8
"""Generations of an island between two arrivals of migrants."""
MIGRANTS = 2
"""Functions that each other island sends."""
TOURNAMENT = 3
"""Members among which the best one breeds, where an elite is not drawn."""
SHOWN_REJECTIONS = 30


class Island:
    """The `View` of one island when a generation begins."""

    def __init__(self, slots: Sequence[Slot], island: int, generation: int, islands: int, deep: str) -> None:
        """Look at the closed generations; the functions of generation 0, the start, live on every island.

        Args:
            slots: proposals of all closed generations.
            island: which island, counted from 0.
            generation: number of the generation that begins.
            islands: how many there are.
            deep: the rung that a function must have reached to stand before those that did not: a fitness of a
                cheaper rung is too noisy to be ranked with it.
        """
        self._own = [s for s in slots if s.scored and (s.island == island or s.generation == 0)]
        self._deep = deep
        arrival = generation // (MIGRATION * islands) * MIGRATION * islands
        others = [s for s in slots if s.scored and s.island != island and 0 < s.generation < arrival]
        self._migrants = [
            s for other in range(islands) for s in self._ranked([s for s in others if s.island == other])[:MIGRANTS]
        ]
        self._slots = slots

    def _ranked(self, slots: Sequence[Slot]) -> list[Slot]:
        def place(s: Slot) -> tuple[bool, bool, float, int, int]:
            fitness = math.inf if s.fitness is None else s.fitness
            return not math.isfinite(fitness), s.rung != self._deep, fitness, s.generation, s.slot

        return sorted(slots, key=place)

    @cached_property
    def members(self) -> Sequence[Member]:
        """The island's functions and its migrants, best first."""
        return [s.member for s in self._ranked([*self._own, *self._migrants])]

    @cached_property
    def elites(self) -> Sequence[Member]:
        """The best function of each niche, best first."""
        best: dict[tuple[int, ...], Member] = {}
        for member in self.members:
            best.setdefault(member.niche, member)
        return list(best.values())

    @cached_property
    def rejections(self) -> Sequence[Rejected]:
        """The latest rejections, newest first."""
        found = [s.rejected for s in reversed(self._slots) if s.stage is not None]
        return [r for r in found if r is not None][:SHOWN_REJECTIONS]

    def parent(self, stream: np.random.Generator) -> Member:
        """Half of the time the best of a few members drawn at random, otherwise the elite of a random niche."""
        if stream.random() < 0.5:
            return self.elites[int(stream.integers(len(self.elites)))]
        return self.members[int(stream.integers(len(self.members), size=TOURNAMENT).min())]
