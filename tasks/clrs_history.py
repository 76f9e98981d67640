"""What the training of one CLRS network has measured, watched for numbers that are not finite."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tasks.base import Diverged, Measurement

if TYPE_CHECKING:
    from activations import Injection
    from tasks.clrs30 import Recipe

CURVE_POINTS = 200
"""The training loss is recorded as the means of at most this many equal stretches."""


class History:
    """Losses and validations of one network, and which validation was the best."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._losses: list[float] = []
        self._val_steps: list[float] = []
        self._val_scores: list[float] = []
        self._best_step = 0
        self._best_score = -math.inf

    def add_loss(self, loss: float) -> int:
        """Append the loss of the next step and return that step, counted from 1.

        Raises:
            Diverged: it is not finite.
        """
        step = len(self._losses) + 1
        if not math.isfinite(loss):
            raise self.diverged(f"The training loss was {loss} at step {step} of {self._recipe.steps}.")
        self._losses.append(loss)
        return step

    def check_parameters(self, finite: bool, step: int) -> None:
        """Look at whether all parameters are finite after a step.

        Raises:
            Diverged: they are not.
        """
        if not finite:
            raise self.diverged(f"A parameter was not finite after step {step} of {self._recipe.steps}.")

    def check_outputs(self, finite: bool, name: str) -> None:
        """Look at whether the raw outputs were finite on samples of `validation` or `test`.

        Raises:
            Diverged: they were not.
        """
        if not finite:
            raise self.diverged(f"An output of the network was not finite on {name} samples.")

    def add_score(self, step: int, score: float) -> bool:
        """Append a validation in %, and say whether it is the best so far."""
        self._val_steps.append(float(step))
        self._val_scores.append(score)
        better = self._best_step == 0 or score > self._best_score
        if better:
            self._best_step, self._best_score = step, score
        return better

    def curves(self) -> dict[str, list[float]]:
        """What was measured, as series."""
        import numpy as np

        stretch = math.ceil(len(self._losses) / CURVE_POINTS) or 1
        starts = range(0, len(self._losses), stretch)
        losses = [float(np.mean(self._losses[start : start + stretch])) for start in starts]
        return {"train_loss": losses, "val_step": self._val_steps, "val_score": self._val_scores}

    def measurement(self, test: Mapping[str, float], injection: Injection, parameters: int) -> Measurement:
        """The outcome of a training that ended well, its times still to be filled in.

        `test` is the micro-F1 in % of each output and, as `score`, their mean.
        """
        metrics = {
            "best_val_score": self._best_score,
            "best_step": float(self._best_step),
            "last_val_score": self._val_scores[-1],
            "last_train_loss": self._losses[-1],
        }
        recipe = self._recipe
        local = f"Tested on {recipe.test_samples} locally sampled trajectories of length {recipe.test_length}."
        return Measurement(
            score=test["score"],
            metrics=metrics | {f"test_{output}": value for output, value in test.items()},
            curves=self.curves(),
            injection=injection,
            parameters=parameters,
            train_seconds=0.0,
            train_cpu_seconds=0.0,
            eval_seconds=0.0,
            notes=() if recipe.frozen_test else (local,),
        )

    def diverged(self, reason: str) -> Diverged:
        """The error that ends this network's training, with what was measured before."""
        return Diverged(reason, self.curves())
