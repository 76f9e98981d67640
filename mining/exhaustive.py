"""Proposes every function of one core unit, one after the other: the exhaustive search of arXiv 1710.05941."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property, lru_cache

import numpy as np

from mining.candidate import Proposal, View
from mining.core_units import Recipe, distinct_units

ORDER_SEED = 1710
"""Seed of the one order in which the functions come. In the order of the tables a search that stops early would have
seen a few unary functions only, and could not be held against others at equal evaluations."""


@lru_cache(maxsize=1)
def order() -> tuple[Recipe, ...]:
    """The distinct functions of one unit, shuffled, the same in every search."""
    recipes = tuple(distinct_units().values())
    return tuple(recipes[i] for i in np.random.default_rng(ORDER_SEED).permutation(len(recipes)))


class ExhaustiveSearch:
    """Walks through `order`; a Proposer that learns nothing and draws nothing."""

    name = "exhaustive"

    def __init__(self) -> None:
        self.position = 0

    def propose(self, count: int, view: View, stream: np.random.Generator) -> list[Proposal]:
        """The next `count` functions; fewer at the end of the order, then none."""
        recipes = order()[self.position : self.position + count]
        self.position += len(recipes)
        return [recipe.proposal(self.name) for recipe in recipes]

    def learn(self, results: Sequence[tuple[Proposal, float | None]]) -> None:
        """Nothing to learn; but in a search that was stopped after proposing, only this says how far the walk was."""
        places = [self._places[Recipe.of(proposal)] + 1 for proposal, _ in results]
        self.position = max([self.position, *places])

    @cached_property
    def _places(self) -> dict[Recipe, int]:
        return {recipe: place for place, recipe in enumerate(order())}

    def state(self) -> str:
        """How far the walk is."""
        return json.dumps({"position": self.position})

    def restore(self, state: str) -> None:
        """Go on from there."""
        self.position = int(json.loads(state)["position"])
