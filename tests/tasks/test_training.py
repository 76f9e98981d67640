"""The supervised loop and its guards: schedule, weight decay, test metrics, divergence."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import pytest
import torch
from torch import nn

from tasks.base import Diverged
from tasks.guard import LossLog, check_finite, check_parameters
from tasks.training import build_optimizer, evaluate, fit, learning_rate
from tasks.vision_recipes import SupervisedRecipe

RECIPE = SupervisedRecipe(epochs=10, batch_size=4, lr=1.0)
CPU = torch.device("cpu")


class Points:
    """Two clouds in the plane, told apart by the sign of the first coordinate."""

    steps = 5
    part = "test"
    example = torch.zeros(2, 2)

    def __init__(self, classes: int = 2) -> None:
        self.classes = classes
        self.points = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
        self.labels = (self.points[:, 0] > 0).long()

    def train(self, epoch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        yield from zip(self.points.split(8), self.labels.split(8), strict=True)

    def test(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        return self.train(0)


class Fixed(nn.Module):
    """Logits that never change."""

    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(logits)

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        return self.logits.expand(len(points), -1)


def test_cosine_warms_up_and_ends_near_zero() -> None:
    recipe = SupervisedRecipe(epochs=10, batch_size=4, lr=1.0, warmup_epochs=2.0)
    rates = [learning_rate(recipe, step, 10) for step in range(100)]
    assert rates[0] == pytest.approx(0.05)
    assert max(rates) == rates[19] == rates[20] == 1.0
    assert rates[60] == pytest.approx(0.5)
    assert 0 < rates[-1] < 0.001
    assert all(a >= b for a, b in itertools.pairwise(rates[20:]))


def test_steps_divide_by_ten_after_each_third() -> None:
    recipe = SupervisedRecipe(epochs=90, batch_size=4, lr=0.1, schedule="step")
    rates = [learning_rate(recipe, epoch * 5, 5) for epoch in (0, 29, 30, 59, 60, 89)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])


@pytest.mark.parametrize(("decay", "free"), [(True, {"1.slope"}), (False, {"1.slope", "0.bias", "2.bias"})])
def test_weight_decay_spares_the_activation_and_by_choice_the_vectors(decay: bool, free: set[str]) -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.PReLU(), nn.Linear(3, 2))
    recipe = SupervisedRecipe(epochs=1, batch_size=4, lr=1.0, decay_norm_and_bias=decay)
    optimizer = build_optimizer(model, recipe, sites=["1"])
    names = {id(p): name.replace("1.weight", "1.slope") for name, p in model.named_parameters()}
    by_decay = {group["weight_decay"]: {names[id(p)] for p in group["params"]} for group in optimizer.param_groups}
    assert by_decay[0.0] == free
    assert by_decay[recipe.weight_decay] == set(names.values()) - free


def test_metrics_are_those_of_the_definitions() -> None:
    points = Points()
    share = points.labels.float().mean().item()
    metrics = evaluate(Fixed(torch.tensor([0.0, math.log(3)])), points, RECIPE)
    assert metrics["test_top1"] == pytest.approx(100 * share)
    assert metrics["test_loss"] == pytest.approx(-share * math.log(0.75) - (1 - share) * math.log(0.25), rel=1e-6)
    assert "test_top5" not in metrics


def test_top5_is_reported_from_a_hundred_classes_on() -> None:
    logits = torch.zeros(100)
    logits[[9, 8, 7, 1, 0]] = torch.tensor([5.0, 4.0, 3.0, 2.0, 1.0])
    metrics = evaluate(Fixed(logits), Points(classes=100), RECIPE)
    assert (metrics["test_top1"], metrics["test_top5"]) == (0.0, 100.0)


def test_fit_learns_and_reports_each_step() -> None:
    torch.manual_seed(0)
    seen: list[tuple[int, int, float]] = []
    fitted = fit(nn.Linear(2, 2), Points(), RECIPE, [], lambda *step: seen.append(step))
    assert fitted.metrics["test_top1"] > 90
    assert [step for step, _, _ in seen] == list(range(1, 51))
    assert seen[-1][1:] == (50, fitted.curves["train_loss"][-1])
    assert fitted.curves["test_epoch"] == [10.0]


def test_a_parameter_that_ends_infinite_is_divergence() -> None:
    last = nn.Linear(2, 2)
    model = nn.Sequential(nn.Linear(2, 2), last)
    check_parameters(model)
    with torch.no_grad():
        last.bias[0] = math.inf
    with pytest.raises(Diverged, match=r"1\.bias is not finite"):
        check_parameters(model)


def test_a_model_without_numbers_cannot_diverge() -> None:
    check_parameters(nn.ReLU())


def test_an_infinite_running_statistic_is_divergence() -> None:
    norm = nn.BatchNorm1d(2)
    assert norm.running_var is not None
    norm.running_var[0] = math.nan
    with pytest.raises(Diverged, match="running_var"):
        check_parameters(norm)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_bad_loss_is_raised_at_once_with_the_finite_curve(bad: float) -> None:
    log = LossLog(10, CPU)
    log.add(torch.tensor(2.0))
    log.add(torch.tensor(1.0))
    with pytest.raises(Diverged, match="at step 3 of 10") as caught:
        log.add(torch.tensor(bad))
    assert caught.value.curves == {"train_loss": [2.0, 1.0]}
    with pytest.raises(Diverged, match="the score"):
        check_finite("the score", bad)


@pytest.mark.parametrize("bad", [0, 4, 19])
def test_on_a_gpu_a_bad_loss_between_two_looks_is_not_forgotten(bad: int) -> None:
    log = LossLog(90, CPU)
    log._series._interval = 20  # as on a GPU
    for step in range(39):
        log.add(torch.tensor(math.nan if step == bad else 1.0))
    with pytest.raises(Diverged, match=f"at step {bad + 1} of 90"):
        log.add(torch.tensor(1.0))


@pytest.mark.parametrize("steps", [15, 20, 33, 40, 53, 60])
def test_on_a_gpu_no_loss_is_left_unlooked_at(steps: int) -> None:
    def spoil(bad: int) -> None:
        log = LossLog(steps, CPU)
        log._series._interval = 20
        for step in range(steps):
            log.add(torch.tensor(math.inf if step == bad else float(step)))

    for bad in range(steps):
        with pytest.raises(Diverged, match=f"at step {bad + 1} of {steps}"):
            spoil(bad)


def test_on_a_gpu_the_latest_loss_is_the_one_of_a_look_ago() -> None:
    log = LossLog(90, CPU)
    log._series._interval = 20
    seen = []
    for step in range(90):
        log.add(torch.tensor(float(step)))
        seen.append(log.latest)
    assert math.isnan(seen[38])
    assert (seen[39], seen[59], seen[88], seen[89]) == (19.0, 39.0, 59.0, 89.0)


def test_the_curve_is_thinned_by_means() -> None:
    log = LossLog(1000, CPU)
    for step in range(1000):
        log.add(torch.tensor(float(step)))
    curve = log.curve(points=100)
    assert len(curve) == 100
    assert curve[0] == pytest.approx(4.5)
    assert curve[-1] == pytest.approx(994.5)
