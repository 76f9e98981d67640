"""The lab as three tasks of the suite: facts, determinism, divergence, learning."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict

import numpy as np
import pytest
import torch

import activations
from tasks.base import PROFILES, Context, Diverged
from tasks.lab import FAMILIES, TASKS, LabRecipe, LabTask, problems
from tasks.lab.report import FLOOR, log10_loss

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


def test_losses_are_floored_before_the_logarithm() -> None:
    np.testing.assert_allclose(log10_loss(np.array([0.0, FLOOR / 9, 1e-3, 10.0])), [-8, -8, -3, 1])


def test_importing_the_tasks_brings_in_no_framework() -> None:
    code = "import sys, tasks.lab; print([m for m in ('torch', 'jax', 'numpy', 'scipy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
