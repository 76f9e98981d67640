"""Points and standardised targets for many problems and seeds at once, with the sealed test shift behind its own door.

The networks of a run are ordered seed by seed, and problem by problem within a seed. What one network sees depends on
its own problem and seed alone, never on which others are trained beside it, nor on the activation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from tasks.lab.problem import Array, Problem
from tasks.lab.ranges import Split, draw, rescale


class Points(NamedTuple):
    """One split for all networks."""

    inputs: torch.Tensor
    """(networks, points, variables) float32, rescaled so that the train range is [-1, 1]; unused variables are 0."""
    targets: torch.Tensor
    """(networks, points) float32, standardised by the mean and standard deviation of the train targets."""


class Scale(NamedTuple):
    """What standardises the targets of one network."""

    mean: float
    deviation: float


@dataclass(frozen=True)
class LabData:
    """The data of a search: everything but the sealed test shift."""

    problems: tuple[Problem, ...]
    seeds: tuple[int, ...]
    scales: tuple[Scale, ...]
    """One a network, from its train targets."""
    train: Points
    held_out: Points
    """Fresh points of the train range: the in-distribution loss."""
    validation: Points
    """The validation shift: the out-of-distribution loss that search and tuning may see."""

    @property
    def networks(self) -> list[tuple[int, Problem]]:
        """Seed and problem of each network, in order."""
        return [(seed, problem) for seed in self.seeds for problem in self.problems]


def open_data(
    problems: Sequence[Problem], seeds: Sequence[int], train_points: int, test_points: int, device: str = "cpu"
) -> LabData:
    """Draw train, held-out and validation points for every seed and problem; the sealed shift is not touched."""
    networks = [(seed, problem) for seed in seeds for problem in problems]
    drawn = [_draw(problem, "train", seed, train_points) for seed, problem in networks]
    scales = [Scale(float(targets.mean()), float(targets.std())) for _, targets in drawn]

    def collect(split: Split) -> Points:
        return _stack([_draw(problem, split, seed, test_points) for seed, problem in networks], scales, device)

    return LabData(
        problems=tuple(problems),
        seeds=tuple(seeds),
        scales=tuple(scales),
        train=_stack(drawn, scales, device),
        held_out=collect("held_out"),
        validation=collect("validation"),
    )


def open_sealed_shift(data: LabData, test_points: int) -> Points:
    """Draw the sealed test shift for the networks of `data`.

    Only a report may call this, and whoever does so during or after a search logs it: a function chosen with its help
    can no longer be judged by it. The transfer suite is such a report: it compares functions and chooses none.
    """
    device = str(data.train.inputs.device)
    drawn = [_draw(problem, "sealed", seed, test_points) for seed, problem in data.networks]
    return _stack(drawn, data.scales, device)


def mean_guess(points: Points) -> Array:
    """Normalised loss of always answering the train mean, shape (networks,): what a loss is to be held against."""
    return np.asarray(points.targets.double().square().mean(dim=1).cpu().numpy())


def _draw(problem: Problem, split: Split, seed: int, count: int) -> tuple[Array, Array]:
    points = draw(problem, split, seed, count)
    return rescale(problem, points), problem(points)


def _stack(drawn: Sequence[tuple[Array, Array]], scales: Sequence[Scale], device: str) -> Points:
    width = max(inputs.shape[1] for inputs, _ in drawn)
    inputs = [np.pad(points, ((0, 0), (0, width - points.shape[1]))) for points, _ in drawn]
    targets = [(value - scale.mean) / scale.deviation for (_, value), scale in zip(drawn, scales, strict=True)]
    return Points(
        torch.tensor(np.stack(inputs), dtype=torch.float32, device=device),
        torch.tensor(np.stack(targets), dtype=torch.float32, device=device),
    )
