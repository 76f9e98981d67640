"""The training loop of the molecule tasks: Adam on the binary cross-entropy, tested at the best validation epoch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from tasks.base import Context, Diverged
from tasks.guard import LossLog, check_parameters
from tasks.molecule_data import Molecules, collate
from tasks.ogb_package import roc_auc
from tasks.stopwatch import Stopwatch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.molecules import MoleculeRecipe

WARMUP = 0.2
"""Share of the steps of a one-cycle schedule in which the learning rate rises."""
EVALUATION_BATCH = 128


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
    numbers = molecules.split["train"]
    log = LossLog(recipe.epochs * len(list(runs(numbers, recipe.batch_size))), torch.device(context.device))
    optimizer = torch.optim.Adam(model.parameters(), lr=recipe.lr)
    valid: list[float] = []
    test, training, testing = 0.0, Stopwatch(), Stopwatch()
    for _ in range(recipe.epochs):
        order = numbers[torch.randperm(len(numbers), generator=generator).numpy()]
        with training:
            train_epoch(model, molecules, order, recipe, optimizer, log, context)
        with testing:
            valid.append(evaluate(model, molecules, "valid", log, context.device))
            if valid.index(max(valid)) == len(valid) - 1:
                test = evaluate(model, molecules, "test", log, context.device)
    curves = log.curves() | {"valid_roc_auc": valid}
    check_parameters(model, curves)
    metrics = {
        "test_roc_auc": test,
        "valid_roc_auc": max(valid),
        "best_epoch": valid.index(max(valid)) + 1.0,
        "train_loss": curves["train_loss"][-1],
    }
    return Fit(metrics, curves, training, testing)


def train_epoch(
    model: nn.Module,
    molecules: Molecules,
    order: NDArray[np.int64],
    recipe: MoleculeRecipe,
    optimizer: torch.optim.Optimizer,
    log: LossLog,
    context: Context,
) -> None:
    """One pass over the training molecules in the given order."""
    model.train()
    for numbers in runs(order, recipe.batch_size):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(recipe, log.done, log.steps)
        batch = collate(molecules, numbers).to(context.device)
        loss = binary_cross_entropy_with_logits(model(batch), batch.labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        log.add(loss)
        context.progress(log.done, log.steps, log.latest)


def evaluate(model: nn.Module, molecules: Molecules, part: str, log: LossLog, device: str) -> float:
    """ROC-AUC by OGB's Evaluator on one part of the split; raises Diverged when a prediction is not finite."""
    model.eval()
    numbers = molecules.split[part]
    pieces = [numbers[i : i + EVALUATION_BATCH] for i in range(0, len(numbers), EVALUATION_BATCH)]
    with torch.inference_mode():
        logits = torch.cat([model(collate(molecules, piece).to(device)) for piece in pieces]).float().cpu().numpy()
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
