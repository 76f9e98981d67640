"""CIFAR-10 as fitness: He's ResNet-20, validation on training images alone, ratios to ReLU under the same seeds."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from activations import get, inject
from activations.graph import Graph, Node
from mining import cifar_fitness
from mining.cifar_fitness import CPU, HELD_OUT, PAPER, RUNGS, TASK, CifarFitness, HeldOutCifar, hold_out
from mining.fitness import Rung
from mining.resnet20 import SITES, Block, resnet20
from tasks.base import MissingData
from tasks.vision import VisionTask
from tasks.vision_data import Digits, ImageSet
from tasks.vision_recipes import SmallImageRecipe

QUICK = SmallImageRecipe(epochs=6, batch_size=32, lr=0.05, flip=False, crop_padding=0, train_samples=256)


class HeldOutDigits(Digits):
    """A stand-in for CIFAR."""

    def load(self, data: Path | None) -> ImageSet:
        return hold_out(super().load(data), 200)


def build(classes: int, recipe: Any) -> nn.Module:
    return resnet20(classes, channels=1)


SMALL = VisionTask(TASK.spec, HeldOutDigits(), build)


def test_the_network_is_that_of_the_paper() -> None:
    model = resnet20(10)
    assert sum(p.numel() for p in model.parameters()) == 269_722  # He et al. say 0.27 million
    assert sum(isinstance(m, nn.Conv2d | nn.Linear) for m in model.modules()) == 20
    assert inject(model, get("gelu"), expected=TASK.spec.sites).swapped == SITES == 19
    model.eval()
    sizes: list[tuple[int, ...]] = []
    for block in model:
        block.register_forward_hook(lambda module, given, out: sizes.append(tuple(out.shape[1:])))
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    assert sizes[2:12:3] == [(16, 32, 32), (16, 32, 32), (32, 16, 16), (64, 8, 8)]


def test_the_shortcut_carries_the_input() -> None:
    block = Block(16, 32).eval()
    nn.init.zeros_(block.conv2.weight)
    x = torch.rand(2, 16, 8, 8)
    out = block(x)
    torch.testing.assert_close(out[:, 8:24], x[:, :, ::2, ::2])
    assert not out[:, :8].any()
    assert not out[:, 24:].any()


def test_held_out_images_are_training_images_and_no_others() -> None:
    images = Digits().load(None)
    numbered = replace(images, train_labels=torch.arange(1000), test_labels=torch.full((797,), -1))
    split = hold_out(numbered, 200)
    assert len(split.test_images) == 200
    assert sorted([*split.train_labels.tolist(), *split.test_labels.tolist()]) == list(range(1000))
    assert torch.equal(split.test_images, images.train_images[split.test_labels])
    assert torch.equal(hold_out(numbered, 200).test_labels, split.test_labels)


def test_the_task_holds_out_cifar_and_trains_for_the_papers_steps() -> None:
    assert isinstance(TASK.source, HeldOutCifar)
    assert TASK.source.classes == 10
    assert abs(PAPER.epochs * ((50_000 - HELD_OUT) // PAPER.batch_size) - 10_000) < 200
    assert CPU.test_samples <= HELD_OUT
    with pytest.raises(MissingData):
        CifarFitness(None).score(get("relu").graph, RUNGS.cheap)


def test_relu_scores_zero_and_a_function_that_passes_little_scores_worse() -> None:
    fitness, rung = CifarFitness(None, task=SMALL), Rung("quick", 1, (0, 1), QUICK, exact=True)
    relu = fitness.score(get("relu").graph, rung)
    assert relu.fitness == 0.0
    assert relu.by_seed == (0.0, 0.0)
    assert max(fitness._baselines.values()) < 0.5  # it has learnt: a guess errs in nine of ten
    constant = fitness.score(Graph((Node("mul", ("x", 1e-6)),), ("v0",)), rung, seeds=(0,))
    assert constant.fitness > 0.1
    assert constant.families == {"cifar10": constant.fitness}
    assert constant.exact


def test_a_candidate_that_diverges_is_worth_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    fitness = CifarFitness(None, task=SMALL)
    rung = Rung("short", 1, (0, 1), replace(QUICK, epochs=1, train_samples=64), exact=True)
    steep = Graph((Node("exp", ("x",)), Node("exp", ("v0",)), Node("exp", ("v1",))), ("v2",))
    score = fitness.score(steep, rung)
    assert score.fitness == math.inf
    assert score.by_seed == (math.inf, math.inf)
    monkeypatch.setattr(cifar_fitness, "BASELINE", "steep")
    monkeypatch.setattr(cifar_fitness, "get", lambda name: type("Steep", (), {"graph": steep}))
    with pytest.raises(RuntimeError, match="lower the recipe's learning rate"):
        fitness.score(steep, rung, seeds=(3,))


@pytest.mark.data
def test_real_cifar_is_split_into_45000_and_5000(data_folder: Path) -> None:
    assert isinstance(TASK.source, HeldOutCifar)
    images = TASK.source.load(data_folder)
    assert (len(images.train_images), len(images.test_images)) == (45_000, 5000)
