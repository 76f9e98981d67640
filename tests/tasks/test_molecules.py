"""The molecule tasks: cells that repeat, pairs that share their randomness, divergence that never scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import activations
from tasks import molecule_training
from tasks.base import Context, Diverged
from tasks.gcn import GCN
from tasks.guard import LossLog
from tasks.molecule_batches import MoleculeBatches
from tasks.molecule_data import Molecules
from tasks.molecule_training import evaluate, fit, learning_rate, runs
from tasks.molecules import CPU, MOLECULES, MOLHIV, PAPER, SMOKE, TASKS, MoleculeRecipe, MoleculeTask

TINY = replace(SMOKE, epochs=2, width=8, dropout=0.3)


class Few:
    """A source of the first few stand-in molecules of each part, so that a cell takes a fraction of a second."""

    def __init__(self, molecules: Molecules) -> None:
        self.molecules = molecules

    def status(self, data: Any) -> Any:
        raise NotImplementedError

    def load(self, data: Any) -> Molecules:
        return self.molecules


@pytest.fixture(scope="module")
def few() -> Molecules:
    molecules = MOLECULES.source.load(None)
    split = {
        part: np.sort(np.concatenate([numbers[molecules.labels[numbers] == label][:40] for label in (0, 1)]))
        for part, numbers in molecules.split.items()
    }
    return replace(molecules, split=split)


@pytest.fixture(scope="module")
def task(few: Molecules) -> MoleculeTask:
    return MoleculeTask(MOLECULES.spec, Few(few))


def test_a_cell_repeats_bit_for_bit(task: MoleculeTask) -> None:
    first, second = (task.run(activations.get("relu"), 3, TINY, Context()) for _ in range(2))
    assert first.curves == second.curves
    assert first.metrics == second.metrics
    assert first.metrics != task.run(activations.get("relu"), 4, TINY, Context()).metrics


def test_relu_injected_is_the_untouched_network(task: MoleculeTask, few: Molecules) -> None:
    measured = task.run(activations.get("relu"), 3, TINY, Context())
    torch.manual_seed(3)
    untouched = fit(GCN(TINY.layers, TINY.width, TINY.dropout), few, 3, TINY, Context())
    assert measured.curves == untouched.curves
    assert measured.metrics == untouched.metrics


def test_every_activation_gets_the_same_weights_order_and_dropout(
    task: MoleculeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def record(name: str) -> tuple[list[torch.Tensor], list[tuple[int, ...]], torch.Tensor]:
        weights: list[torch.Tensor] = []
        order: list[tuple[int, ...]] = []

        class Spy(MoleculeBatches):
            def __call__(self, runs: Any) -> Any:
                order.extend(tuple(run) for run in runs)
                return super().__call__(runs)

        def watched(model: nn.Module, *rest: Any) -> Any:
            weights.extend(p.detach().clone() for n, p in model.named_parameters() if "linear" in n or "encoder" in n)
            return fit(model, *rest)

        monkeypatch.setattr(molecule_training, "MoleculeBatches", Spy)
        monkeypatch.setattr(molecule_training, "fit", watched)
        task.run(activations.get(name), 5, TINY, Context())
        return weights, order, torch.get_rng_state()

    weights, order, state = record("relu")
    for other in ("gelu", "prelu"):
        other_weights, other_order, other_state = record(other)
        assert all(torch.equal(a, b) for a, b in zip(weights, other_weights, strict=True))
        trained_on = len(list(runs(task.source.load(None).split["train"], TINY.batch_size)))
        assert other_order[:trained_on] == order[:trained_on]
        assert torch.equal(state, other_state), "dropout drew another number of random values"


def test_all_parameters_at_once_get_the_bits_of_one_after_the_other() -> None:
    def trained(build: Callable[[nn.Module], torch.optim.Optimizer]) -> list[torch.Tensor]:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(7, 33), nn.Linear(33, 1))
        optimizer = build(model)
        for step in range(1, 9):
            optimizer.param_groups[0]["lr"] = step / 100
            model(torch.randn(16, 7)).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()
        return list(model.parameters())

    ours = trained(lambda model: molecule_training.build_optimizer(model, TINY))
    plain = trained(lambda model: torch.optim.Adam(model.parameters(), lr=TINY.lr, foreach=False, fused=False))
    assert all(torch.equal(a, b) for a, b in zip(ours, plain, strict=True))


def test_sites_are_those_declared() -> None:
    for task in TASKS:
        for recipe in task.spec.recipes.values():
            model = GCN(recipe.layers, recipe.width, recipe.dropout)
            relus = [module for module in model.modules() if isinstance(module, nn.ReLU)]
            assert len(relus) == task.spec.sites == 3 * recipe.layers - 1
    assert MOLHIV.spec.sites == 14


def test_the_published_network_has_the_published_number_of_parameters() -> None:
    assert sum(p.numel() for p in GCN(PAPER.layers, PAPER.width, PAPER.dropout).parameters()) == 528_001


def test_another_number_of_sites_is_refused(task: MoleculeTask) -> None:
    with pytest.raises(activations.InjectionError):
        task.run(activations.get("relu"), 0, replace(TINY, layers=4), Context())


def test_the_record_is_complete(task: MoleculeTask) -> None:
    steps: list[tuple[int, int, float]] = []
    context = Context(progress=lambda *step: steps.append(step))
    measured = task.run(activations.get("gelu"), 0, TINY, context)
    assert measured.injection.found == measured.injection.swapped == measured.injection.executed == 8
    assert measured.injection.left == 0
    assert measured.score == measured.metrics["test_roc_auc"]
    assert measured.metrics["valid_roc_auc"] == max(measured.curves["valid_roc_auc"])
    assert steps[-1][:2] == (6, 6)
    assert len(measured.curves["train_loss"]) == 6
    assert set(measured.dataset) == {"molecules"}


@pytest.mark.parametrize("spoil", ["loss", "weights", "predictions"])
def test_divergence_is_raised_and_never_scored(few: Molecules, spoil: str) -> None:
    torch.manual_seed(0)
    model = GCN(TINY.layers, TINY.width, TINY.dropout)
    head: Any = model.head
    if spoil == "loss":
        recipe = replace(TINY, lr=float("inf"))
    elif spoil == "weights":  # the embedding of an element that no molecule holds
        recipe = TINY
        encoder: Any = model.atom_encoder
        encoder.atom_embedding_list[0].weight.data[91] = torch.nan
    else:
        recipe = TINY
        head.register_forward_hook(lambda module, given, out: out if module.training else out * torch.nan)
    with pytest.raises(Diverged) as caught:
        fit(model, few, 0, recipe, Context())
    assert all(np.isfinite(curve).all() for curve in caught.value.curves.values())
    expected = {"loss": "loss", "weights": "atom_embedding_list.0.weight", "predictions": "prediction on the valid set"}
    assert expected[spoil] in str(caught.value)


def test_the_test_score_is_that_of_the_first_best_validation_epoch(
    few: Molecules, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = {"valid": iter([0.6, 0.8, 0.7, 0.8]), "test": iter([0.1, 0.2])}
    monkeypatch.setattr(molecule_training, "evaluate", lambda model, molecules, part, *_: next(scores[part]))
    model = GCN(TINY.layers, TINY.width, TINY.dropout)
    metrics = fit(model, few, 0, replace(TINY, epochs=4), Context()).metrics
    assert (metrics["test_roc_auc"], metrics["valid_roc_auc"], metrics["best_epoch"]) == (0.2, 0.8, 2.0)


def test_scores_are_ogbs(few: Molecules) -> None:
    """Against the rank statistic: the share of pairs in which the active molecule has the larger logit, ties a half."""
    numbers = few.split["valid"]
    logits = torch.tensor(np.random.default_rng(0).integers(0, 6, len(few.labels)).astype(np.float32))
    calls = iter(torch.tensor(numbers).split(molecule_training.EVALUATION_BATCH))

    class Fixed(nn.Module):
        def forward(self, batch: Any) -> torch.Tensor:
            return logits[next(calls)]

    measured = evaluate(Fixed(), few, "valid", LossLog(1, torch.device("cpu")), MoleculeBatches(few, "cpu"))
    labels, predicted = few.labels[numbers], logits.numpy()[numbers]
    difference = predicted[labels == 1][:, None] - predicted[labels == 0][None, :]
    assert measured == pytest.approx(((difference > 0) + 0.5 * (difference == 0)).mean())


def test_batches_cover_everything_but_a_single_rest() -> None:
    assert [list(run) for run in runs(np.arange(5), 2)] == [[0, 1], [2, 3]]
    assert [list(run) for run in runs(np.arange(6), 4)] == [[0, 1, 2, 3], [4, 5]]


def test_schedules() -> None:
    rates = [learning_rate(CPU, step, 100) for step in range(100)]
    assert 0 < min(rates[0], rates[-1]) <= max(rates[0], rates[-1]) < 0.1 * CPU.lr
    assert max(rates) == pytest.approx(CPU.lr, rel=0.05)
    assert int(np.argmax(rates)) in (19, 20)
    assert {learning_rate(PAPER, step, 100) for step in range(100)} == {1e-3}


def test_recipes_are_scalars() -> None:
    for task in TASKS:
        for recipe in task.spec.recipes.values():
            assert isinstance(recipe, MoleculeRecipe)
            assert all(isinstance(value, int | float | str) for value in asdict(recipe).values())
    assert MoleculeRecipe(epochs=100, batch_size=32, lr=1e-3) == PAPER
