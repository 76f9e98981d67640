"""Trains an ensemble of MLPs on many problems and seeds at once, and measures its losses.

A search calls `evaluate`, which cannot reach the sealed test shift. A report calls `train`, then `losses` on what
`tasks.lab.data.open_sealed_shift(trained.data, points)` gives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from tasks.kernels import Fused
from tasks.lab.data import LabData, Points, open_data
from tasks.lab.network import Ensemble, build, fuse_networks
from tasks.lab.problem import Array, Problem
from tasks.lab.ranges import generator
from tasks.stopwatch import Stopwatch

if TYPE_CHECKING:
    from activations import Activation, Injection
    from tasks.lab import LabRecipe

Watch = Callable[[int, torch.Tensor], None]
"""Called after every step with the number of steps done and the loss of each network, shape (networks,)."""


@dataclass(frozen=True)
class Trained:
    """An ensemble after training, with the data it may see."""

    model: Ensemble
    data: LabData
    injection: Injection
    initial: Array
    """Held-out loss of each network before the first step, shape (networks,)."""
    finite: NDArray[np.bool_]
    """Whether each network's loss stayed finite and its parameters are, shape (networks,)."""
    stopwatch: Stopwatch
    """Time of the training loop."""
    fused: Fused
    """Kernels of the activation, and what they took to compile."""


def train(
    activation: Activation,
    problems: Sequence[Problem],
    seeds: Sequence[int],
    recipe: LabRecipe,
    device: str = "cpu",
    watch: Watch = lambda step, losses: None,
    fuse: bool = False,
) -> Trained:
    """Train one MLP for each seed and problem; a network that diverges leaves the others as they are.

    Adam under a cosine schedule on the mean squared error of standardised targets. Batches walk through the train
    points, which are independent draws, in an order that is shuffled for every epoch and the same in every run.
    `fuse` asks for fused kernels.

    Raises:
        activations.InjectionError: the audit failed.
    """
    data = open_data(problems, seeds, recipe.train_points, recipe.test_points, device)
    model, injection = build(activation, problems, seeds, recipe.width, device)
    fused = fuse_networks(model, fuse)
    initial = losses(model, data.held_out, recipe.batch)
    with Stopwatch() as stopwatch:
        finite = _fit(model, data.train, recipe, watch).cpu().numpy()
    return Trained(
        model=model,
        data=data,
        injection=injection,
        initial=initial,
        finite=finite,
        stopwatch=stopwatch,
        fused=fused,
    )


def evaluate(
    activation: Activation,
    problems: Sequence[Problem],
    seeds: Sequence[int],
    recipe: LabRecipe,
    splits: Sequence[Literal["held_out", "validation"]] = ("validation",),
    device: str = "cpu",
) -> dict[str, Array]:
    """Train and give the losses that a search may see: split to an array of shape (seeds, problems).

    The loss of a network that diverged is infinite.

    Raises:
        ValueError: a split is asked for that a search may not see.
        activations.InjectionError: the audit failed.
    """
    forbidden = sorted(set(splits) - {"held_out", "validation"})
    if forbidden:
        raise ValueError(f"a search may not see {forbidden}: a report opens the sealed shift by open_sealed_shift")
    trained = train(activation, problems, seeds, recipe, device)
    shape = (len(seeds), len(problems))
    measured: dict[str, Array] = {}
    for split in splits:
        points = trained.data.validation if split == "validation" else trained.data.held_out
        loss = losses(trained.model, points, recipe.batch)
        measured[split] = np.where(trained.finite & np.isfinite(loss), loss, np.inf).reshape(shape)
    return measured


@torch.no_grad()
def losses(model: Ensemble, points: Points, batch: int) -> Array:
    """Normalised mean squared error of each network, shape (networks,), in units of its train targets' variance.

    Points go through in batches of the training size, because a function that looks at batch statistics would
    otherwise see other ones than in training.
    """
    parts = [
        (model(inputs) - targets).double().square().sum(dim=1)
        for inputs, targets in zip(points.inputs.split(batch, dim=1), points.targets.split(batch, dim=1), strict=True)
    ]
    return np.asarray((torch.stack(parts).sum(dim=0) / points.targets.shape[1]).cpu().numpy())


def batches(recipe: LabRecipe, device: str = "cpu") -> list[torch.Tensor]:
    """Row numbers of each step's batch; one stream for all seeds, since rows are drawn afresh for every seed."""
    stream = generator("batches")
    per_epoch = recipe.train_points // recipe.batch
    order: list[np.ndarray] = []
    while len(order) < recipe.steps:
        order += np.split(stream.permutation(recipe.train_points)[: per_epoch * recipe.batch], per_epoch)
    return [torch.tensor(rows, device=device) for rows in order[: recipe.steps]]


def _fit(model: Ensemble, train: Points, recipe: LabRecipe, watch: Watch) -> torch.Tensor:
    """Train `model` in place and say which networks stayed finite, a bool tensor of shape (networks,)."""
    device = str(train.inputs.device)
    optimizer = torch.optim.Adam(model.parameters(), lr=recipe.learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.steps)
    finite = torch.ones(model.networks, dtype=torch.bool, device=device)
    for step, rows in enumerate(batches(recipe, device), 1):
        errors = model(train.inputs[:, rows]) - train.targets[:, rows]
        loss = errors.square().mean(dim=1)
        optimizer.zero_grad()
        loss.sum().backward()
        optimizer.step()
        schedule.step()
        finite &= loss.detach().isfinite()
        watch(step, loss.detach())
    for parameter in model.parameters():
        finite &= parameter.detach().reshape(model.networks, -1).isfinite().all(dim=1)
    return finite
