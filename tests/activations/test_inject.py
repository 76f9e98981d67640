"""Injection: every site is swapped, counted and seen to run; ReLU for ReLU leaves no trace."""

from __future__ import annotations

import copy
import json
from collections import OrderedDict
from dataclasses import asdict, dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from activations.graph import Graph, Parameter
from activations.inject import Injection, InjectionError, confirm_executed, inject, is_activation
from activations.to_torch import ActivationModule, to_torch
from activations.trace import trace

torch.set_num_threads(1)


@dataclass(frozen=True)
class Named:
    name: str
    graph: Graph

    def module(self) -> nn.Module:
        return to_torch(self.graph, self.name)


RELU = Named("relu", trace(torch.relu))
SWISH = Named("swish", trace(lambda x, *, beta=Parameter(1.0, per="channel"): x * torch.sigmoid(beta * x)))


class Net(nn.Module):
    """One shared module at two places, one called twice, one nested."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.norm = nn.BatchNorm2d(8)
        self.act = nn.ReLU(inplace=True)
        self.same = self.act
        self.body = nn.Sequential(OrderedDict(conv=nn.Conv2d(8, 8, 3), act=nn.ReLU(), drop=nn.Dropout(0.5)))
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.norm(self.conv(x)))
        x = self.body(x)
        x = self.same(x + 0.1)
        return self.head(self.act(x * 1.5).mean((2, 3)))


def train(model: nn.Module, steps: int = 5) -> list[Tensor]:
    torch.manual_seed(1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for _ in range(steps):
        x, y = torch.randn(8, 3, 9, 9), torch.randint(4, (8,))
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return losses


def test_relu_for_relu_is_bit_identical_over_training_steps() -> None:
    torch.manual_seed(0)
    untouched = Net()
    injected = copy.deepcopy(untouched)
    state = torch.get_rng_state()
    injection = inject(injected, RELU, expected=3)
    injection = confirm_executed(injected, injection, lambda: injected(torch.zeros(2, 3, 9, 9)))
    assert torch.equal(torch.get_rng_state(), state)
    for before, after in zip(untouched.state_dict().values(), injected.state_dict().values(), strict=True):
        assert torch.equal(before, after)  # also BatchNorm's running statistics
    assert all(torch.equal(a, b) for a, b in zip(train(untouched), train(injected), strict=True))
    for one, two in zip(untouched.state_dict().values(), injected.state_dict().values(), strict=True):
        assert torch.equal(one, two)


def test_the_audit_is_plain_data() -> None:
    model = Net()
    injection = inject(model, SWISH, expected=3)
    assert injection == Injection(found=3, swapped=3, left=0, sites=("act", "same", "body.act"))
    injection = confirm_executed(model, injection, lambda: model(torch.zeros(2, 3, 9, 9)))
    assert injection.executed == 4  # `act` is called twice
    assert json.loads(json.dumps(asdict(injection)))["sites"] == ["act", "same", "body.act"]


def test_a_shared_module_becomes_one_fresh_module_for_each_place() -> None:
    model = Net()
    inject(model, SWISH, expected=3)
    assert model.act is not model.same
    model(torch.zeros(2, 3, 9, 9))
    assert len({id(p) for m in model.modules() if isinstance(m, ActivationModule) for p in m.parameters()}) == 3


def test_the_dry_forward_sizes_parameters_and_restores_modes() -> None:
    model = Net()
    model.body.eval()
    injection = inject(model, SWISH, expected=3)
    modes = [m.training for m in model.modules()]
    confirm_executed(model, injection, lambda: model(torch.randn(2, 3, 9, 9)))
    assert [m.training for m in model.modules()] == modes
    assert model.act.beta.shape == (8,)
    assert train(model)[-1].isfinite()
    assert not torch.equal(model.act.get_parameter("beta"), torch.ones(8))


def test_a_wrong_count_is_refused_and_the_model_is_unchanged() -> None:
    model = Net()
    with pytest.raises(InjectionError, match=r"declares 17 activation sites, the model has 3: act, same, body.act"):
        inject(model, RELU, expected=17)
    assert isinstance(model.act, nn.ReLU)
    with pytest.raises(InjectionError, match="the model has 0: none"):
        inject(nn.Linear(2, 2), RELU, expected=1)


def test_a_site_that_never_runs_is_refused() -> None:
    model = Net()
    model.unused = nn.GELU()
    injection = inject(model, RELU, expected=4)
    with pytest.raises(InjectionError, match="1 of 4 injected sites were never executed: unused"):
        confirm_executed(model, injection, lambda: model(torch.zeros(2, 3, 9, 9)))
    assert not any(m._forward_hooks for m in model.modules())
    assert model.training


def test_a_module_put_back_after_the_injection_is_noticed() -> None:
    model = Net()
    injection = inject(model, RELU, expected=3)
    model.body.act = nn.ReLU()
    with pytest.raises(InjectionError, match=r"'body.act' .* no longer holds the injected module"):
        confirm_executed(model, injection, lambda: model(torch.zeros(2, 3, 9, 9)))


def test_every_activation_class_of_torch_is_found() -> None:
    models: list[Any] = [
        getattr(nn, name) for name in dir(nn.modules.activation) if isinstance(getattr(nn, name, None), type)
    ]
    apart = {"GLU", "Softmax", "Softmax2d", "Softmin", "LogSoftmax", "MultiheadAttention", "Module", "Parameter"}
    chosen = [kind for kind in models if kind.__name__ not in apart]
    assert len(chosen) >= 23
    for kind in chosen:
        module = kind(0.1, 20) if kind is nn.Threshold else kind()
        model = nn.Sequential(nn.Linear(4, 4), module)
        assert inject(model, RELU, expected=1).sites == ("1",), kind
    for name in ("Softmax", "LogSoftmax", "Softmin", "Identity", "Dropout"):
        assert not is_activation(getattr(nn, name)())


def test_the_model_itself_cannot_be_a_site() -> None:
    with pytest.raises(InjectionError, match="itself an activation module"):
        inject(nn.ReLU(), RELU, expected=1)


def test_fresh_modules_follow_the_mode_of_what_they_replace() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU()).eval()
    inject(model, SWISH, expected=1)
    assert not model[1].training
