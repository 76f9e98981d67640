"""Several seeds in one program against one after the other."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tasks
from activations import get
from tasks import Context, Diverged, Measurement, clrs30, clrs_data, clrs_stream
from tasks.clrs30 import Recipe
from tasks.stopwatch import Stopwatch

clrs_data.import_clrs()

from tasks import clrs_compile, clrs_seeds, clrs_shapes, clrs_train  # noqa: E402  (they import clrs)

pytestmark = pytest.mark.filterwarnings("ignore:jax.nn.one_hot input should be integer:DeprecationWarning")  # clrs

TINY = Recipe(
    steps=6,
    batch_size=4,
    hidden=8,
    train_lengths=(5,),
    val_length=5,
    val_samples=8,
    test_length=6,
    test_samples=16,
    frozen_test=False,
    eval_every=3,
)
SEEDS = (0, 1, 2)


@pytest.fixture(scope="module", autouse=True)
def compiled_programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Cells that run the same program compile it once."""
    jax.config.update("jax_compilation_cache_dir", str(tmp_path_factory.mktemp("programs")))
    yield
    jax.config.update("jax_compilation_cache_dir", None)


def task(algorithm: str) -> clrs30.ClrsTask:
    return next(each for each in clrs30.TASKS if each.algorithm == algorithm)


def together(algorithm: str, activation: Any, recipe: Recipe = TINY, **context: Any) -> list[Measurement | Diverged]:
    return task(algorithm).run_seeds(activation, SEEDS, recipe, Context(**context))


def measured(end: Measurement | Diverged) -> Measurement:
    assert isinstance(end, Measurement)
    return end


def test_the_task_says_how_many_seeds_are_worthwhile() -> None:
    one = task("bfs")
    assert isinstance(one, tasks.SeedBatched)
    assert one.seeds_together("cpu") == 1
    assert one.seeds_together("cuda:0") == one.seeds_together("cuda") > 1


def test_every_seed_measures_what_it_would_alone() -> None:
    """bfs has trajectories of unequal lengths, so some batches are padded; swish has parameters of its own."""
    swish = get("swish")
    ends = together("bfs", swish)
    for seed, end in list(zip(SEEDS, ends, strict=True))[:2]:
        ours, alone = measured(end), task("bfs").run(swish, seed, TINY, Context())
        np.testing.assert_allclose(ours.curves["train_loss"], alone.curves["train_loss"], rtol=1e-5)
        assert ours.curves["val_step"] == alone.curves["val_step"]
        np.testing.assert_allclose(ours.curves["val_score"], alone.curves["val_score"], atol=5)  # in %: a few pointers
        assert ours.metrics.keys() == alone.metrics.keys()
        assert ours.score == pytest.approx(alone.score, abs=5)
        assert (ours.parameters, ours.injection, ours.notes) == (alone.parameters, alone.injection, alone.notes)
    assert len({measured(end).curves["train_loss"][0] for end in ends}) == len(SEEDS)


def test_predictions_are_scored_against_the_outputs_of_their_own_seed() -> None:
    """Every seed has other batches, of which its network gets another share right."""
    right = (4, 1, 2)  # of 4

    def predict(batch: list[Any]) -> Any:
        answers = []
        for feedback, count in zip(batch, right, strict=True):
            (truth,) = feedback.outputs
            moved = np.roll(truth.data, 1, axis=1)
            moved[:count] = truth.data[:count]
            answers.append({truth.name: type(truth)(truth.name, truth.location, truth.type_, moved)})
        return clrs_seeds.stacked(answers), np.ones(len(SEEDS), bool)

    with clrs_stream.streams("minimum", SEEDS, TINY, ahead=False) as streams:
        openings, examples = [next(stream) for stream in streams], [next(stream) for stream in streams]
        program = clrs_train.program_for("minimum", get("relu"), TINY, "cpu", openings[0].spec, examples[0])
        trials = clrs_seeds._Trials(program.model, TINY, Context(), streams)
        scores = trials._evaluate(([next(stream) for stream in streams] for _ in range(2)), predict, "test")
    assert [scores[index]["score"] for index in range(len(SEEDS))] == pytest.approx([100, 25, 50])


def test_only_the_seeds_that_got_better_take_their_new_parameters() -> None:
    new, best = ({"w": sign * jnp.arange(1.0, 7).reshape(3, 2), "b": sign * jnp.arange(1.0, 4)} for sign in (1, -1))
    chosen = clrs_seeds._choose(jnp.array([True, False, True]), new, best)
    assert chosen["w"].tolist() == [[1, 2], [-3, -4], [5, 6]]
    assert chosen["b"].tolist() == [1, -2, 3]


def test_progress_is_the_mean_of_the_seeds_and_times_are_equal_shares() -> None:
    told: list[tuple[int, int, float]] = []
    ends = together("minimum", get("relu"), progress=lambda *call: told.append(call))
    curves = [measured(end).curves["train_loss"] for end in ends]
    assert [step for step, _, _ in told] == list(range(1, TINY.steps + 1))
    np.testing.assert_allclose([loss for _, _, loss in told], np.mean(curves, axis=0), rtol=1e-6)
    first = measured(ends[0])
    assert first.train_seconds > 0
    for end in ends:
        same = measured(end)
        assert (same.train_seconds, same.eval_seconds) == (first.train_seconds, first.eval_seconds)


@pytest.mark.parametrize("module", [clrs_train, clrs_seeds])
def test_only_the_steps_that_make_a_program_are_charged_to_compilation(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    charged: list[bool] = []

    @contextmanager
    def spy(stopwatch: Stopwatch) -> Iterator[None]:
        before = stopwatch.cpu
        with clrs_compile.if_compiled(stopwatch):
            yield
        charged.append(stopwatch.cpu != before)

    monkeypatch.setattr(module, "if_compiled", spy)
    clrs_train._latest.clear()
    for expected in ([True, *[False] * (TINY.steps - 1)], [False] * TINY.steps):
        charged.clear()
        if module is clrs_seeds:
            together("minimum", get("relu"))
        else:
            task("minimum").run(get("relu"), 0, TINY, Context())
        assert charged == expected


def test_seeds_share_what_their_program_took(monkeypatch: pytest.MonkeyPatch) -> None:
    watches, loop = clrs_train.Watches(), Stopwatch()
    for watch, wall, cpu in (
        (loop, 20.0, 30.0),
        (watches.compiling, 8.0, 12.0),
        (watches.validating, 2.0, 3.0),
        (watches.testing, 1.0, 1.0),
    ):
        watch.wall, watch.cpu = wall, cpu
    plain = task("minimum").run(get("relu"), 0, TINY, Context())

    def times() -> tuple[float, ...]:
        end = watches.put_into(plain, loop, seeds=2)
        return end.train_seconds, end.train_cpu_seconds, end.eval_seconds, end.compile_seconds

    assert times() == (5.0, 7.5, 1.5, 4.0)
    monkeypatch.setattr(clrs_compile, "_made", 0)
    assert times() == (5.0, 7.5, 1.5, 0.0), "a jax that tells nothing: compilation is within the training"


class Poisoned:
    """A stream in which the batch of one step holds NaN."""

    def __init__(self, stream: Iterator[Any], item: int) -> None:
        self._stream, self._left = stream, item

    def __next__(self) -> Any:
        feedback = next(self._stream)
        self._left -= 1
        if self._left == 0:
            for point in feedback.features.inputs:
                point.data = point.data * np.nan
        return feedback


def poison(monkeypatch: pytest.MonkeyPatch, seeds: tuple[int, ...], item: int) -> None:
    """Let the streams of some seeds go wrong at an item: the opening is number 1, the example 2."""
    real = clrs_stream.draw

    def draw(algorithm: str, seed: int, recipe: Recipe) -> Iterator[Any]:
        stream = real(algorithm, seed, recipe)
        return Poisoned(stream, item) if seed in seeds else stream  # type: ignore[return-value]

    monkeypatch.setattr(clrs_stream, "draw", draw)


def test_a_seed_that_diverges_leaves_the_others_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    healthy = together("minimum", get("relu"))
    poison(monkeypatch, (1,), item=2 + 2)
    told: list[float] = []
    ends = together("minimum", get("relu"), progress=lambda step, steps, loss: told.append(loss))
    assert isinstance(ends[1], Diverged)
    assert str(ends[1]) == "The training loss was nan at step 2 of 6."
    assert len(ends[1].curves["train_loss"]) == 1
    for index in (0, 2):
        assert measured(ends[index]).curves == measured(healthy[index]).curves
        assert measured(ends[index]).metrics == measured(healthy[index]).metrics
    assert np.isfinite(told).all()


def test_outputs_that_are_not_finite_end_their_own_seed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    poison(monkeypatch, (0,), item=2 + 3 + 1)  # the first batch of the first validation
    ends = together("minimum", get("relu"))
    assert isinstance(ends[0], Diverged)
    assert "not finite on validation samples" in str(ends[0])
    assert len(ends[0].curves["train_loss"]) == 3
    assert all(isinstance(end, Measurement) for end in ends[1:])


def test_when_all_diverge_training_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    poison(monkeypatch, SEEDS, item=2 + 1)
    told: list[int] = []
    drawn: list[str] = []
    real = clrs_shapes.Room.fit

    def fit(self: clrs_shapes.Room, kind: str, feedbacks: list[Any]) -> list[Any]:
        drawn.append(kind)
        return real(self, kind, feedbacks)

    monkeypatch.setattr(clrs_shapes.Room, "fit", fit)
    ends = together("minimum", get("relu"), progress=lambda step, steps, loss: told.append(step))
    assert [str(end) for end in ends] == ["The training loss was nan at step 1 of 6."] * 3
    assert drawn == ["train", "train"]  # each loss is looked at one step late
    assert told == []


def test_padding_does_not_change_the_loss() -> None:
    with clrs_stream.streams("bfs", (0,), TINY, ahead=False) as (stream,):
        opening, example, feedback = (next(stream) for _ in range(3))
    model = clrs_train.program_for("bfs", get("relu"), TINY, "cpu", opening.spec, example).model
    model.init(feedback.features, 1)
    steps = clrs_shapes.hint_steps(feedback)
    longer = clrs_shapes.padded(feedback, steps + 3)
    assert {hint.data.shape[0] for hint in longer.features.hints} == {steps + 3}
    loss = jax.jit(model._loss, static_argnums=3)
    key = jax.random.PRNGKey(0)
    plain, padded = (float(loss(model.params, key, each, 0)) for each in (feedback, longer))
    assert padded == pytest.approx(plain, rel=1e-6)
    garbage = longer._replace(features=longer.features._replace(lengths=longer.features.lengths + 3))
    assert float(loss(model.params, key, garbage, 0)) != pytest.approx(plain, rel=1e-3)  # it is the lengths that mask


def test_room_grows_in_leaps_and_never_shrinks() -> None:
    def batch(steps: int) -> Any:
        with clrs_stream.streams("bfs", (0,), TINY, ahead=False) as (stream,):
            next(stream)
            return clrs_shapes.padded(next(stream), steps)

    room = clrs_shapes.Room()

    def steps(kind: str, *wanted: int) -> list[int]:
        return [each.features.hints[0].data.shape[0] for each in room.fit(kind, [batch(want) for want in wanted])]

    assert steps("train", 9, 10) == [10, 10]
    assert steps("train", 9, 9) == [10, 10]
    assert steps("validation", 9, 9) == [9, 9]
    assert steps("train", 11, 9) == [12, 12]
    assert steps("train", 12, 9) == [12, 12]


def test_seeds_of_one_network_share_what_was_compiled() -> None:
    """In the order of a plan: all functions of one seed, then all of the next."""
    compiled: list[str] = []

    def listen(event: str, duration_secs: float, **_: str | int) -> None:
        compiled.append(event)

    def run(name: str, seed: int) -> int:
        compiled.clear()
        task("minimum").run(get(name), seed, TINY, Context())
        return sum("jaxpr_to_mlir" in event for event in compiled)

    clrs_train._latest.clear()
    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        (first, other), (again, other_again) = ([run(name, seed) for name in ("relu", "tanh")] for seed in (0, 1))
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
    assert 0 < again < first / 2
    assert other_again < other / 2
    assert [program.activation.name for program in clrs_train._latest] == ["relu", "tanh"]
    for program in clrs_train._latest:
        assert program.model.params is None
        assert program.model.opt_state is None


def test_the_programs_of_the_last_networks_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clrs_train, "KEPT", 2)
    clrs_train._latest.clear()
    with clrs_stream.streams("minimum", (0,), TINY, ahead=False) as (stream,):
        opening, example = next(stream), next(stream)

    def program(name: str, recipe: Recipe = TINY) -> clrs_train.Program:
        return clrs_train.program_for("minimum", get(name), recipe, "cpu", opening.spec, example)

    relu, tanh = program("relu"), program("tanh")
    assert program("relu") is relu
    assert program("relu").model.over_seeds is relu.model.over_seeds
    gelu = program("gelu")  # tanh was asked for longest ago
    assert clrs_train._latest == [relu, gelu]
    assert program("tanh") is not tanh
    assert program("gelu", dataclasses.replace(TINY, hidden=4)) is not gelu
