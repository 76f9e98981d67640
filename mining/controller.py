"""Proposes what an RNN controller trained with PPO has learnt to write: the search of arXiv 1710.05941 beyond one unit.

The controller writes the number of core units, one to three, and then each unit choice by choice. Its reward is a
bounded transform of the lab's fitness, its baseline an exponential moving average of rewards, as in the paper. Its
network and its update are in `mining.controller_policy`, imported when it first proposes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from mining.candidate import Proposal, View
from mining.core_units import Recipe

if TYPE_CHECKING:
    from mining.controller_policy import Policy

STEEPNESS = 2.0
"""Of the reward around ReLU: a tenth of ReLU's loss saved in a decade, fitness -0.1, gives about 0.2."""
WORST = -1.0
"""Reward of a function that was rejected, or whose fitness is not a finite number."""
MEMORY = 0.9
"""Share of the baseline that a generation leaves as it was; the first generation's mean starts it."""


def reward(fitness: float | None) -> float:
    """`-tanh(STEEPNESS * fitness)`: between -1 and 1, 0 for ReLU's loss, more for less; `WORST` for None, NaN, inf."""
    if fitness is None or math.isnan(fitness):
        return WORST
    return -math.tanh(STEEPNESS * fitness)


class Controller:
    """A Proposer that learns from what became of its proposals.

    What it wrote stands in each proposal, so that it learns from the results alone, also in a search that was stopped
    between proposing and learning. It may write a function again; that one counts with the result that it got.
    """

    name = "controller"

    def __init__(self, seed: int = 0) -> None:
        """`seed` draws the initial weights; all else is drawn from the search's streams."""
        self.seed = seed
        self.baseline: float | None = None

    @cached_property
    def policy(self) -> Policy:
        """The network and its optimizer; imports torch."""
        from mining.controller_policy import Policy

        return Policy(self.seed)

    def propose(self, count: int, view: View, stream: np.random.Generator) -> list[Proposal]:
        """`count` functions, drawn from the present policy."""
        return [Recipe(sequence[1:]).proposal(self.name) for sequence in self.policy.sample(count, stream)]

    def learn(self, results: Sequence[tuple[Proposal, float | None]]) -> None:
        """One update of the policy on all of a generation's results, then one of the baseline."""
        if not results:
            return
        recipes = [Recipe.of(proposal) for proposal, _ in results]
        rewards = [reward(fitness) for _, fitness in results]
        mean = sum(rewards) / len(rewards)
        baseline = mean if self.baseline is None else self.baseline
        sequences = [(recipe.units - 1, *recipe.choices) for recipe in recipes]
        self.policy.update(sequences, [value - baseline for value in rewards])
        self.baseline = MEMORY * baseline + (1 - MEMORY) * mean

    def state(self) -> str:
        """Weights, optimizer and baseline."""
        record = {"policy": self.policy.state(), "baseline": self.baseline}
        return json.dumps(record, separators=(",", ":"), allow_nan=False)

    def restore(self, state: str) -> None:
        """Go on from what `state` gave, bit for bit.

        Raises:
            ValueError: the state belongs to a controller of another size.
        """
        record = json.loads(state)
        self.policy.restore(record["policy"])
        self.baseline = record["baseline"]
