"""The supervised training loop that the vision tasks share: SGD, schedule, guard, test.

The loop draws no random numbers: what differs between two runs of a seed is the activation alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import nn
from torch.nn import functional

from tasks.guard import LossLog, check_finite, check_parameters
from tasks.stopwatch import Stopwatch

if TYPE_CHECKING:
    from tasks.vision_recipes import SupervisedRecipe

TOP5_CLASSES = 100
"""Top-5 accuracy is reported from this many classes on."""


class Batches(Protocol):
    """Training and test images of one run, in the order that its seed gives."""

    steps: int
    """Batches an epoch."""
    classes: int
    part: str
    """What `test` gives, as names of metrics begin: `test`, or `valid` for images held out from training."""
    example: torch.Tensor
    """Two images of the shape and device in use, for a dry forward pass."""

    def train(self, epoch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Augmented float32 images (batch, channels, height, width), normalised, and int64 labels (batch,)."""
        ...

    def test(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """The same, of the part that is tested on, and not augmented."""
        ...


@dataclass(frozen=True)
class Fit:
    """What `fit` measured."""

    metrics: dict[str, float]
    curves: dict[str, list[float]]
    training: Stopwatch
    testing: Stopwatch


def learning_rate(recipe: SupervisedRecipe, step: int, steps_per_epoch: int) -> float:
    """Learning rate of one step, counted from 0."""
    total = recipe.epochs * steps_per_epoch
    warmup = round(recipe.warmup_epochs * steps_per_epoch)
    if step < warmup:
        return recipe.lr * (step + 1) / warmup
    if recipe.schedule == "step":
        return recipe.lr * 0.1 ** math.floor(3 * step / total)
    return recipe.lr * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))


def build_optimizer(model: nn.Module, recipe: SupervisedRecipe, sites: Collection[str]) -> torch.optim.SGD:
    """SGD over `model`; `sites` names the injected modules, whose parameters get no weight decay."""
    decayed: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        injected = any(name.startswith(f"{site}.") for site in sites)
        vector = parameter.ndim <= 1
        (free if injected or (vector and not recipe.decay_norm_and_bias) else decayed).append(parameter)
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": free, "weight_decay": 0.0}]
    # One kernel for all parameters. It rounds otherwise, so a CPU, where scores repeat bit for bit, goes without it.
    fused = True if all(p.is_cuda for p in model.parameters()) else None
    return torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.nesterov, fused=fused)


def autocast(recipe: SupervisedRecipe, device: torch.device) -> torch.autocast:
    """bfloat16 on a GPU where the recipe asks for it, plain float32 otherwise."""
    return torch.autocast(device.type, torch.bfloat16, enabled=recipe.mixed_precision and device.type == "cuda")


def evaluate(model: nn.Module, batches: Batches, recipe: SupervisedRecipe) -> dict[str, float]:
    """Cross-entropy in nats, and top-1 (from 100 classes on also top-5) accuracy in %, on the part that is tested."""
    model.eval()
    device = batches.example.device
    loss = torch.zeros((), device=device, dtype=torch.float64 if device.type != "mps" else torch.float32)
    hits = torch.zeros(2, device=device, dtype=torch.int64)
    count = 0
    with torch.inference_mode(), autocast(recipe, device):
        for images, labels in batches.test():
            logits = model(images).float()
            loss += functional.cross_entropy(logits, labels, reduction="sum")
            ranked = logits.topk(min(5, batches.classes)).indices == labels[:, None]
            hits += torch.stack([ranked[:, 0].sum(), ranked.sum()])
            count += len(labels)
    metrics = {f"{batches.part}_loss": loss.item() / count, f"{batches.part}_top1": 100 * hits[0].item() / count}
    if batches.classes >= TOP5_CLASSES:
        metrics[f"{batches.part}_top5"] = 100 * hits[1].item() / count
    return metrics


def fit(
    model: nn.Module,
    batches: Batches,
    recipe: SupervisedRecipe,
    sites: Collection[str],
    progress: Callable[[int, int, float], None],
) -> Fit:
    """Train `model` on the device of its batches and test it after the last epoch.

    Raises:
        Diverged: a loss, a parameter or a running statistic is not finite.
    """
    device = batches.example.device
    optimizer = build_optimizer(model, recipe, sites)
    log = LossLog(recipe.epochs * batches.steps, device)
    tests: dict[str, list[float]] = {}
    metrics: dict[str, float] = {}
    training, testing = Stopwatch(), Stopwatch()
    for epoch in range(recipe.epochs):
        with training:
            train_epoch(model, batches, recipe, optimizer, log, epoch, progress)
            _synchronize(device)
        last = epoch + 1 == recipe.epochs
        if last:
            check_parameters(model, log.curves() | tests)
        if last or (recipe.test_every and (epoch + 1) % recipe.test_every == 0):
            with testing:
                metrics = evaluate(model, batches, recipe)
            for name, value in {f"{batches.part}_epoch": epoch + 1.0, **metrics}.items():
                tests.setdefault(name, []).append(value)
    curves = log.curves() | tests
    check_finite(f"the {batches.part} loss", metrics[f"{batches.part}_loss"], curves)
    return Fit({**metrics, "train_loss": curves["train_loss"][-1]}, curves, training, testing)


def train_epoch(
    model: nn.Module,
    batches: Batches,
    recipe: SupervisedRecipe,
    optimizer: torch.optim.Optimizer,
    log: LossLog,
    epoch: int,
    progress: Callable[[int, int, float], None],
) -> None:
    """One pass over the training images."""
    model.train()
    device = batches.example.device
    for images, labels in batches.train(epoch):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(recipe, log.done, batches.steps)
        with autocast(recipe, device):
            logits = model(images)
            loss = functional.cross_entropy(logits, labels, label_smoothing=recipe.label_smoothing)
        # Not before the forward pass: a CPU would give so much memory back to the system at once, and fetch it again.
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        log.add(loss)
        progress(log.done, log.steps, log.latest)


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
