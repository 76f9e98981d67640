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
from tasks.guard import LossLog
from tasks.lab.data import mean_guess, open_sealed_shift
from tasks.lab.problem import Array, Problem
from tasks.lab.training import Trained, losses, train
from tasks.stopwatch import Stopwatch

if TYPE_CHECKING:
    from activations import Activation
    from tasks.lab import LabRecipe

FLOOR = 1e-8
"""Losses below this count as this: under it float32 and not the function decides."""


def log10_loss(loss: Array) -> Array:
    """log10 of normalised losses, floored at 1e-8 so that one perfect fit does not outweigh all other problems."""
    return np.asarray(np.log10(np.maximum(loss, FLOOR)))


def measure(
    activation: Activation, problems: Sequence[Problem], seed: int, recipe: LabRecipe, context: Context
) -> Measurement:
    """Train one network a problem and measure it on held-out points, the validation shift and the sealed shift.

    Raises:
        Diverged: a training loss, a parameter or a test loss of one of the networks is not finite.
        activations.InjectionError: the audit failed.
    """
    log = LossLog(recipe.steps, torch.device(context.device))

    def watch(step: int, loss: torch.Tensor) -> None:
        log.add(loss.clamp(min=FLOOR).log().mean().exp())  # the geometric mean: one hard problem must not hide the rest
        context.progress(step, recipe.steps, log.latest)

    trained = train(activation, problems, (seed,), recipe, context.device, watch)
    curves = log.curves()
    if not trained.finite.all():
        raise Diverged(f"not finite after training: {_names(problems, ~trained.finite)}", curves)
    with Stopwatch() as testing:
        metrics = open_all(trained, recipe, curves)
    return Measurement(
        score=metrics["log10_sealed_loss"],
        metrics=metrics,
        curves=curves,
        injection=trained.injection,
        parameters=trained.model.trainable(),
        train_seconds=trained.stopwatch.wall,
        train_cpu_seconds=trained.stopwatch.cpu,
        eval_seconds=testing.wall,
        notes=("the sealed test shift was opened for this score",),
    )


def open_all(trained: Trained, recipe: LabRecipe, curves: dict[str, list[float]]) -> dict[str, float]:
    """Metrics of all splits, and the sealed log10 loss of each problem under its name.

    Raises:
        Diverged: a loss of one of the networks is not finite.
    """
    sealed = open_sealed_shift(trained.data, recipe.test_points)
    splits = {"id": trained.data.held_out, "validation": trained.data.validation, "sealed": sealed}
    measured = {"initial_id": trained.initial}
    measured |= {split: losses(trained.model, points, recipe.batch) for split, points in splits.items()}
    for split, loss in measured.items():
        if not np.isfinite(loss).all():
            raise Diverged(
                f"the {split} loss is not finite: {_names(trained.data.problems, ~np.isfinite(loss))}", curves
            )
    metrics = summarise(measured)
    metrics["log10_validation_loss_of_mean"] = float(log10_loss(mean_guess(trained.data.validation)).mean())
    metrics["log10_sealed_loss_of_mean"] = float(log10_loss(mean_guess(sealed)).mean())
    each = zip(trained.data.problems, log10_loss(measured["sealed"]), strict=True)
    return metrics | {f"sealed {problem.name}": float(loss) for problem, loss in each}


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
