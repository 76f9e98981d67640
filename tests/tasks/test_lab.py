"""The lab as three tasks of the suite: facts, determinism, divergence, learning."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
import torch

import activations
from tasks import guard
from tasks.base import PROFILES, Context, Diverged, Measurement, SeedBatched
from tasks.lab import FAMILIES, TASKS, LabRecipe, LabTask, problems
from tasks.lab.report import FLOOR, log10_loss
from tasks.lab.training import Trained, Watch, train

QUICK = LabRecipe(every=16, steps=150, train_points=256, test_points=128)
SHORT = LabRecipe(every=25, steps=40, train_points=256, test_points=128)


def task_of(family: str) -> LabTask:
    """The task of a family."""
    return next(task for task in TASKS if task.problems_of == family)


def test_three_tasks_with_a_recipe_for_every_profile() -> None:
    assert [task.spec.name for task in TASKS] == ["lab-polynomials", "lab-harmonics", "lab-feynman"]
    for task in TASKS:
        assert tuple(task.spec.recipes) == PROFILES
        assert (task.spec.family, task.spec.track, task.spec.sites) == ("lab", "real", 3)
        assert task.data_status(None).present
        for recipe in task.spec.recipes.values():
            assert json.loads(json.dumps(asdict(recipe))) == asdict(recipe)
            assert recipe.train_points % recipe.batch == recipe.test_points % recipe.batch == 0


def test_the_facts_name_the_sizes_of_the_families() -> None:
    assert {family: len(problems(family)) for family in FAMILIES} == {
        "polynomials": 64,
        "harmonics": 48,
        "feynman": 100,
    }
    for task in TASKS:
        assert str(len(problems(task.problems_of))) in task.spec.dataset.source


def test_smoke_problems_are_spread_over_the_family() -> None:
    smoke = {family: problems(family, task_of(family).spec.recipes["smoke"].every) for family in FAMILIES}
    assert {len(p.variables) for p in smoke["polynomials"]} == {1, 2, 3, 4}
    assert {p.name[2:4] for p in smoke["polynomials"]} == {"d2", "d3", "d4", "d5"}
    assert {p.name[1] for p in smoke["harmonics"]} == set("123456")
    assert {p.name.split(".")[0] for p in smoke["feynman"]} == {"I", "II", "III"}
    assert len({len(p.variables) for p in smoke["feynman"]}) >= 5


@pytest.mark.parametrize("family", FAMILIES)
def test_relu_learns_and_the_measurement_is_complete(family: str) -> None:
    steps: list[tuple[int, int, float]] = []
    context = Context(progress=lambda step, total, loss: steps.append((step, total, loss)))
    measured = task_of(family).run(activations.get("relu"), 0, QUICK, context)
    metrics = measured.metrics
    assert metrics["id_loss_fall"] > 10
    assert metrics["log10_id_loss"] < metrics["log10_validation_loss"]
    chosen = problems(family, QUICK.every)
    sealed = [metrics[f"sealed {problem.name}"] for problem in chosen]
    assert measured.score == metrics["log10_sealed_loss"] == pytest.approx(np.mean(sealed))
    assert [step for step, _, _ in steps] == list(range(1, QUICK.steps + 1))
    assert steps[-1][2] < steps[0][2] / 10
    assert 0 < len(measured.curves["train_loss"]) <= 200
    assert (measured.injection.swapped, measured.injection.left) == (3, 0)
    expected = sum(64 * len(problem.variables) + 64 + 2 * (64 * 64 + 64) + 64 + 1 for problem in chosen)
    assert measured.parameters == expected


@pytest.mark.parametrize("name", ["gelu-sine", "turbulent", "prelu"])
def test_the_same_cell_twice_gives_the_same_numbers_bit_for_bit(name: str) -> None:
    torch.manual_seed(3)
    first = task_of("feynman").run(activations.get(name), 1, SHORT, Context())
    torch.manual_seed(4)
    second = task_of("feynman").run(activations.get(name), 1, SHORT, Context())
    assert first.metrics == second.metrics
    assert first.curves == second.curves
    third = task_of("feynman").run(activations.get(name), 2, SHORT, Context())
    assert third.score != first.score


def test_divergence_is_raised_and_keeps_the_curve() -> None:
    explosive = activations.from_source("exp(x * x * x)")
    with pytest.raises(Diverged, match="not finite") as caught:
        task_of("polynomials").run(explosive, 0, SHORT, Context())
    assert np.isfinite(caught.value.curves["train_loss"]).all()


@pytest.mark.parametrize("name", ["relu", "swish", "turbulent"])
def test_every_seed_measures_in_company_what_it_would_alone(name: str) -> None:
    task, activation = task_of("harmonics"), activations.get(name)
    told: list[tuple[int, float]] = []
    context = Context(progress=lambda step, steps, loss: told.append((step, loss)))
    ends = task.run_seeds(activation, (0, 3), SHORT, context)
    for seed, end in zip((0, 3), ends, strict=True):
        assert isinstance(end, Measurement)
        alone = task.run(activation, seed, SHORT, Context())
        assert end.metrics["log10_initial_id_loss"] == pytest.approx(alone.metrics["log10_initial_id_loss"], abs=1e-5)
        np.testing.assert_allclose(end.curves["train_loss"][:5], alone.curves["train_loss"][:5], rtol=1e-5)
        np.testing.assert_allclose(list(end.metrics.values()), list(alone.metrics.values()), rtol=1e-2, atol=1e-3)
        assert (end.metrics.keys(), end.parameters) == (alone.metrics.keys(), alone.parameters)
        assert (end.injection, end.notes) == (alone.injection, alone.notes)
    first, second = ends
    assert isinstance(first, Measurement)
    assert isinstance(second, Measurement)
    assert first.score != second.score
    assert (first.train_seconds, first.eval_seconds) == (second.train_seconds, second.eval_seconds)
    assert [step for step, _ in told] == list(range(1, SHORT.steps + 1))
    both = [first.curves["train_loss"], second.curves["train_loss"]]
    np.testing.assert_allclose([loss for _, loss in told], np.mean(both, axis=0), rtol=1e-5)


def spoil(monkeypatch: pytest.MonkeyPatch, seeds: tuple[int, ...], networks: int, step: int) -> None:
    """Let the losses of some seeds (places 0, 1, ...) be NaN at a step, as if one of their networks had diverged."""

    def train_spoilt(
        activation: Any, problems: Any, seeds_: Any, recipe: LabRecipe, device: str, watch: Watch, *more: Any
    ) -> Trained:
        def spoilt(done: int, loss: torch.Tensor) -> None:
            for seed in seeds:
                loss[seed * networks] = torch.nan if done == step else loss[seed * networks]
            watch(done, loss)

        return train(activation, problems, seeds_, recipe, device, spoilt, *more)

    monkeypatch.setattr("tasks.lab.report.train", train_spoilt)


def test_a_seed_that_diverges_leaves_the_others_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    task, relu = task_of("harmonics"), activations.get("relu")
    healthy = task.run_seeds(relu, (0, 1, 2), SHORT, Context())
    spoil(monkeypatch, (1,), len(problems("harmonics", SHORT.every)), step=7)
    told: list[float] = []
    ends = task.run_seeds(relu, (0, 1, 2), SHORT, Context(progress=lambda step, steps, loss: told.append(loss)))
    assert isinstance(ends[1], Diverged)
    assert f"step 7 of {SHORT.steps}" in str(ends[1])
    assert len(ends[1].curves["train_loss"]) == 6
    assert np.isfinite(told).all()
    for index in (0, 2):
        ours, theirs = ends[index], healthy[index]
        assert isinstance(ours, Measurement)
        assert isinstance(theirs, Measurement)
        assert (ours.metrics, ours.curves) == (theirs.metrics, theirs.curves)


def test_when_all_seeds_diverge_training_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(monkeypatch, (0, 1), len(problems("harmonics", SHORT.every)), step=3)
    told: list[int] = []
    context = Context(progress=lambda step, steps, loss: told.append(step))
    ends = task_of("harmonics").run_seeds(activations.get("relu"), (0, 1), SHORT, context)
    assert [isinstance(end, Diverged) for end in ends] == [True, True]
    assert told == [1, 2]


@pytest.mark.parametrize("interval", [1, 20])  # as on a CPU, as on a GPU
@pytest.mark.parametrize("bad", [0, 19, 20, 47, 52])
def test_losses_of_seeds_are_watched_as_each_would_be_alone(interval: int, bad: int) -> None:
    steps, cpu = 53, torch.device("cpu")
    losses = torch.rand(steps, 3, generator=torch.Generator().manual_seed(0))
    losses[bad, 1] = torch.nan
    losses[bad + 1 :, 1] = 1.0  # it may look well again
    together, alone = guard.SeedLosses(steps, 3, cpu), [guard.LossLog(steps, cpu) for _ in range(3)]
    for log in (together, *alone):
        log._series._interval = interval  # type: ignore[attr-defined]
    ends: dict[int, Diverged] = {}
    for step in range(steps):
        together.add(losses[step])
        for seed in {0, 1, 2} - set(ends):
            try:
                alone[seed].add(losses[step, seed])
            except Diverged as error:
                ends[seed] = error
        assert together.over.keys() == ends.keys()
        np.testing.assert_equal(together.latest, [log.latest for seed, log in enumerate(alone) if seed not in ends])
    assert (str(together.over[1]), together.over[1].curves) == (str(ends[1]), ends[1].curves)
    assert f"step {bad + 1} of 53" in str(ends[1])
    assert [together.curves(seed) for seed in range(3)] == [log.curves() for log in alone]


def test_the_task_says_how_many_seeds_are_worthwhile() -> None:
    for task in TASKS:
        assert isinstance(task, SeedBatched)
        assert task.seeds_together("cuda:1") == task.seeds_together("cuda") > 1
        assert task.seeds_together("cpu") >= 1


def test_losses_are_floored_before_the_logarithm() -> None:
    np.testing.assert_allclose(log10_loss(np.array([0.0, FLOOR / 9, 1e-3, 10.0])), [-8, -8, -3, 1])


def test_importing_the_tasks_brings_in_no_framework() -> None:
    code = "import sys, tasks.lab; print([m for m in ('torch', 'jax', 'numpy', 'scipy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
