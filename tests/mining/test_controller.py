"""The controller: its probabilities, one update in the right direction, learning, memory, and resuming bit for bit."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from mining import controller_policy
from mining.candidate import Member, Proposal, Proposer, Rejected, View
from mining.controller import WORST, Controller, reward
from mining.controller_policy import STEPS, Policy
from mining.core_units import Recipe, options
from mining.random_search import RandomSearch

SEEDS = (0, 1)
LONG = (2, 0, 0, 24, 3, 1, 1, 0, 10, 11, 0, 2, 2, 0, 24, 4)
SHORT = (0, 0, 0, 10, 0, 0)


@dataclass(frozen=True)
class Island:
    """An island of given members."""

    members: Sequence[Member] = ()
    elites: Sequence[Member] = ()
    rejections: Sequence[Rejected] = ()

    def parent(self, stream: np.random.Generator) -> Member:
        raise AssertionError("the controller has no parents")


EMPTY: View = Island()


def likelihood(policy: Policy, *sequences: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    with torch.no_grad():
        return policy.likelihood(sequences)


def fitness(proposal: Proposal) -> float | None:
    """A lab in which the sine and a sum are worth half a decade each, and functions without an x² are rejected."""
    assert proposal.graph is not None
    operations = {node.op for node in proposal.graph.nodes}
    return None if "pow" in operations else 0.5 - 0.5 * ("sin" in operations) - 0.5 * ("add" in operations)


def rewards(proposer: Proposer, generations: int, stream: np.random.Generator, count: int = 24) -> list[float]:
    """Mean reward of each generation's proposals."""
    means = []
    for _ in range(generations):
        results = [(proposal, fitness(proposal)) for proposal in proposer.propose(count, EMPTY, stream)]
        proposer.learn(results)
        means.append(float(np.mean([reward(value) for _, value in results])))
    return means


@pytest.mark.parametrize("seed", SEEDS)
def test_it_learns_what_the_control_does_not(seed: int) -> None:
    learnt = rewards(Controller(seed), 20, np.random.default_rng(seed))
    control = rewards(RandomSearch(), 20, np.random.default_rng(seed))
    assert abs(np.mean(learnt[:2]) - np.mean(control)) < 0.35  # it starts from about the same functions
    assert np.mean(learnt[-4:]) > np.mean(control) + 0.6
    assert np.mean(control[-4:]) < np.mean(control) + 0.2


def test_an_update_makes_the_better_sequence_likelier_and_the_worse_one_rarer() -> None:
    policy = Policy(0)

    def chances() -> list[float]:
        logs, _, real = likelihood(policy, LONG, SHORT)
        return [float(value) for value in (logs * real).sum(1)]

    before = chances()
    policy.update([LONG, SHORT], [1.0, -1.0])
    after = chances()
    assert after[0] > before[0] + 0.4
    assert after[1] < before[1] - 0.02


def test_clipping_keeps_an_update_near_the_policy_that_drew_the_sequences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controller_policy, "EPOCHS", 100)

    def change() -> float:
        policy = Policy(0)
        before, _, real = likelihood(policy, LONG, SHORT)
        policy.update([LONG, SHORT], [1.0, -1.0])
        return float(((likelihood(policy, LONG, SHORT)[0] - before) * real).abs().max())

    clipped = change()
    monkeypatch.setattr(controller_policy, "CLIP", math.inf)
    assert clipped < 0.5 * change()


def test_probabilities_are_those_of_the_choices_that_are_open() -> None:
    logs, entropies, real = likelihood(Policy(0), LONG, SHORT)
    assert logs.dtype == torch.float64
    assert real.sum(1).tolist() == [STEPS, 6]
    for row, sequence in enumerate((LONG, SHORT)):
        for step in range(1, len(sequence)):
            uniform = math.log(options(sequence[1:step]))
            assert abs(float(entropies[row, step]) - uniform) < 0.05
            assert abs(float(logs[row, step]) + uniform) < 0.5
    assert float(entropies[0, 1]) == float(logs[0, 1]) == 0.0  # the first unit reads x: there is nothing to choose


def test_sampling_follows_the_probabilities_and_the_stream_alone() -> None:
    policy = Policy(0)
    policy.update([SHORT] * 4, [1.0] * 4)
    torch.manual_seed(5)
    drawn = policy.sample(4000, np.random.default_rng(1))
    torch.manual_seed(6)
    assert policy.sample(4000, np.random.default_rng(1)) == drawn
    logs, _, _ = likelihood(policy, SHORT, LONG)
    for units in (0, 2):
        wanted = math.exp(float(logs[0 if units == 0 else 1, 0]))
        share = np.mean([sequence[0] == units for sequence in drawn])
        assert abs(share - wanted) < 0.04
    sine = math.exp(float(logs[0, :4].sum()))
    assert abs(np.mean([sequence[:4] == SHORT[:4] for sequence in drawn]) - sine) < 0.01
    assert all(len(sequence) == 1 + 5 * Recipe(sequence[1:]).units == 6 + 5 * sequence[0] for sequence in drawn)


def test_sampling_takes_a_fixed_number_of_draws() -> None:
    streams = [np.random.default_rng(1), np.random.default_rng(1)]
    Policy(0).sample(7, streams[0])
    streams[1].random(7 * STEPS)
    assert streams[0].random() == streams[1].random()


def test_the_reward_falls_with_the_fitness_and_is_bounded() -> None:
    ladder = [reward(value) for value in (-50.0, -0.3, -0.1, 0.0, 0.1, 0.3, math.inf)]
    assert ladder == sorted(ladder, reverse=True)
    assert reward(0.0) == 0.0
    assert reward(-50.0) <= 1.0
    assert reward(None) == reward(math.nan) == reward(math.inf) == WORST == -1.0


def test_a_resumed_search_is_the_same_bit_for_bit() -> None:
    whole, stream = Controller(3), np.random.default_rng(4)
    rewards(whole, 5, stream)

    first, again = Controller(3), np.random.default_rng(4)
    rewards(first, 2, again)
    second = Controller(8)
    second.restore(first.state())
    rewards(second, 1, again)
    before = second.state()
    results = [(proposal, fitness(proposal)) for proposal in second.propose(24, EMPTY, again)]
    third = Controller(9)
    third.restore(before)  # stopped between proposing and learning
    third.learn(results)
    rewards(third, 1, again)

    assert third.state() == whole.state()
    assert third.propose(24, EMPTY, again) == whole.propose(24, EMPTY, stream)


def test_the_state_of_a_fresh_controller_is_restored_too() -> None:
    fresh, copy = Controller(0), Controller(1)
    copy.restore(fresh.state())
    assert rewards(copy, 2, np.random.default_rng(0)) == rewards(fresh, 2, np.random.default_rng(0))
    assert copy.state() == fresh.state()


def test_a_state_of_another_size_is_refused() -> None:
    record = json.loads(Controller().state())
    record["policy"]["weights"] = record["policy"]["weights"][:400]
    with pytest.raises(ValueError, match="start a new search"):
        Controller().restore(json.dumps(record))


def test_the_baseline_is_a_moving_average_of_rewards() -> None:
    controller, stream = Controller(), np.random.default_rng(0)
    for value, wanted in ((0.0, 0.0), (-0.1, 0.1 * reward(-0.1)), (-0.1, 0.19 * reward(-0.1))):
        controller.learn([(proposal, value) for proposal in controller.propose(6, EMPTY, stream)])
        assert controller.baseline == pytest.approx(wanted)


def test_a_generation_without_proposals_changes_nothing() -> None:
    controller = Controller()
    before = controller.state()
    assert controller.propose(0, EMPTY, np.random.default_rng(0)) == []
    controller.learn([])
    assert controller.state() == before


def test_proposals_are_as_many_as_asked_for_and_say_what_they_are() -> None:
    proposals = Controller().propose(9, EMPTY, np.random.default_rng(0))
    assert [proposal.proposer for proposal in proposals] == ["controller"] * 9
    assert all(proposal.graph == Recipe.of(proposal).graph for proposal in proposals)


def test_learning_leaves_torchs_threads_and_random_state_alone() -> None:
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    rewards(Controller(), 1, np.random.default_rng(0), count=4)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)


def test_torch_is_imported_with_the_first_proposal_only() -> None:
    code = (
        "import sys, mining.controller as c; c.Controller(); print([m for m in ('torch', 'jax') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
