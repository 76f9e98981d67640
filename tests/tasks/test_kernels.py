"""Fused kernels in the torch tasks: the same training to rounding, and a record that says what stayed eager."""

from dataclasses import replace
from typing import Any

import pytest

import activations
import tasks
from activations import Fusing, get
from activations.fused_kernels import Kernel
from tasks import Context, Measurement
from tasks.kernels import fuse_sites, late_notes

SHORT = {
    "lab-polynomials": {"steps": 20, "every": 16},
    "digits-resnet18": {"epochs": 1},
    "molecules-gcn": {"epochs": 1},
}


def run(name: str, activation: str, fuse: bool) -> Measurement:
    task = tasks.get(name)
    recipe = replace(task.spec.recipes["smoke"], **SHORT[name])
    return task.run(get(activation), 0, recipe, Context(fuse=fuse))


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> list[Fusing]:
    """What every call of `fuse` said."""
    said: list[Fusing] = []
    fuse = activations.fuse

    def heard(*given: Any, **named: Any) -> Fusing:
        said.append(fuse(*given, **named))
        return said[-1]

    monkeypatch.setattr(activations, "fuse", heard)
    return said


@pytest.mark.parametrize("name", SHORT)
def test_a_fused_training_begins_as_an_eager_one(name: str, reports: list[Fusing]) -> None:
    eager, fused = run(name, "gelu-sine", fuse=False), run(name, "gelu-sine", fuse=True)
    assert fused.curves["train_loss"][0] == pytest.approx(eager.curves["train_loss"][0], rel=1e-4)
    assert (fused.parameters, fused.injection) == (eager.parameters, eager.injection)
    assert (eager.compile_seconds, eager.fused, fused.fused) == (0, False, True)
    ((sites, native, left),) = ((r.fused, r.native, r.eager) for r in reports)
    assert (sites, native, left) == (tasks.get(name).spec.sites, 0, 0)
    assert not any("fused" in note for note in fused.notes)


@pytest.mark.parametrize("name", SHORT)
def test_what_stays_eager_is_noted_and_trains_the_same_bits(name: str) -> None:
    eager, fused = run(name, "turbulent", fuse=False), run(name, "turbulent", fuse=True)
    assert fused.score == eager.score
    assert fused.fused
    (note,) = (note for note in fused.notes if note not in eager.notes)
    assert note.startswith("not fused: ")


def test_nothing_is_compiled_unless_it_is_wanted() -> None:
    module = get("gelu-sine").module()
    assert fuse_sites(module, wanted=False) == ((), 0.0, False)
    assert getattr(module, "fused", None) is None
    assert late_notes(module) == ()


@pytest.mark.parametrize("name", SHORT)
def test_a_kernel_that_fails_in_training_is_noted(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Kernel, *tensors: Any) -> Any:
        self.reason = "it broke."
        return self._eager(*tensors, *self._constants)

    with monkeypatch.context() as patch:
        patch.setattr(Kernel, "__call__", fail)
        broken = run(name, "gelu-sinc-perturbation", fuse=True)
    activations.fused_function.fused_function.cache_clear()  # its kernels would stay broken for other tests
    assert "not fused to the end: gelu-sinc-perturbation, value of torch.float32: it broke." in broken.notes
    assert "not fused to the end: gelu-sinc-perturbation, gradients of torch.float32: it broke." in broken.notes
