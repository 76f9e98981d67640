"""Many small MLPs trained as one: a batched matrix product a layer, one MLP for each pair of seed and problem.

Each MLP computes exactly what a `torch.nn.Sequential` of `Linear` layers with the same weights would. The three hidden
activations are module sites, found and replaced by `activations.inject` as in any other model; what is injected sees
one MLP's own (batch, width) tensor, never another MLP's, and has parameters of its own in every MLP.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from tasks.kernels import Fused, fuse_sites
from tasks.lab.problem import Problem
from tasks.lab.ranges import generator

if TYPE_CHECKING:
    from activations import Activation, Injection

HIDDEN_LAYERS = 3


class PerNetwork(nn.Module):
    """Applies a function of one network's (batch, width) tensor to (networks, batch, width)."""

    def __init__(self) -> None:
        super().__init__()
        self.function: nn.Module = nn.ReLU()
        self.pointwise = True

    def separate(self, networks: int, width: int, pointwise: bool) -> None:
        """Give every network its own copy of the function's parameters; call once, after injection and on the CPU.

        A pointwise function without parameters treats all networks alike, so it is called on the whole tensor.
        """
        self.function(torch.zeros(2, width))  # per-channel parameters take their size from the first tensor
        for module in self.function.modules():
            for name, parameter in list(module.named_parameters(recurse=False)):
                own = parameter.detach().expand(networks, *parameter.shape).clone()
                setattr(module, name, nn.Parameter(own, requires_grad=parameter.requires_grad))
        self.pointwise = pointwise and not list(self.function.parameters())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Same shape in and out: (networks, batch, width)."""
        result: torch.Tensor
        if self.pointwise:
            result = self.function(x)
            return result
        with warnings.catch_warnings():  # an operation without a batching rule is slower under vmap, not wrong
            warnings.filterwarnings("ignore", message="There is a performance drop", category=UserWarning)
            result = torch.func.vmap(self._one_network)(dict(self.function.named_parameters()), x)
        return result

    def _one_network(self, parameters: dict[str, torch.Tensor], x: torch.Tensor) -> Any:
        return torch.func.functional_call(self.function, parameters, (x,))


class Ensemble(nn.Module):
    """One MLP with three hidden layers for each seed and problem, seed by seed.

    Weights and biases start as `torch.nn.Linear`'s do, uniform within 1/sqrt(fan in), from a stream that depends on the
    seed and the problem alone. Problems with fewer variables than the widest have zero weights for the columns they
    lack; their inputs are zero there, so those weights never move.
    """

    def __init__(self, problems: Sequence[Problem], seeds: Sequence[int], width: int) -> None:
        super().__init__()
        inputs = max(len(problem.variables) for problem in problems)
        starts = [_initial(problem, seed, inputs, width) for seed in seeds for problem in problems]
        layers = range(HIDDEN_LAYERS + 1)
        self.weights = nn.ParameterList(_stack([start[layer][0] for start in starts]) for layer in layers)
        self.biases = nn.ParameterList(_stack([start[layer][1] for start in starts]) for layer in layers)
        self.sites = nn.ModuleList(PerNetwork() for _ in range(HIDDEN_LAYERS))
        self.networks = len(starts)
        self.width = width
        self.unused = sum(width * (inputs - len(problem.variables)) for problem in problems) * len(seeds)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map inputs (networks, batch, variables) to predictions (networks, batch)."""
        for layer, site in enumerate(self.sites):
            x = site(torch.baddbmm(self.biases[layer], x, self.weights[layer]))
        return torch.baddbmm(self.biases[-1], x, self.weights[-1]).squeeze(-1)

    def trainable(self) -> int:
        """Number of trainable scalars, the zero weights of absent variables not counted."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad) - self.unused


def build(
    activation: Activation, problems: Sequence[Problem], seeds: Sequence[int], width: int, device: str = "cpu"
) -> tuple[Ensemble, Injection]:
    """An ensemble that runs `activation` at its three sites, and the audit of the injection.

    Raises:
        activations.InjectionError: not all three sites were found and replaced, or one of them does not run.
    """
    from activations import confirm_executed, inject

    model = Ensemble(problems, seeds, width)
    injection = inject(model, activation, expected=HIDDEN_LAYERS)
    for site in model.sites:
        assert isinstance(site, PerNetwork)
        site.separate(model.networks, width, activation.graph.pointwise)
    model.to(device)
    probe = torch.zeros(model.networks, 2, model.weights[0].shape[1], device=device)
    with torch.no_grad():
        injection = confirm_executed(model, injection, lambda: model(probe))
    return model, injection


def fuse_networks(model: Ensemble, wanted: bool) -> Fused:
    """Fused kernels for the sites of all networks, if they are wanted and one call serves all networks."""
    together = all(isinstance(site, PerNetwork) and site.pointwise for site in model.sites)
    if wanted and not together:
        return Fused(("not fused: every network calls the function by itself",), 0.0, wanted)
    return fuse_sites(model, wanted)


def _initial(problem: Problem, seed: int, inputs: int, width: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weight (fan in, fan out) and bias (1, fan out) of each layer of one network, float64."""
    stream = generator("weights", problem.name, seed)
    sizes = [len(problem.variables)] + [width] * HIDDEN_LAYERS + [1]
    layers = []
    for fan_in, fan_out in pairwise(sizes):
        bound = fan_in**-0.5
        layers.append((stream.uniform(-bound, bound, (fan_in, fan_out)), stream.uniform(-bound, bound, (1, fan_out))))
    first, bias = layers[0]
    layers[0] = np.pad(first, ((0, inputs - len(first)), (0, 0))), bias
    return layers


def _stack(arrays: Sequence[np.ndarray]) -> nn.Parameter:
    return nn.Parameter(torch.tensor(np.stack(arrays), dtype=torch.float32))
