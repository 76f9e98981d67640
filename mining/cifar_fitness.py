"""What a candidate is worth on CIFAR-10: the fitness of "Searching for Activation Functions" (arXiv 1710.05941).

There a ResNet-20 trains on CIFAR-10 for 10,000 steps, and its validation accuracy is the reward. Here the accuracy is
that on 5,000 training images that are held out; the test set takes no part. So that both fitnesses read alike, what a
search minimises is log10 of the error rate over ReLU's, under the same seeds. The paper does not give batch size,
optimizer and learning rate: those of `PAPER` are customary for this network, and our choice.

A function that was found by this fitness is marked on CIFAR-10: its score there is no transfer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from activations import Activation, Graph, get
from mining.candidate import BASELINE
from mining.fitness import Rung, Score
from mining.settings import Rungs
from tasks.base import Context, Dataset, Diverged, Metric, TaskSpec
from tasks.stopwatch import Stopwatch
from tasks.vision import VisionTask
from tasks.vision_data import CIFAR10, Cifar, ImageSet, put_aside
from tasks.vision_recipes import SmallImageRecipe

if TYPE_CHECKING:
    from torch import nn

NAME = "cifar10-resnet20"
FAMILY = "cifar10"
HELD_OUT = 5000
"""Training images that are validated on, the same ones in every run."""
HELD_OUT_SEED = 1710

PAPER = SmallImageRecipe(epochs=28, batch_size=128, lr=0.1, warmup_epochs=1.0, weight_decay=1e-4)
"""9,828 steps, the nearest to 10,000 that 45,000 images in whole epochs give."""
CPU = replace(PAPER, epochs=2, batch_size=64, train_samples=12_800, test_samples=2000)
"""400 steps, validated on 2,000 images: a coarse first look."""


class HeldOutCifar(Cifar):
    """CIFAR whose test images are training images that are held out."""

    def load(self, data: Path | None) -> ImageSet:
        """See `tasks.vision_data.Cifar.load`."""
        return hold_out(super().load(data), HELD_OUT)


def hold_out(images: ImageSet, count: int) -> ImageSet:
    """Move `count` of the training images, always the same, to where the test images were; those are dropped."""
    import torch

    order = torch.randperm(len(images.train_images), generator=torch.Generator().manual_seed(HELD_OUT_SEED))
    return put_aside(images, held=order[:count], kept=order[count:])


def build(classes: int, recipe: Any) -> nn.Module:
    """The untouched network."""
    from mining.resnet20 import resnet20

    return resnet20(classes)


TASK = VisionTask(
    TaskSpec(
        name=NAME,
        version=1,
        title="CIFAR-10, ResNet-20, validated on held-out training images",
        family="vision",
        track="real",
        dataset=Dataset("CIFAR-10", "the training images alone", CIFAR10.checksums, CIFAR10.command),
        model="ResNet-20 of He et al. with shortcuts of option A, in `mining.resnet20`; He initialisation with the "
        "gain of ReLU under every activation (our choice).",
        sites=19,
        site_rule="Every ReLU of the network is replaced.",
        metric=Metric("top-1 accuracy on 5,000 held-out training images", "%", higher_is_better=True, chance=10.0),
        recipes={"cpu": CPU, "paper": PAPER},
    ),
    HeldOutCifar(**vars(CIFAR10)),
    build,
)
"""Not registered: it is a search's, and no row of the leaderboard."""


RUNGS = Rungs(
    cheap=Rung("400 steps", 1, (0,), CPU, exact=True),
    deep=Rung("9,828 steps", 1, (10,), PAPER, exact=True),
    final=Rung("9,828 steps, fresh seeds", 1, (100, 101), PAPER, exact=True),
)
"""The ladder of a search on CIFAR-10; the paper trains each candidate once."""


class CifarFitness:
    """Scores candidates; keeps ReLU's accuracies."""

    def __init__(self, data: Path | None, device: str = "cpu", task: VisionTask = TASK) -> None:
        """`data` is the folder that holds CIFAR-10."""
        self.task = task
        self.context = Context(data=data, device=device)
        self._baselines: dict[tuple[SmallImageRecipe, int], float] = {}

    def score(self, graph: Graph, rung: Rung, seeds: Sequence[int] | None = None) -> Score:
        """Train one candidate by a rung's recipe, under its seeds or fresh ones; inf where a training was not finite.

        Raises:
            tasks.base.MissingData: the data set is absent or damaged.
            activations.InjectionError: the audit failed.
        """
        recipe, chosen = rung.recipe, rung.seeds if seeds is None else tuple(seeds)
        assert isinstance(recipe, SmallImageRecipe)
        baseline = np.array([self._baseline(recipe, seed) for seed in chosen])
        with Stopwatch() as watch:
            errors = np.array(self._errors(graph, recipe, chosen))
        ratios = np.log10(errors) - np.log10(baseline) if np.isfinite(errors).all() else np.full(len(chosen), np.inf)
        fitness = float(ratios.mean())
        return Score(
            fitness=fitness,
            families={FAMILY: fitness},
            problems={NAME: fitness},
            by_seed=tuple(map(float, ratios)),
            seconds=watch.wall,
            cpu_seconds=watch.cpu,
            exact=True,
        )

    def _baseline(self, recipe: SmallImageRecipe, seed: int) -> float:
        if (recipe, seed) not in self._baselines:
            (error,) = self._errors(get(BASELINE).graph, recipe, (seed,))
            if not math.isfinite(error):
                raise RuntimeError(f"ReLU itself diverged on {self.task.spec.name}: lower the recipe's learning rate.")
            self._baselines[recipe, seed] = error
        return self._baselines[recipe, seed]

    def _errors(self, graph: Graph, recipe: SmallImageRecipe, seeds: Sequence[int]) -> list[float]:
        """Share of wrong answers under each seed; half an image at least, so that a logarithm exists."""
        least = 0.5 / (recipe.test_samples or HELD_OUT)
        errors: list[float] = []
        for seed in seeds:
            try:
                measured = self.task.run(Activation.from_graph("candidate", graph), seed, recipe, self.context)
            except Diverged:
                return [math.inf] * len(seeds)  # one lost seed decides, and the others would cost time
            errors.append(max(1 - measured.score / 100, least))
        return errors
