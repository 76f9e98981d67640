"""Training and testing of one CLRS-30 cell, with every number checked for being finite.

Importing this file imports jax, haiku and clrs: import it as `tasks.clrs_model` says.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from activations import Injection, InjectionError
from tasks import clrs_data, clrs_model
from tasks.base import Context, Diverged, Measurement, TaskError
from tasks.stopwatch import Stopwatch

if TYPE_CHECKING:
    from activations import Activation
    from tasks.clrs30 import Recipe

CURVE_POINTS = 200
"""The training loss is recorded as the means of at most this many equal stretches."""


@dataclass(frozen=True)
class Supplies:
    """Where a run's batches come from."""

    train: clrs_data.Samples
    validation: clrs_data.Samples
    test: clrs_data.Samples
    test_count: int


def train_and_test(
    algorithm: str, activation: Activation, seed: int, recipe: Recipe, context: Context, sites: int
) -> Measurement:
    """Train `activation`'s network for `recipe.steps` steps and test its best validated parameters.

    Raises:
        Diverged: a loss, a parameter or a raw output of the network was not finite.
        activations.InjectionError: the audit counted other than `sites` sites.
    """
    with _device(context):
        injection = clrs_model.audit(activation, recipe.nb_triplet_fts, sites)
        rng = np.random.RandomState(seed)
        key = jax.random.PRNGKey(rng.randint(2**32))
        trial = _Trial(activation, recipe, context, gather_supplies(algorithm, recipe, context, rng))
        with Stopwatch() as both:
            trial.train(key, seed)
        train_seconds, train_cpu_seconds = both.wall - trial.testing.wall, both.cpu - trial.testing.cpu
        injection = _confirm_executed(injection, trial.executed)
        test = trial.test()
    local = f"Tested on {recipe.test_samples} locally sampled trajectories of length {recipe.test_length}."
    return Measurement(
        score=test["score"],
        metrics=trial.metrics() | {f"test_{output}": value for output, value in test.items()},
        curves=trial.curves(),
        injection=injection,
        parameters=sum(int(np.size(leaf)) for leaf in jax.tree_util.tree_leaves(trial.best_params)),
        train_seconds=train_seconds,
        train_cpu_seconds=train_cpu_seconds,
        eval_seconds=trial.testing.wall,
        notes=() if recipe.frozen_test else (local,),
    )


def gather_supplies(algorithm: str, recipe: Recipe, context: Context, rng: np.random.RandomState) -> Supplies:
    """Set up the samplers in the package's order, which fixes what each takes from `rng`."""
    size = recipe.batch_size
    train = clrs_data.training_samples(algorithm, recipe.train_lengths, size, rng)
    validation = clrs_data.validation_samples(algorithm, recipe.val_length, recipe.val_samples, size, rng)
    if recipe.frozen_test and context.data is not None:
        test, count = clrs_data.frozen_test_samples(algorithm, context.data, size)
    else:
        count = recipe.test_samples
        test = clrs_data.local_test_samples(algorithm, recipe.test_length, count, size)
    return Supplies(train, validation, test, count)


class _Trial:
    """One network in training, and what has been measured of it."""

    def __init__(self, activation: Activation, recipe: Recipe, context: Context, supplies: Supplies) -> None:
        self.executed: set[str] = set()
        factory = clrs_model.processor_factory(activation, recipe.nb_triplet_fts, self.executed)
        example = next(supplies.validation.batches)
        self._model: Any = clrs_model.build_model(factory, supplies.train.spec, example, recipe)
        self._recipe, self._context, self._supplies = recipe, context, supplies
        self._losses: list[float] = []
        self._val_steps: list[float] = []
        self._val_scores: list[float] = []
        self.best_params: Any = None
        self._best_step = 0
        self._best_score = -math.inf
        self.testing = Stopwatch()

    def train(self, key: Any, seed: int) -> None:
        """Run the training loop, keeping the parameters that validate best."""
        steps, pending = self._recipe.steps, None
        for step in range(1, steps + 1):
            feedback = next(self._supplies.train.batches)
            if step == 1:
                self._model.init(feedback.features, seed + 1)
                self.executed.clear()  # what counts is the program that trains
            step_key, key = jax.random.split(key)
            loss = self._model.feedback(step_key, feedback)
            if pending is not None:  # looked at one step late, so that sampling and computing overlap
                self._record(pending)
            pending = loss
            if step % self._recipe.eval_every == 0 or step == steps:
                self._record(pending)
                pending = None
                self._validate(step)

    def test(self) -> dict[str, float]:
        """Score the best validated parameters: micro-F1 in % of each output and, as `score`, their mean."""
        self._model.params = self.best_params
        return self._evaluate(self._supplies.test, self._supplies.test_count, "test")

    def metrics(self) -> dict[str, float]:
        """What training measured, as numbers."""
        return {
            "best_val_score": self._best_score,
            "best_step": float(self._best_step),
            "last_val_score": self._val_scores[-1],
            "last_train_loss": self._losses[-1],
        }

    def curves(self) -> dict[str, list[float]]:
        """What training measured, as series."""
        stretch = math.ceil(len(self._losses) / CURVE_POINTS) or 1
        starts = range(0, len(self._losses), stretch)
        losses = [float(np.mean(self._losses[start : start + stretch])) for start in starts]
        return {"train_loss": losses, "val_step": self._val_steps, "val_score": self._val_scores}

    def _record(self, loss: Any) -> None:
        value, step = float(loss), len(self._losses) + 1
        if not math.isfinite(value):
            raise Diverged(f"The training loss was {value} at step {step} of {self._recipe.steps}.", self.curves())
        self._losses.append(value)
        self._context.progress(step, self._recipe.steps, value)

    def _validate(self, step: int) -> None:
        params = self._model.params
        if not all(np.isfinite(leaf).all() for leaf in jax.tree_util.tree_leaves(params)):
            raise Diverged(f"A parameter was not finite after step {step} of {self._recipe.steps}.", self.curves())
        score = self._evaluate(self._supplies.validation, self._recipe.val_samples, "validation")["score"]
        self._val_steps.append(float(step))
        self._val_scores.append(score)
        if self.best_params is None or score > self._best_score:
            self.best_params, self._best_step, self._best_score = params, step, score

    def _evaluate(self, samples: clrs_data.Samples, count: int, name: str) -> dict[str, float]:
        with self.testing:
            outputs, predictions, seen = [], [], 0
            while seen < count:
                feedback = next(samples.batches)
                predicted, finite = self._model.predict(jax.random.PRNGKey(0), feedback.features)
                if not finite:
                    raise Diverged(f"An output of the network was not finite on {name} samples.", self.curves())
                outputs.append(feedback.outputs)
                predictions.append(predicted)
                seen += len(feedback.features.lengths)
            scores = clrs_data.import_clrs().evaluate(_joined(outputs), _joined(predictions))
        return {output: 100.0 * float(value) for output, value in scores.items()}


def _device(context: Context) -> AbstractContextManager[Any]:
    if not context.device.startswith("cuda"):
        return jax.default_device(jax.local_devices(backend="cpu")[0])
    if jax.local_device_count() != 1:
        raise TaskError("The CLRS package spreads over every GPU it sees: set CUDA_VISIBLE_DEVICES to one of them.")
    return jax.default_device(jax.local_devices()[0])


def _joined(batches: list[Any]) -> Any:
    """Join batches of data points (or dictionaries of them) along the sample axis, on the host."""
    return jax.tree_util.tree_map(lambda *parts: np.concatenate(parts), *batches)


def _confirm_executed(injection: Injection, executed: set[str]) -> Injection:
    if executed != set(injection.sites):
        raise InjectionError(f"The CLRS network ran the sites {sorted(executed)} and not {sorted(injection.sites)}.")
    return replace(injection, executed=len(executed))
