"""Training and testing of one CLRS-30 cell, with every number checked for being finite.

Importing this file imports jax, haiku and clrs: import it as `tasks.clrs_model` says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from activations import Injection, InjectionError
from tasks import clrs_data, clrs_model, clrs_stream
from tasks.base import Context, Measurement, TaskError
from tasks.clrs_compile import hears, if_compiled
from tasks.clrs_history import History
from tasks.clrs_stream import validates, validation_batches
from tasks.stopwatch import Stopwatch

if TYPE_CHECKING:
    from activations import Activation
    from tasks.clrs30 import Recipe


def train_and_test(
    algorithm: str, activation: Activation, seed: int, recipe: Recipe, context: Context, sites: int
) -> Measurement:
    """Train `activation`'s network for `recipe.steps` steps and test its best validated parameters.

    Raises:
        Diverged: a loss, a parameter or a raw output of the network was not finite.
        activations.InjectionError: the audit counted other than `sites` sites.
    """
    ahead = clrs_stream.ahead_on(context.device)
    with device(context), clrs_stream.streams(algorithm, (seed,), recipe, ahead) as (stream,):
        injection = clrs_model.audit(activation, recipe.nb_triplet_fts, sites)
        trial = _Trial(algorithm, activation, recipe, context, stream)
        with trial.program.lent():
            with Stopwatch() as both:
                trial.train(seed)
            injection = confirm_executed(injection, trial.program.executed)
            test = trial.test(*test_samples(algorithm, recipe, context))
    measured = trial.history.measurement(
        test, injection, sum(int(np.size(leaf)) for leaf in jax.tree_util.tree_leaves(trial.best_params))
    )
    return trial.watches.put_into(measured, both)


@dataclass(frozen=True)
class Watches:
    """What is timed apart from the rest of the training loop."""

    compiling: Stopwatch = field(default_factory=Stopwatch)
    """Making initial parameters and the programs that train."""
    validating: Stopwatch = field(default_factory=Stopwatch)
    testing: Stopwatch = field(default_factory=Stopwatch)

    def put_into(self, measured: Measurement, loop: Stopwatch, seeds: int = 1) -> Measurement:
        """Fill in the times of one of so many `seeds` that shared a training loop: an equal share."""
        return replace(
            measured,
            train_seconds=(loop.wall - self.validating.wall - self.compiling.wall) / seeds,
            train_cpu_seconds=(loop.cpu - self.validating.cpu - self.compiling.cpu) / seeds,
            eval_seconds=(self.testing.wall + self.validating.wall) / seeds,
            compile_seconds=self.compiling.wall / seeds if hears() else 0.0,
        )


def test_samples(algorithm: str, recipe: Recipe, context: Context) -> tuple[clrs_data.Samples, int]:
    """The test set, the same for every seed, and its sample count."""
    if recipe.frozen_test and context.data is not None:
        return clrs_data.frozen_test_samples(algorithm, context.data, recipe.batch_size)
    count = recipe.test_samples
    return clrs_data.local_test_samples(algorithm, recipe.test_length, count, recipe.batch_size), count


def device(context: Context) -> AbstractContextManager[Any]:
    """Let jax compute on the device of `context`.

    Raises:
        TaskError: jax has no GPU here, where the package would train on the CPU in silence, or several, over all of
            which it would spread.
    """
    if not context.device.startswith("cuda"):
        return jax.default_device(jax.local_devices(backend="cpu")[0])
    if jax.default_backend() == "cpu":
        raise TaskError("jax sees no GPU: install it for CUDA by pip install 'jax[cuda12]' -c constraints.txt")
    if jax.local_device_count() != 1:
        raise TaskError("The CLRS package spreads over every GPU it sees: set CUDA_VISIBLE_DEVICES to one of them.")
    return jax.default_device(jax.local_devices()[0])


def until(samples: clrs_data.Samples, count: int) -> Iterator[Any]:
    """Batches that hold at least `count` samples in all."""
    seen = 0
    while seen < count:
        batch = next(samples.batches)
        seen += len(batch.features.lengths)
        yield batch


def score(outputs: list[Any], predictions: list[Any]) -> dict[str, float]:
    """Micro-F1 in % of each output and, as `score`, their mean, over all batches; done on the host."""
    true, predicted = (
        jax.tree_util.tree_map(lambda *parts: np.concatenate(parts), *batches) for batches in (outputs, predictions)
    )
    scores = clrs_data.import_clrs().evaluate(true, predicted)
    return {output: 100.0 * float(value) for output, value in scores.items()}


def confirm_executed(injection: Injection, executed: set[str]) -> Injection:
    """Note how many sites the training program runs.

    Raises:
        activations.InjectionError: not those that were audited.
    """
    if executed != set(injection.sites):
        raise InjectionError(f"The CLRS network ran the sites {sorted(executed)} and not {sorted(injection.sites)}.")
    return replace(injection, executed=len(executed))


@dataclass(frozen=True)
class Program:
    """A model that has yet to be initialised; what it compiled serves every seed of the same network."""

    algorithm: str
    activation: Activation
    recipe: Recipe
    device: str
    model: Any
    executed: set[str]
    """Names of the sites that the program which trains was seen to run when it was traced."""

    def serves(self, algorithm: str, activation: Activation, recipe: Recipe, device: str) -> bool:
        """Whether this is the program of that network."""
        same = (self.algorithm, self.recipe, self.device) == (algorithm, recipe, device)
        return same and bool(self.activation.graph == activation.graph)

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Train or test in here; parameters and optimizer state do not outlive the block, programs do."""
        try:
            yield
        finally:
            self.model.params = self.model.opt_state = None


KEPT = 8
"""Networks whose programs are kept, without parameters. A plan goes task by task, seed by seed and only then function
by function, so the next seed of a network finds its programs where a worker compares no more functions than this. On a
CPU a further network added 65 to 150 MB to a worker (bellman_ford, recipe `cpu`, of 60 steps)."""

_latest: list[Program] = []
"""The programs of the last cells, the latest last."""


def program_for(
    algorithm: str, activation: Activation, recipe: Recipe, device: str, spec: Any, example: Any
) -> Program:
    """The program of a network: one of the last `KEPT` where it is the same, or else a new one.

    `example` is one batch, `spec` its specification; both are the same for every seed, but for the numbers in them.
    """
    found = next((each for each in _latest if each.serves(algorithm, activation, recipe, device)), None)
    if found is None:
        executed: set[str] = set()
        factory = clrs_model.processor_factory(activation, recipe.nb_triplet_fts, executed)
        model = clrs_model.build_model(factory, spec, example, recipe)
        found = Program(algorithm, activation, recipe, device, model, executed)
    others = [each for each in _latest if each is not found]
    _latest[:] = [*others, found][-KEPT:]
    return found


class _Trial:
    """One network in training, and what has been measured of it."""

    def __init__(
        self, algorithm: str, activation: Activation, recipe: Recipe, context: Context, stream: Iterator[Any]
    ) -> None:
        opening, example = next(stream), next(stream)
        self.program = program_for(algorithm, activation, recipe, context.device, opening.spec, example)
        self.history = History(recipe)
        self.best_params: Any = None
        self.watches = Watches()
        self._key = jax.random.PRNGKey(opening.key)
        self._recipe, self._context, self._stream = recipe, context, stream

    def train(self, seed: int) -> None:
        """Run the training loop, keeping the parameters that validate best."""
        model, steps, pending, key = self.program.model, self._recipe.steps, None, self._key
        for step in range(1, steps + 1):
            feedback = next(self._stream)
            if step == 1:
                traced = bool(self.program.executed)
                with self.watches.compiling:
                    model.init(feedback.features, seed + 1)
                if not traced:
                    self.program.executed.clear()  # what counts is the program that trains
            step_key, key = jax.random.split(key)
            with if_compiled(self.watches.compiling):
                loss = model.feedback(step_key, feedback)
            if pending is not None:  # looked at one step late, so that sampling and computing overlap
                self._record(pending)
            pending = loss
            if validates(self._recipe, step):
                self._record(pending)
                pending = None
                self._validate(step)

    def test(self, samples: clrs_data.Samples, count: int) -> dict[str, float]:
        """Score the best validated parameters: micro-F1 in % of each output and, as `score`, their mean."""
        self.program.model.params = self.best_params
        with self.watches.testing:
            return self._evaluate(until(samples, count), "test")

    def _record(self, loss: Any) -> None:
        value = float(loss)
        self._context.progress(self.history.add_loss(value), self._recipe.steps, value)

    def _validate(self, step: int) -> None:
        params = self.program.model.params
        self.history.check_parameters(all(np.isfinite(leaf).all() for leaf in jax.tree_util.tree_leaves(params)), step)
        with self.watches.validating:
            batches = islice(self._stream, validation_batches(self._recipe))
            found = self._evaluate(batches, "validation")["score"]
        if self.history.add_score(step, found):
            self.best_params = params

    def _evaluate(self, batches: Iterable[Any], name: str) -> dict[str, float]:
        outputs, predictions = [], []
        for feedback in batches:
            predicted, finite = self.program.model.predict(jax.random.PRNGKey(0), feedback.features)
            self.history.check_outputs(bool(finite), name)
            outputs.append(feedback.outputs)
            predictions.append(predicted)
        return score(outputs, predictions)
