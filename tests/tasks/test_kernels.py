"""Fused kernels in the torch tasks: the same training to rounding, and a record that says what stayed eager."""

from dataclasses import replace

import pytest

import tasks
from activations import get
from tasks import Context, Measurement
from tasks.kernels import fuse_sites

SHORT = {
    "lab-polynomials": {"steps": 20, "every": 16},
    "digits-resnet18": {"epochs": 1},
    "molecules-gcn": {"epochs": 1},
}


def run(name: str, activation: str, fuse: bool) -> Measurement:
    task = tasks.get(name)
    recipe = replace(task.spec.recipes["smoke"], **SHORT[name])
    return task.run(get(activation), 0, recipe, Context(fuse=fuse))


@pytest.mark.parametrize("name", SHORT)
def test_a_fused_training_begins_as_an_eager_one(name: str) -> None:
    eager, fused = run(name, "gelu-sine", fuse=False), run(name, "gelu-sine", fuse=True)
    assert fused.curves["train_loss"][0] == pytest.approx(eager.curves["train_loss"][0], rel=1e-4)
    assert (fused.parameters, fused.injection) == (eager.parameters, eager.injection)
    assert eager.compile_seconds == 0
    assert not any("fused" in note for note in fused.notes)


@pytest.mark.parametrize("name", SHORT)
def test_what_stays_eager_is_noted_and_trains_the_same_bits(name: str) -> None:
    eager, fused = run(name, "turbulent", fuse=False), run(name, "turbulent", fuse=True)
    assert fused.score == eager.score
    (note,) = (note for note in fused.notes if note not in eager.notes)
    assert note.startswith("not fused: ")


def test_nothing_is_compiled_unless_it_is_wanted() -> None:
    module = get("gelu-sine").module()
    assert fuse_sites(module, wanted=False) == ((), 0.0)
    assert getattr(module, "fused", None) is None
