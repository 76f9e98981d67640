"""What the CLRS-30 tasks state, and one tiny cell from start to score."""

from __future__ import annotations

import dataclasses
import json
import math
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from types import ModuleType
from typing import Any

import pytest

from activations import Activation, InjectionError, get
from tasks import Context, Diverged, Measurement, TaskError, clrs30
from tasks.clrs30 import TASKS, Recipe

pytestmark = pytest.mark.filterwarnings("ignore:jax.nn.one_hot input should be integer:DeprecationWarning")  # clrs

TINY = Recipe(
    steps=4,
    batch_size=2,
    hidden=8,
    train_lengths=(4,),
    val_length=4,
    val_samples=4,
    test_length=6,
    test_samples=6,
    frozen_test=False,
    eval_every=2,
)


def task(algorithm: str) -> clrs30.ClrsTask:
    return next(each for each in TASKS if each.algorithm == algorithm)


def test_all_thirty_algorithms_are_there_under_the_package_s_names() -> None:
    from tasks.clrs_data import import_clrs

    clrs = import_clrs()
    assert [each.algorithm for each in TASKS] == sorted(clrs.CLRS_30_ALGS_SETTINGS)
    assert {each.spec.name for each in TASKS} == {f"clrs30-{name}" for name in clrs.CLRS_30_ALGS_SETTINGS}
    more = {name: s["num_samples_multiplier"] for name, s in clrs.CLRS_30_ALGS_SETTINGS.items()}
    assert {name: clrs30.FEW_SIGNALS.get(name, 1) for name in more} == more


def test_importing_the_tasks_brings_in_neither_jax_nor_clrs() -> None:
    code = "import sys, tasks.clrs30; print({'jax', 'clrs', 'tensorflow', 'torch', 'numpy'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "set()"


def test_paper_recipe_is_the_published_protocol() -> None:
    paper = task("insertion_sort").spec.recipes["paper"]
    assert (paper.steps, paper.batch_size, paper.hidden, paper.nb_triplet_fts) == (10_000, 32, 128, 8)
    assert (paper.train_lengths, paper.val_length, paper.test_length) == ((4, 7, 11, 13, 16), 16, 64)
    assert (paper.lr, paper.grad_clip, paper.eval_every, paper.frozen_test) == (1e-3, 1.0, 50, True)
    assert (paper.val_samples, paper.test_samples) == (64, 32)
    matcher = task("kmp_matcher").spec.recipes["paper"]
    assert (matcher.train_lengths, matcher.val_length, matcher.test_samples) == ((20,), 16, 2048)


def test_recipes_are_plain_data_and_small_ones_need_no_files() -> None:
    for each in TASKS:
        recipes = each.spec.recipes
        assert {"small", "paper"} <= set(recipes)
        for profile, recipe in recipes.items():
            assert recipe.frozen_test == (profile in ("small", "paper"))
            json.dumps(dataclasses.asdict(recipe))
    assert "smoke" not in task("bfs").spec.recipes  # it saturates at once and ranks nothing
    assert {each.algorithm for each in TASKS if "smoke" in each.spec.recipes} == {"bellman_ford"}
    assert {each.algorithm for each in TASKS if "cpu" in each.spec.recipes} == {
        "bellman_ford",
        "bfs",
        "insertion_sort",
        "minimum",
    }


def test_environment_bounds_the_threads() -> None:
    one, many = clrs30.cpu_environment(1), clrs30.cpu_environment(4)
    assert (one["NPROC"], many["NPROC"], one["JAX_PLATFORMS"]) == ("1", "4", "cpu")
    assert ("multi_thread_eigen=false" in one["XLA_FLAGS"], "multi_thread" in many["XLA_FLAGS"]) == (True, False)


def test_references_hold_their_own_value() -> None:
    held = [each.spec.reference for each in TASKS if each.spec.reference]
    assert len(held) == len(clrs30.ALGORITHMS)
    for reference in held:
        assert 0 <= reference.low < reference.value < reference.high <= 100


def test_published_scores_average_to_the_published_mean() -> None:
    assert round(statistics.fmean(clrs30.PUBLISHED.values()), 2) == 75.98


@pytest.mark.parametrize(
    ("algorithm", "low", "high"), [("minimum", 95.78, 99.78), ("heapsort", 23.28, 38.8), ("quickselect", 0.0, 2.47)]
)
def test_band_is_narrow_at_either_end(algorithm: str, low: float, high: float) -> None:
    reference = task(algorithm).spec.reference
    assert reference is not None
    assert (reference.low, reference.high) == (low, high)


@pytest.fixture(scope="module", autouse=True)
def compiled_programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Cells that run the same program compile it once."""
    import jax

    jax.config.update("jax_compilation_cache_dir", str(tmp_path_factory.mktemp("programs")))
    yield
    jax.config.update("jax_compilation_cache_dir", None)


@pytest.fixture(scope="module")
def measured() -> Measurement:
    return run("minimum", get("relu"))


def run(algorithm: str, activation: Activation, recipe: Recipe = TINY, seed: int = 0, **context: Any) -> Measurement:
    return task(algorithm).run(activation, seed, recipe, Context(**context))


def test_a_cell_measures_what_it_says(measured: Measurement) -> None:
    assert 0 <= measured.score <= 100
    assert measured.score == measured.metrics["test_score"] == measured.metrics["test_min"]
    assert (measured.injection.found, measured.injection.swapped, measured.injection.left) == (5, 5, 0)
    assert measured.injection.executed == 5
    assert len(measured.curves["train_loss"]) == TINY.steps
    assert list(measured.curves["val_step"]) == [2.0, 4.0]
    assert measured.metrics["best_val_score"] == max(measured.curves["val_score"])
    assert measured.notes == ("Tested on 6 locally sampled trajectories of length 6.",)
    assert all(math.isfinite(value) for value in measured.metrics.values())
    assert measured.train_seconds > 0
    assert measured.train_cpu_seconds > 0


def test_the_same_cell_twice_gives_the_same_score_and_tells_every_step(measured: Measurement) -> None:
    calls: list[tuple[int, int]] = []
    again = run("minimum", get("relu"), progress=lambda step, steps, loss: calls.append((step, steps)))
    assert dict(again.metrics) == dict(measured.metrics)
    assert again.curves == measured.curves
    assert calls == [(step, TINY.steps) for step in range(1, TINY.steps + 1)]


def test_a_cell_is_the_same_whichever_way_its_stream_is_drawn(
    measured: Measurement, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.clrs_stream.ahead_on", lambda device: True)
    ahead = run("minimum", get("relu"))
    assert (ahead.curves, ahead.metrics) == (measured.curves, measured.metrics)


@pytest.mark.parametrize(("cores", "processes"), [(1, 1), (3, 2), (16, 4)])
def test_samplers_leave_a_core_to_the_training(cores: int, processes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks import clrs_stream

    def draw(*wanted: Any) -> Iterator[Any]:
        return iter([("in line", *wanted)])

    monkeypatch.setattr(clrs_stream, "_cores", lambda: cores)
    monkeypatch.setattr(clrs_stream, "draw", draw)
    monkeypatch.setattr(clrs_stream, "Ahead", lambda *wanted: nullcontext(iter([("ahead", *wanted)])))
    with clrs_stream.streams("bfs", (5, 6, 7, 8), TINY, ahead=True) as streams:
        found = [next(stream) for stream in streams]
    ways = ["ahead"] * processes + ["in line"] * (4 - processes)
    assert found == [(way, "bfs", seed, TINY) for way, seed in zip(ways, (5, 6, 7, 8), strict=True)]


def test_a_worker_counts_its_share_of_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks import clrs_stream

    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(range(16)), raising=False)
    for share, cores in (("4", 4), ("64", 16), ("", 16), ("0", 16), ("4,2", 16)):
        monkeypatch.setenv("OMP_NUM_THREADS", share)
        assert clrs_stream._cores() == cores


def test_the_sampler_ends_with_a_training_that_diverges(monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks import clrs_history, clrs_stream

    started: list[clrs_stream.Ahead] = []

    def fail(self: clrs_history.History, loss: float) -> int:
        raise self.diverged("on purpose")

    class Kept(clrs_stream.Ahead):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            started.append(self)

    monkeypatch.setattr(clrs_stream, "Ahead", Kept)
    monkeypatch.setattr(clrs_stream, "ahead_on", lambda device: True)
    monkeypatch.setattr(clrs_stream, "AHEAD", 2)
    monkeypatch.setattr(clrs_history.History, "add_loss", fail)
    with pytest.raises(Diverged, match="on purpose"):
        run("minimum", get("relu"), dataclasses.replace(TINY, steps=10**6, eval_every=10**6))
    assert [stream._process.poll() for stream in started] == [-9]


def test_a_gpu_that_jax_does_not_see_is_not_the_cpu_in_silence() -> None:
    jax = pytest.importorskip("jax")
    if jax.default_backend() != "cpu":
        pytest.skip("jax sees a GPU here")
    with pytest.raises(TaskError, match=r"^jax sees no GPU: .*jax\[cuda12\]"):
        task("minimum").run(get("relu"), 0, TINY, Context(device="cuda"))


def test_another_seed_is_another_cell_on_the_same_test_set(measured: Measurement) -> None:
    other = run("minimum", get("relu"), seed=1)
    assert other.curves["train_loss"] != measured.curves["train_loss"]


def fake(function: Any) -> Any:
    """An activation of jax alone, for what no registered one may do."""
    graph = ModuleType("graph")
    graph.parameters = ()  # type: ignore[attr-defined]
    activation = ModuleType("activation")
    activation.graph, activation.jax = graph, lambda: function  # type: ignore[attr-defined]
    return activation


def test_a_loss_that_is_not_finite_is_a_divergence() -> None:
    import jax.numpy as jnp

    with pytest.raises(Diverged, match="training loss was nan at step 1 of 4"):
        run("minimum", fake(lambda x: jnp.log(x) * x))


def test_outputs_that_overflow_are_never_scored() -> None:
    """The package would take the argmax of NaN. Training sees 4 nodes, the test 6: only there the sum overflows."""
    import jax.numpy as jnp

    def breaks_at_size_six(x: Any) -> Any:
        return jnp.tanh(x) / (0.0 if 6 in x.shape else 1.0)

    with pytest.raises(Diverged, match="not finite on test samples") as caught:
        run("minimum", fake(breaks_at_size_six))
    assert len(caught.value.curves["train_loss"]) == TINY.steps


def test_a_parameter_that_is_not_finite_is_a_divergence(monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks import clrs_model

    real = clrs_model.GuardedModel.feedback

    def poisoned(self: Any, *args: Any) -> Any:
        import jax

        loss = real(self, *args)
        self.params = jax.tree_util.tree_map(lambda leaf: leaf * float("nan"), self.params)
        return loss

    monkeypatch.setattr(clrs_model.GuardedModel, "feedback", poisoned)
    with pytest.raises(Diverged, match="parameter was not finite after step 1 of 4"):
        run("minimum", get("relu"), dataclasses.replace(TINY, eval_every=1))


def test_a_task_that_declares_other_sites_is_refused() -> None:
    wrong = dataclasses.replace(task("minimum"), spec=dataclasses.replace(task("minimum").spec, sites=4))
    with pytest.raises(InjectionError, match="5 ReLUs"):
        wrong.run(get("relu"), 0, TINY, Context())
