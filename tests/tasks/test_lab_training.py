"""The lab's ensemble against plain torch networks, and the independence of its networks from one another."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import activations
from tasks.lab import LabRecipe, problems
from tasks.lab.data import open_data, open_sealed_shift
from tasks.lab.network import Ensemble, PerNetwork, build
from tasks.lab.problem import Array, Problem, Variable
from tasks.lab.ranges import Split, draw
from tasks.lab.training import Trained, batches, evaluate, losses, train

RECIPE = LabRecipe(every=1, steps=6, batch=32, train_points=64, test_points=64, width=12, learning_rate=1e-2)
MIXED = (*problems("polynomials")[2:4], problems("harmonics")[5], *problems("feynman")[4:6])
"""Problems of two to nine variables."""

POINTWISE = ("relu", "gelu-sine", "swish")
WHOLE_TENSOR = ("turbulent", "fisg", "chaotic-wave")


def plain_network(model: Ensemble, network: int, variables: int, activation: str) -> nn.Sequential:
    """A Sequential of Linear layers with the weights of one network of the ensemble."""
    layers: list[nn.Module] = []
    for weight, bias in zip(model.weights, model.biases, strict=True):
        fan_in = variables if not layers else weight.shape[1]
        linear = nn.Linear(fan_in, weight.shape[2])
        linear.weight.data = weight[network, :fan_in].detach().T.clone()
        linear.bias.data = bias[network, 0].detach().clone()
        layers += [linear, activations.get(activation).module()]
    return nn.Sequential(*layers[:-1])


def plain_losses(model: Ensemble, trained: Trained, network: int, activation: str) -> list[torch.Tensor]:
    """Training losses of one network of the untrained `model`, trained alone by the plainest loop."""
    variables = len(trained.data.networks[network][1].variables)
    plain = plain_network(model, network, variables, activation)
    inputs, targets = trained.data.train.inputs[network, :, :variables], trained.data.train.targets[network]
    plain(inputs[:2])  # sizes per-channel parameters
    optimizer = torch.optim.Adam(plain.parameters(), lr=RECIPE.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, RECIPE.steps)
    history = []
    for rows in batches(RECIPE):
        loss = (plain(inputs[rows]).squeeze(1) - targets[rows]).square().mean()
        history.append(loss.detach())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return history


@pytest.mark.parametrize("name", POINTWISE + WHOLE_TENSOR)
def test_ensemble_trains_like_separate_plain_networks(name: str) -> None:
    activation = activations.get(name)
    watched: list[torch.Tensor] = []
    trained = train(activation, MIXED, (3,), RECIPE, watch=lambda step, loss: watched.append(loss.clone()))
    start, _ = build(activation, MIXED, (3,), RECIPE.width)
    for network in range(len(MIXED)):
        separate = torch.stack(plain_losses(start, trained, network, name))
        torch.testing.assert_close(torch.stack(watched)[:, network], separate, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", POINTWISE + WHOLE_TENSOR)
def test_a_network_is_the_same_alone_and_in_company(name: str) -> None:
    company = evaluate(activations.get(name), MIXED, (0, 1), RECIPE)["validation"]
    alone = evaluate(activations.get(name), MIXED[2:3], (1,), RECIPE)["validation"]
    assert company.shape == (2, len(MIXED))
    np.testing.assert_allclose(company[1, 2], alone[0, 0], rtol=1e-3)
    assert len(np.unique(company)) == company.size


def test_a_diverging_network_leaves_the_others_alone() -> None:
    sick = Problem("sick", (Variable("x", 0, 1),), lambda points: np.full(len(points), np.inf), "infinity")
    with np.errstate(invalid="ignore"):
        trained = train(activations.get("turbulent"), (MIXED[0], sick, MIXED[1]), (0,), RECIPE)
        loss = evaluate(activations.get("turbulent"), (MIXED[0], sick, MIXED[1]), (0,), RECIPE)["validation"]
    assert trained.finite.tolist() == [True, False, True]
    healthy = evaluate(activations.get("turbulent"), MIXED[:2], (0,), RECIPE)["validation"]
    np.testing.assert_allclose(loss, [[healthy[0, 0], np.inf, healthy[0, 1]]], rtol=1e-3)


def test_every_network_has_activation_parameters_of_its_own() -> None:
    trained = train(activations.get("swish"), MIXED, (0, 1), RECIPE)
    networks = 2 * len(MIXED)
    for site in trained.model.sites:
        assert isinstance(site, PerNetwork)
        (beta,) = site.parameters()
        assert beta.shape == (networks, RECIPE.width)
        assert len(torch.unique(beta.detach(), dim=0)) == networks
    plain = [plain_network(trained.model, network, len(p.variables), "relu") for network, p in enumerate(MIXED)]
    scalars = sum(parameter.numel() for network in plain for parameter in network.parameters())
    assert trained.model.trainable() == 2 * (scalars + len(MIXED) * 3 * RECIPE.width)


def test_inputs_that_a_problem_lacks_stay_without_weight() -> None:
    model = train(activations.get("gelu"), MIXED, (0,), RECIPE).model
    for network, problem in enumerate(MIXED):
        assert (model.weights[0][network, len(problem.variables) :] == 0).all()
        assert (model.weights[0][network, : len(problem.variables)] != 0).all()


def test_same_data_and_weights_for_every_activation_and_no_global_randomness() -> None:
    torch.manual_seed(1)
    state = torch.random.get_rng_state()
    first, second = (train(activations.get(name), MIXED, (4,), RECIPE) for name in ("relu", "turbulent"))
    assert torch.equal(torch.random.get_rng_state(), state)
    for split in ("train", "held_out", "validation"):
        for ours, theirs in zip(getattr(first.data, split), getattr(second.data, split), strict=True):
            assert torch.equal(ours, theirs)
    torch.manual_seed(2)
    one, two = (build(activations.get(name), MIXED, (4,), RECIPE.width)[0] for name in ("relu", "swish"))
    for ours, theirs in zip([*one.weights, *one.biases], [*two.weights, *two.biases], strict=True):
        assert torch.equal(ours, theirs)
    other = build(activations.get("relu"), MIXED, (5,), RECIPE.width)[0]
    assert all((ours != theirs).any() for ours, theirs in zip(one.weights, other.weights, strict=True))


def test_relu_for_relu_changes_nothing() -> None:
    untouched = Ensemble(MIXED, (0,), RECIPE.width)
    injected, injection = build(activations.get("relu"), MIXED, (0,), RECIPE.width)
    inputs = open_data(MIXED, (0,), 8, 8).train.inputs
    assert torch.equal(untouched(inputs), injected(inputs))
    assert (injection.found, injection.swapped, injection.left, injection.executed) == (3, 3, 0, 3)


def test_losses_are_those_of_the_targets_as_they_are() -> None:
    trained = train(activations.get("tanh"), MIXED, (0,), RECIPE)
    validation = trained.data.validation
    measured = losses(trained.model, validation, RECIPE.batch)
    for network, (seed, problem) in enumerate(trained.data.networks):
        with torch.no_grad():
            answers = trained.model(validation.inputs)[network].double().numpy()
        scale = trained.data.scales[network]
        train_targets = problem(draw(problem, "train", seed, RECIPE.train_points))
        errors = answers * scale.deviation + scale.mean - problem(draw(problem, "validation", seed, 64))
        np.testing.assert_allclose(measured[network], np.mean(errors**2) / train_targets.var(), rtol=1e-4)


def test_losses_show_the_function_batches_of_the_training_size() -> None:
    model, _ = build(activations.get("turbulent"), MIXED, (0,), RECIPE.width)
    seen: list[int] = []
    model.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0].shape[1]))
    losses(model, open_data(MIXED, (0,), 64, 96).validation, batch=32)
    assert seen == [32, 32, 32]


def test_standardised_by_the_train_points_alone() -> None:
    drawn = open_data(MIXED, (0, 1), 64, 32)
    torch.testing.assert_close(drawn.train.targets.mean(dim=1), torch.zeros(10), atol=1e-5, rtol=0)
    torch.testing.assert_close(drawn.train.targets.var(dim=1, correction=0), torch.ones(10), atol=1e-4, rtol=0)
    assert drawn.train.inputs.abs().max() <= 1
    assert drawn.train.inputs.shape == (10, 64, 9)


def test_a_search_never_draws_from_the_sealed_shift(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: set[str] = set()

    def spy(problem: Problem, split: Split, seed: int, count: int) -> Array:
        drawn.add(split)
        return draw(problem, split, seed, count)

    monkeypatch.setattr("tasks.lab.data.draw", spy)
    result = evaluate(activations.get("relu"), MIXED, (0,), RECIPE, splits=("held_out", "validation"))
    assert set(result) == {"held_out", "validation"}
    assert drawn == {"train", "held_out", "validation"}
    sealed = open_sealed_shift(open_data(MIXED, (0,), 8, 8), 16)
    assert "sealed" in drawn
    assert sealed.inputs.shape == (len(MIXED), 16, 9)
    with pytest.raises(ValueError, match="may not see"):
        evaluate(activations.get("relu"), MIXED, (0,), RECIPE, splits=("sealed",))  # type: ignore[arg-type]
