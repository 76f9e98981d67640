"""One cell of the lab as the transfer suite runs it: train, then open all shifts and summarise over problems.

This is a report in the sense of the sealed shift: it is run to compare functions that were chosen elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from tasks.base import Context, Diverged, Measurement
from tasks.guard import SeedLosses
from tasks.kernels import late_notes
from tasks.lab.data import mean_guess, open_sealed_shift
from tasks.lab.problem import Array, Problem
from tasks.lab.training import Trained, losses, train
from tasks.stopwatch import Stopwatch

if TYPE_CHECKING:
    from activations import Activation
    from tasks.lab import LabRecipe

OF_MEAN = " of mean"
FLOOR = 1e-8
"""Losses below this count as this: under it float32 and not the function decides."""


def log10_loss(loss: Array) -> Array:
    """log10 of normalised losses, floored at 1e-8 so that one perfect fit does not outweigh all other problems."""
    return np.asarray(np.log10(np.maximum(loss, FLOOR)))


def measure(
    activation: Activation, problems: Sequence[Problem], seeds: Sequence[int], recipe: LabRecipe, context: Context
) -> list[Measurement | Diverged]:
    """Train one network a seed and problem and measure it on held-out points, the validation and the sealed shift.

    One entry a seed: its measurement, its times an equal share of the whole; or why it diverged, which one network with
    a training loss, a parameter or a test loss that is not finite is enough for.

    Raises:
        activations.InjectionError: the audit failed.
    """
    watch = _Watch(len(seeds), recipe, context)
    try:
        trained = train(activation, problems, seeds, recipe, context.device, watch, context.fuse)
    except _AllDiverged:
        return [watch.log.over[index] for index in range(len(seeds))]
    over = watch.log.over
    curves = [watch.log.curves(index) for index in range(len(seeds))]
    for index, finite in enumerate(trained.finite.reshape(len(seeds), -1)):
        if not finite.all():
            reason = f"not finite after training: {_names(problems, ~finite)}"
            over.setdefault(index, Diverged(reason, curves[index]))
    with Stopwatch() as testing:
        opened = open_all(trained, recipe)
    times = [seconds / len(seeds) for seconds in (trained.stopwatch.wall, trained.stopwatch.cpu, testing.wall)]
    return [over.get(index) or _end(trained, split, curves[index], times) for index, split in enumerate(opened)]


class _AllDiverged(Exception):
    """No seed is left to train."""


class _Watch:
    """Looks at the losses of all seeds, on a CPU at every step."""

    def __init__(self, seeds: int, recipe: LabRecipe, context: Context) -> None:
        self.log = SeedLosses(recipe.steps, seeds, torch.device(context.device))
        self._seeds, self._steps, self._context = seeds, recipe.steps, context

    def __call__(self, step: int, loss: torch.Tensor) -> None:
        """Log the losses of all networks, (networks,); see `tasks.lab.training.Watch`."""
        own = loss.reshape(self._seeds, -1)
        self.log.add(own.clamp(min=FLOOR).log().mean(dim=1).exp())  # geometric: one hard problem must not hide the rest
        if not (latest := self.log.latest):
            raise _AllDiverged
        self._context.progress(step, self._steps, sum(latest) / len(latest))


def open_all(trained: Trained, recipe: LabRecipe) -> list[dict[str, Array]]:
    """Losses of every split on its points and, as `... of mean`, of always answering the train mean, for each seed.

    Arrays are of shape (problems,).
    """
    sealed = open_sealed_shift(trained.data, recipe.test_points)
    splits = {"id": trained.data.held_out, "validation": trained.data.validation, "sealed": sealed}
    measured = {"initial_id": trained.initial}
    measured |= {split: losses(trained.model, points, recipe.batch) for split, points in splits.items()}
    measured |= {f"{split}{OF_MEAN}": mean_guess(splits[split]) for split in ("validation", "sealed")}
    seeds = len(trained.data.seeds)
    return [{split: loss.reshape(seeds, -1)[index] for split, loss in measured.items()} for index in range(seeds)]


def _end(
    trained: Trained, opened: dict[str, Array], curves: dict[str, list[float]], times: Sequence[float]
) -> Measurement | Diverged:
    """The outcome of one seed whose training stayed finite."""
    problems = trained.data.problems
    for split, loss in opened.items():
        if not np.isfinite(loss).all():
            return Diverged(f"the {split} loss is not finite: {_names(problems, ~np.isfinite(loss))}", curves)
    metrics = summarise({split: loss for split, loss in opened.items() if not split.endswith(OF_MEAN)})
    for split in ("validation", "sealed"):
        metrics[f"log10_{split}_loss_of_mean"] = float(log10_loss(opened[f"{split}{OF_MEAN}"]).mean())
    each = zip(problems, log10_loss(opened["sealed"]), strict=True)
    metrics |= {f"sealed {problem.name}": float(loss) for problem, loss in each}
    train_seconds, train_cpu_seconds, eval_seconds = times
    return Measurement(
        score=metrics["log10_sealed_loss"],
        metrics=metrics,
        curves=curves,
        injection=trained.injection,
        parameters=trained.model.trainable() // len(trained.data.seeds),
        train_seconds=train_seconds,
        train_cpu_seconds=train_cpu_seconds,
        eval_seconds=eval_seconds,
        notes=("the sealed test shift was opened for this score", *trained.fused.notes, *late_notes(trained.model)),
        compile_seconds=trained.fused.seconds / len(trained.data.seeds),
        fused=trained.fused.wanted,
    )


def summarise(measured: dict[str, Array]) -> dict[str, float]:
    """Mean and median over problems of each log10 loss, and how many times the in-distribution loss fell.

    The plain mean of a loss, which the paper seems to print, is recorded too; a few problems decide it.
    """
    metrics = {}
    for split, loss in measured.items():
        logs = log10_loss(loss)
        metrics[f"log10_{split}_loss"] = float(logs.mean())
        metrics[f"median_log10_{split}_loss"] = float(np.median(logs))
        metrics[f"mean_{split}_loss"] = float(loss.mean())
    metrics["id_loss_fall"] = 10 ** (metrics["log10_initial_id_loss"] - metrics["log10_id_loss"])
    return metrics


def _names(problems: Sequence[Problem], which: NDArray[np.bool_]) -> str:
    return ", ".join(problem.name for problem, hit in zip(problems, which, strict=True) if hit)
