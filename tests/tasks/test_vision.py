"""The vision tasks: what their specs promise, injection into the real networks, and whole small runs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from activations import InjectionError, confirm_executed, get, inject
from tasks import vision
from tasks._torchvision import ensure_torchvision
from tasks.base import PROFILES, Context, Diverged, Measurement, MissingData
from tasks.vision import TASKS, VisionTask
from tasks.vision_recipes import CIFAR_CPU, CIFAR_PAPER, SmallImageRecipe

TASK = {task.spec.name: task for task in TASKS}
SHORT = SmallImageRecipe(
    epochs=2, batch_size=32, lr=0.05, crop_padding=1, flip=False, train_samples=128, test_samples=64
)


def timm_vgg16(classes: int, recipe: Any) -> nn.Module:
    """timm's VGG-16-BN with its own head, whose 7×7 convolution is made narrow to save memory."""
    ensure_torchvision()
    import timm

    model: nn.Module = timm.create_model("vgg16_bn", num_classes=classes, mlp_ratio=1 / 4096)
    return model


def timm_resnet18(classes: int, recipe: Any) -> nn.Module:
    ensure_torchvision()
    import timm

    model: nn.Module = timm.create_model("resnet18", num_classes=classes)
    return model


def run_short(name: str, activation: str = "relu", seed: int = 0, **changes: Any) -> Measurement:
    return TASK[name].run(get(activation), seed, replace(SHORT, **changes), Context())


def step_by_step(model: nn.Module, size: int, steps: int = 2) -> tuple[list[float], dict[str, torch.Tensor]]:
    """Losses, then parameters, buffers and last gradients after a few steps on fixed images."""
    generator = torch.Generator().manual_seed(7)
    images = torch.randn(4, 3, size, size, generator=generator)
    labels = torch.randint(10, (4,), generator=generator)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    losses = []
    torch.manual_seed(3)  # timm's VGG head has dropout
    model.train()
    for _ in range(steps):
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    gradients = {f"grad {name}": p.grad for name, p in model.named_parameters() if p.grad is not None}
    return losses, {**model.state_dict(), **gradients}


NETWORKS = [
    pytest.param(vision.resnet18, 17, 32, id="resnet18-3x3"),
    pytest.param(timm_resnet18, 17, 32, id="resnet18-timm"),
    pytest.param(vision.vgg16, 13, 32, id="vgg16-pooled"),
    pytest.param(timm_vgg16, 15, 32, id="vgg16-timm"),
    pytest.param(vision.resnet50, 49, 64, id="resnet50-timm"),
]


@pytest.mark.parametrize(("build", "sites", "size"), NETWORKS)
def test_injected_relu_is_bit_identical_to_the_untouched_network(
    build: Callable[[int, Any], nn.Module], sites: int, size: int
) -> None:
    results = []
    for name in (None, "relu", "gelu"):
        torch.manual_seed(0)
        model = build(10, CIFAR_PAPER)
        if name:
            injection = inject(model, get(name), expected=sites)
            injection = confirm_executed(model, injection, partial(model, torch.zeros(2, 3, size, size)))
            assert (injection.found, injection.swapped, injection.left) == (sites, sites, 0)
            assert injection.executed is not None
            assert injection.executed >= sites
            assert not any(isinstance(module, nn.ReLU) for module in model.modules())
        results.append(step_by_step(model, size))
    (losses, state), (relu_losses, relu_state), (gelu_losses, _) = results
    assert relu_losses == losses
    assert relu_state.keys() == state.keys()
    assert [name for name in state if not torch.equal(state[name], relu_state[name])] == []
    assert gelu_losses != losses


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.spec.name)
def test_the_declared_sites_are_those_of_the_network(task: VisionTask) -> None:
    recipe = next(iter(task.spec.recipes.values()))
    model = task.build(task.source.classes, recipe)
    with pytest.raises(InjectionError):
        inject(model, get("tanh"), expected=task.spec.sites - 1)
    assert len(inject(model, get("tanh"), expected=task.spec.sites).sites) == task.spec.sites


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.spec.name)
def test_specs_state_what_a_reader_needs(task: VisionTask) -> None:
    spec = task.spec
    embedded = spec.name.startswith("digits")
    assert set(spec.recipes) <= set(PROFILES)
    assert ("smoke" in spec.recipes) == embedded == (spec.track == "stand-in")
    assert ("stand-in" in spec.title) == embedded
    assert bool(spec.dataset.command) != embedded
    assert spec.metric.chance == pytest.approx(100 / task.source.classes)
    for recipe in spec.recipes.values():
        assert all(isinstance(value, bool | int | float | str) for value in asdict(recipe).values())


def test_importing_the_specs_brings_in_no_framework() -> None:
    code = "import sys, tasks.vision; print([m for m in ('torch', 'jax', 'timm', 'numpy') if m in sys.modules])"
    root = Path(vision.__file__).parents[1]
    shown = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"


def test_the_paper_stem_keeps_the_resolution_and_the_cpu_stem_pools() -> None:
    images = torch.zeros(1, 3, 32, 32)
    for recipe, side in ((CIFAR_PAPER, 32), (CIFAR_CPU, 16)):
        model: Any = vision.resnet18(10, recipe)
        assert model.maxpool(model.act1(model.bn1(model.conv1(images)))).shape == (1, 64, side, side)


def test_vgg_features_are_those_of_timm() -> None:
    ours = dict(vision.vgg16(10, CIFAR_PAPER).named_parameters())
    theirs = dict(timm_vgg16(10, None).named_parameters())
    features = {name[len("features.") :]: p.shape for name, p in theirs.items() if name.startswith("features.")}
    assert {name[2:]: p.shape for name, p in ours.items() if name.startswith("0.")} == features
    assert {name: p.shape for name, p in ours.items() if not name.startswith("0.")} == {
        "3.weight": (10, 512),
        "3.bias": (10,),
    }


@pytest.mark.parametrize("name", ["digits-resnet18", "digits-vgg16"])
def test_a_run_is_reproducible_and_depends_on_the_seed(name: str) -> None:
    first, again, other = run_short(name), run_short(name), run_short(name, seed=1)
    assert first.score == again.score == first.metrics["test_top1"]
    assert (first.metrics, first.curves) == (again.metrics, again.curves)
    assert first.curves["train_loss"] != other.curves["train_loss"]
    assert first.injection.swapped == TASK[name].spec.sites
    assert first.dataset["digits"].startswith("md5:")


def test_training_learns() -> None:
    measurement = run_short("digits-vgg16", epochs=8, train_samples=0, test_samples=0, lr=0.02)
    losses = measurement.curves["train_loss"]
    assert len(losses) == 8 * 31 / 2  # thinned: windows of two steps
    assert sum(losses[-10:]) < 0.7 * sum(losses[:10])
    assert measurement.score > 40


def test_the_curve_of_tests_has_a_point_where_the_recipe_asks() -> None:
    measurement = run_short("digits-vgg16", epochs=3, test_every=2)
    assert measurement.curves["test_epoch"] == [2.0, 3.0]
    assert measurement.curves["test_top1"][-1] == measurement.score


@pytest.mark.parametrize("name", ["digits-resnet18", "digits-vgg16"])
def test_every_activation_gets_the_same_weights_and_images(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import tasks.training

    seen: list[tuple[dict[str, torch.Tensor], list[torch.Tensor]]] = []

    def look(model: nn.Module, batches: Any, *rest: Any) -> Any:
        weights = {key: p.detach().clone() for key, p in model.named_parameters()}
        seen.append((weights, [images for epoch in range(2) for images, _ in batches.train(epoch)]))
        raise RuntimeError("seen")

    monkeypatch.setattr(tasks.training, "fit", look)
    for activation in ("relu", "prelu", "turbulent"):
        with pytest.raises(RuntimeError, match="seen"):
            run_short(name, activation)
    weights, images = seen[0]
    for other_weights, other_images in seen[1:]:
        assert all(torch.equal(weights[key], other_weights[key]) for key in weights)
        assert all(torch.equal(*pair) for pair in zip(images, other_images, strict=True))
    assert len(seen[1][0]) == len(weights) + TASK[name].spec.sites  # one trained slope a site, sized and to be trained


def test_parameters_of_the_activation_are_counted_and_trained() -> None:
    relu, prelu = run_short("digits-vgg16"), run_short("digits-vgg16", "prelu")
    assert prelu.parameters > relu.parameters
    assert prelu.score != relu.score or prelu.curves != relu.curves


def test_a_diverging_run_is_raised_with_its_curve() -> None:
    with pytest.raises(Diverged, match="not finite") as caught:
        run_short("digits-vgg16", "identity", lr=1e30, epochs=3)
    assert caught.value.curves["train_loss"]


def test_missing_data_names_the_command(tmp_path: Path) -> None:
    for task in TASKS:
        if task.spec.track == "real":
            status = task.data_status(tmp_path)
            assert not status.present
            assert "bench data prepare" in status.reason
            assert "bench data prepare" in task.data_status(None).reason
            with pytest.raises(MissingData, match="bench data prepare"):
                task.run(get("relu"), 0, next(iter(task.spec.recipes.values())), Context(data=tmp_path))
        else:
            assert task.data_status(None).present


def test_notes_name_subsets_and_the_cheap_stem() -> None:
    notes = " ".join(run_short("digits-resnet18", stem="3x3-pool").notes)
    assert "trained on a fixed subset of 128 images" in notes
    assert "tested on a fixed subset of 64 images" in notes
    assert "max-pool" in notes
    assert "computed in float32" in notes


def test_held_out_images_give_numbers_of_their_own_name() -> None:
    measured = run_short("digits-resnet18", held_out=100, test_every=1)
    assert measured.score == measured.metrics["valid_top1"]
    assert not [name for name in (*measured.metrics, *measured.curves) if "test" in name]
    notes = " ".join(measured.notes)
    assert "tested on 100 images held out from training: the test set took no part" in notes
    assert "fixed subset of 64" not in notes


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.spec.name)
def test_a_learning_rate_is_chosen_on_held_out_images(task: VisionTask) -> None:
    selection = task.spec.selection
    if "imagenet" in task.spec.name:
        assert selection is None
        return
    assert selection is not None
    assert (selection.metric, selection.higher_is_better) == ("valid_top1", True)
    for recipe in task.spec.recipes.values():
        assert recipe.held_out == 0
        assert replace(recipe, **selection.recipe).held_out > 0


@pytest.mark.data
@pytest.mark.parametrize("name", ["cifar10-resnet18", "cifar10-vgg16"])
def test_cifar10_runs_on_the_real_data(name: str, data_folder: Path) -> None:
    task = TASK[name]
    if not task.data_status(data_folder).present:
        pytest.skip(task.data_status(data_folder).reason)
    recipe = replace(CIFAR_CPU, train_samples=64, test_samples=64)
    measurement = task.run(get("relu"), 0, recipe, Context(data=data_folder))
    assert measurement.dataset == dict(task.spec.dataset.checksums)
    assert 0 <= measurement.score <= 100
