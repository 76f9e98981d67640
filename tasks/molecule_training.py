"""The training loop of the molecule tasks: Adam on the binary cross-entropy, tested at the best validation epoch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from tasks.base import Context, Diverged
from tasks.guard import LossLog, check_parameters
from tasks.molecule_batches import MoleculeBatches
from tasks.molecule_data import Molecules
from tasks.ogb_package import roc_auc
from tasks.stopwatch import Stopwatch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.gcn import Batch
    from tasks.molecules import MoleculeRecipe

WARMUP = 0.2
"""Share of the steps of a one-cycle schedule in which the learning rate rises."""
EVALUATION_BATCH = 128
GPU_EVALUATION_BATCH = 1024
"""On a CPU the size of a batch can change rounding, and scores are to repeat; a GPU is idle with less."""


@dataclass(frozen=True)
class Fit:
    """What `fit` measured."""

    metrics: dict[str, float]
    curves: dict[str, list[float]]
    training: Stopwatch
    testing: Stopwatch


def fit(model: nn.Module, molecules: Molecules, seed: int, recipe: MoleculeRecipe, context: Context) -> Fit:
    """Train, validate after each epoch, and test whenever the validation score is the best so far.

    The test score is that of the first of the best epochs, as in OGB's example. The order of the data comes from a
    generator with this seed, dropout from torch's global one.

    Raises:
        Diverged: a loss, a prediction, a parameter or a running statistic is not finite.
    """
    generator = torch.Generator().manual_seed(seed)
    device, numbers = torch.device(context.device), molecules.split["train"]
    batches = MoleculeBatches(molecules, context.device)
    log = LossLog(recipe.epochs * len(list(runs(numbers, recipe.batch_size))), device)
    optimizer = build_optimizer(model, recipe)
    valid: list[float] = []
    test, training, testing = 0.0, Stopwatch(), Stopwatch()
    for _ in range(recipe.epochs):
        order = numbers[torch.randperm(len(numbers), generator=generator).numpy()]
        with training:
            train_epoch(model, batches(list(runs(order, recipe.batch_size))), recipe, optimizer, log, context)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
        with testing:
            valid.append(evaluate(model, molecules, "valid", log, batches))
            if valid.index(max(valid)) == len(valid) - 1:
                test = evaluate(model, molecules, "test", log, batches)
    curves = log.curves() | {"valid_roc_auc": valid}
    check_parameters(model, curves)
    metrics = {
        "test_roc_auc": test,
        "valid_roc_auc": max(valid),
        "best_epoch": valid.index(max(valid)) + 1.0,
        "train_loss": curves["train_loss"][-1],
    }
    return Fit(metrics, curves, training, testing)


def build_optimizer(model: nn.Module, recipe: MoleculeRecipe) -> torch.optim.Adam:
    """Adam on all parameters at once: in one kernel on a GPU, and else, where its other rounding would change scores,
    by operations on lists, which give the bits of one parameter after the other."""
    on_gpu = all(p.is_cuda for p in model.parameters())
    return torch.optim.Adam(model.parameters(), lr=recipe.lr, fused=on_gpu, foreach=not on_gpu)


def train_epoch(
    model: nn.Module,
    batches: Iterable[Batch],
    recipe: MoleculeRecipe,
    optimizer: torch.optim.Optimizer,
    log: LossLog,
    context: Context,
) -> None:
    """One pass over the training molecules."""
    model.train()
    for batch in batches:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(recipe, log.done, log.steps)
        loss = binary_cross_entropy_with_logits(model(batch), batch.labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        log.add(loss)
        context.progress(log.done, log.steps, log.latest)


def evaluate(model: nn.Module, molecules: Molecules, part: str, log: LossLog, batches: MoleculeBatches) -> float:
    """ROC-AUC by OGB's Evaluator on one part of the split; raises Diverged when a prediction is not finite."""
    model.eval()
    numbers = molecules.split[part]
    size = GPU_EVALUATION_BATCH if batches.on_gpu else EVALUATION_BATCH
    pieces = [numbers[i : i + size] for i in range(0, len(numbers), size)]
    with torch.inference_mode():
        logits = torch.cat([model(batch) for batch in batches(pieces)]).float().cpu().numpy()
    if not np.isfinite(logits).all():
        raise Diverged(f"a prediction on the {part} set is not finite", log.curves())
    return roc_auc(molecules.labels[numbers], logits)


def runs(numbers: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    """Consecutive batches of `size` molecules; a last one of a single molecule is left out, as in OGB's example."""
    for begin in range(0, len(numbers), size):
        if len(numbers) - begin > 1:
            yield numbers[begin : begin + size]


def learning_rate(recipe: MoleculeRecipe, step: int, steps: int) -> float:
    """Learning rate of one step, counted from 0."""
    if recipe.schedule == "constant":
        return recipe.lr
    done = (step + 1) / (steps + 1)
    return recipe.lr * min(done / WARMUP, (1 - done) / (1 - WARMUP))
