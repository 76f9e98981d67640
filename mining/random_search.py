"""The control: functions of one to three core units drawn by chance, with which every other proposer is compared."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mining.candidate import Proposal, View
from mining.core_units import COMPONENTS, MOST_UNITS, Recipe, options


def draw(stream: np.random.Generator) -> Recipe:
    """A recipe whose number of units, and then each choice, is uniform over what it may be."""
    length = int(stream.integers(1, MOST_UNITS + 1)) * len(COMPONENTS)
    choices: list[int] = []
    while len(choices) < length:
        choices.append(int(stream.integers(options(choices))))
    return Recipe(tuple(choices))


class RandomSearch:
    """A Proposer that learns nothing: the space of `mining.core_units` without a method."""

    name = "random"

    def propose(self, count: int, view: View, stream: np.random.Generator) -> list[Proposal]:
        """`count` functions; one may come again, and whether it is trained again is not decided here."""
        return [draw(stream).proposal(self.name) for _ in range(count)]

    def learn(self, results: Sequence[tuple[Proposal, float | None]]) -> None:
        """Nothing to learn."""

    def state(self) -> str:
        """Empty: there is none."""
        return ""

    def restore(self, state: str) -> None:
        """Nothing to restore."""
