"""Several seeds of one CLRS-30 cell trained in one program: the package's own training step under `jax.vmap`.

Every seed has its own parameters, optimizer state, key and batches, the same as if it were trained alone. Trajectories
that are shorter than another seed's are padded with steps that the package's masks leave out of losses and outputs, so
a seed's numbers differ from those of a run alone by the order of sums and no more.

Importing this file imports jax, haiku and clrs: import it as `tasks.clrs_model` says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from activations import Injection
from tasks import clrs_data, clrs_model, clrs_stream
from tasks.base import Context, Diverged, Measurement
from tasks.clrs_compile import if_compiled
from tasks.clrs_history import History
from tasks.clrs_shapes import Room
from tasks.clrs_stream import validates, validation_batches
from tasks.clrs_train import Watches, confirm_executed, device, program_for, score, test_samples, until
from tasks.stopwatch import Stopwatch

if TYPE_CHECKING:
    from activations import Activation
    from tasks.clrs30 import Recipe


def train_and_test(
    algorithm: str, activation: Activation, seeds: Sequence[int], recipe: Recipe, context: Context, sites: int
) -> list[Measurement | Diverged]:
    """Train and test one network a seed; one that diverges leaves the others as they are.

    Raises:
        activations.InjectionError: the audit counted other than `sites` sites.
    """
    ahead = clrs_stream.ahead_on(context.device)
    with device(context), clrs_stream.streams(algorithm, seeds, recipe, ahead) as streams:
        injection = clrs_model.audit(activation, recipe.nb_triplet_fts, sites)
        openings, examples = [next(stream) for stream in streams], [next(stream) for stream in streams]
        program = program_for(algorithm, activation, recipe, context.device, openings[0].spec, examples[0])
        keys = jnp.stack([jax.random.PRNGKey(opening.key) for opening in openings])
        trial = _Trials(program.model, recipe, context, streams)
        with program.lent():
            with Stopwatch() as both:
                trial.train(keys, seeds, program.executed)
            injection = confirm_executed(injection, program.executed)
            trial.test(*test_samples(algorithm, recipe, context))
    ends = trial.ends(injection)
    return [end if isinstance(end, Diverged) else trial.watches.put_into(end, both, len(seeds)) for end in ends]


class _Trials:
    """The networks in training, one a seed, and what has been measured of each."""

    def __init__(self, model: Any, recipe: Recipe, context: Context, streams: list[Iterator[Any]]) -> None:
        self._model, self._programs = model, model.over_seeds
        self._recipe, self._context, self._streams = recipe, context, streams
        self._histories = [History(recipe) for _ in streams]
        self._over: dict[int, Diverged] = {}
        self._tests: dict[int, dict[str, float]] = {}
        self._room = Room()
        self._params: Any = None
        self._state: Any = None
        self._best: Any = None
        self.watches = Watches()

    @property
    def _alive(self) -> list[int]:
        return [index for index in range(len(self._streams)) if index not in self._over]

    def train(self, keys: Any, seeds: Sequence[int], executed: set[str]) -> None:
        """Run the training loop, keeping each seed's parameters that validate best; stop when all have diverged."""
        steps, pending = self._recipe.steps, None
        for step in range(1, steps + 1):
            feedbacks = self._next("train")
            if step == 1:
                with self.watches.compiling:
                    self._initialise(feedbacks, seeds, executed)
            pairs = jax.vmap(jax.random.split)(keys)
            step_keys, keys = pairs[:, 0], pairs[:, 1]
            batch = stacked(feedbacks)
            with if_compiled(self.watches.compiling):
                losses, self._params, self._state = self._programs.step(self._params, step_keys, batch, self._state)
            if pending is not None:  # looked at one step late, so that sampling and computing overlap
                self._record(pending, step - 1)
            pending = losses
            if validates(self._recipe, step):
                self._record(pending, step)
                pending = None
                self._validate(step)
            if not self._alive:
                return

    def test(self, samples: clrs_data.Samples, count: int) -> None:
        """Score each seed's best validated parameters on the same samples."""
        if self._alive:
            with self.watches.testing:
                batches = ([feedback] * len(self._streams) for feedback in until(samples, count))
                run = self._programs.test
                self._tests = self._evaluate(batches, lambda same: run(self._best, same[0].features), "test")

    def ends(self, injection: Injection) -> list[Measurement | Diverged]:
        """How each seed ended, in order; times are still to be filled in."""
        parameters = sum(leaf.size for leaf in jax.tree_util.tree_leaves(self._best)) // len(self._streams)
        return [
            self._over[index] if index in self._over else history.measurement(self._tests[index], injection, parameters)
            for index, history in enumerate(self._histories)
        ]

    def _initialise(self, feedbacks: list[Any], seeds: Sequence[int], executed: set[str]) -> None:
        traced, params, states = bool(executed), [], []
        for feedback, seed in zip(feedbacks, seeds, strict=True):
            self._model.init(feedback.features, seed + 1)
            params.append(self._model.params)
            states.append(self._model.opt_state)
        if not traced:
            executed.clear()  # what counts is the program that trains
        self._params, self._state, self._best = _stack(params), _stack(states), _stack(params)

    def _next(self, kind: str) -> list[Any]:
        """The next batch of every seed, of one shape; a seed that is over gets another's and draws no more."""
        drawn = {index: next(self._streams[index]) for index in self._alive}
        filler = next(iter(drawn.values()))
        return self._room.fit(kind, [drawn.get(index, filler) for index in range(len(self._streams))])

    def _record(self, losses: Any, step: int) -> None:
        values = np.asarray(losses)
        for index in self._alive:
            self._try(index, self._histories[index].add_loss, float(values[index]))
        if alive := self._alive:
            self._context.progress(step, self._recipe.steps, float(values[alive].mean()))

    def _validate(self, step: int) -> None:
        finite = np.asarray(_finite(self._params))
        for index in self._alive:
            self._try(index, self._histories[index].check_parameters, bool(finite[index]), step)
        if not self._alive:
            return
        with self.watches.validating:
            batches = (self._next("validation") for _ in range(validation_batches(self._recipe)))
            run = self._programs.validate
            scores = self._evaluate(batches, lambda each: run(self._params, stacked(each).features), "validation")
        better = [
            index in scores and history.add_score(step, scores[index]["score"])
            for index, history in enumerate(self._histories)
        ]
        self._best = _choose(jnp.array(better), self._params, self._best)

    def _evaluate(
        self, batches: Iterable[list[Any]], predict: Callable[[list[Any]], Any], name: str
    ) -> dict[int, dict[str, float]]:
        """Scores of the seeds whose outputs were finite on all batches; each batch is a list of one a seed."""
        outputs: dict[int, list[Any]] = {index: [] for index in self._alive}
        predictions: dict[int, list[Any]] = {index: [] for index in self._alive}
        for batch in batches:
            predicted, finite = jax.device_get(predict(batch))
            for index in self._alive:
                self._try(index, self._histories[index].check_outputs, bool(finite[index]), name)
                outputs[index].append(batch[index].outputs)
                predictions[index].append(jax.tree_util.tree_map(itemgetter(index), predicted))
            if not self._alive:
                break
        return {index: score(outputs[index], predictions[index]) for index in self._alive}

    def _try(self, index: int, check: Callable[..., object], *found: object) -> None:
        try:
            check(*found)
        except Diverged as error:
            self._over[index] = error


def stacked(feedbacks: Sequence[Any]) -> Any:
    """Batches of one shape along a new first axis, on the host."""
    return jax.tree_util.tree_map(lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), *feedbacks)


def _stack(trees: Sequence[Any]) -> Any:
    return jax.tree_util.tree_map(lambda *leaves: jnp.stack(leaves), *trees)


@jax.jit
def _finite(params: Any) -> Any:
    """Whether each seed's parameters are finite, (seeds,) bool."""
    leaves = [jnp.isfinite(leaf).reshape(len(leaf), -1).all(axis=1) for leaf in jax.tree_util.tree_leaves(params)]
    return jnp.stack(leaves).all(axis=0)


@jax.jit
def _choose(which: Any, ours: Any, theirs: Any) -> Any:
    """`ours` for the seeds of `which`, (seeds,) bool, `theirs` for the others."""
    return jax.tree_util.tree_map(lambda a, b: jnp.where(which.reshape(-1, *(1,) * (a.ndim - 1)), a, b), ours, theirs)
