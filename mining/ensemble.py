"""Trains the small MLPs of the lab for one or many candidates at once, with forward and backward written by hand.

Architecture, initial weights, points, batches and optimizer are those of `tasks.lab`; what differs is the speed. There
is no autograd and no memory is allocated between steps, and the nonlinearity may be a table. With `Exact` in its place
the losses are those of `tasks.lab.training` up to rounding. A worker calls `torch.set_num_threads(1)`: one process a
core serves candidates faster than threads do, and repeats itself bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import torch

from mining.table import Table
from tasks.lab import LabRecipe
from tasks.lab.data import LabData, Points
from tasks.lab.network import HIDDEN_LAYERS, Ensemble
from tasks.lab.problem import Array
from tasks.lab.training import batches

Function = Callable[[torch.Tensor], torch.Tensor]

CHECK_EVERY = 50
"""Steps between two looks at whether any candidate is still worth training."""


class Nonlinearity(Protocol):
    """What stands at the three sites, with memory for one step."""

    def forward(self, layer: int, z: torch.Tensor, out: torch.Tensor) -> None:
        """Write the function of the preactivations `z` to `out`, both (networks, batch, width); `z` may be spoilt."""
        ...

    def backward(self, layer: int, gradient: torch.Tensor) -> None:
        """Multiply `gradient` (networks, batch, width) by the derivative at the last `z` of this layer, in place."""
        ...


class Lookup:
    """One table for each candidate; the candidates' networks lie one after the other along the first axis."""

    def __init__(self, tables: Sequence[Table], shape: tuple[int, int, int]) -> None:
        """`shape` is that of all networks' preactivations together; the tables have equal limits and sizes."""
        device = tables[0].left.device
        self._left = torch.cat([table.left for table in tables])
        self._slope = torch.cat([table.slope for table in tables])
        self._last = tables[0].left.numel() - 1
        self._per_unit = tables[0].per_unit
        self._middle = torch.tensor(tables[0].limit * tables[0].per_unit, device=device)
        candidate = torch.arange(len(tables), dtype=torch.int32, device=device) * (self._last + 1)
        self._base = candidate.repeat_interleave(shape[0] // len(tables))[:, None, None] if len(tables) > 1 else None
        self._index = torch.empty(shape, dtype=torch.int32, device=device)
        self._whole = torch.empty(shape, device=device)
        self._found = [torch.empty(shape, device=device) for _ in range(HIDDEN_LAYERS)]

    def forward(self, layer: int, z: torch.Tensor, out: torch.Tensor) -> None:
        """Positions counted in cells, then two gathers and the tangent."""
        torch.add(self._middle, z, alpha=self._per_unit, out=z)
        torch.clamp(z, 0, self._last, out=self._whole)
        self._index.copy_(self._whole).clamp_(0, self._last)  # NaN has no defined integer: keep it inside the table
        z.sub_(self._whole.copy_(self._index))
        if self._base is not None:
            self._index.add_(self._base)
        torch.index_select(self._left, 0, self._index.view(-1), out=out.view(-1))
        torch.index_select(self._slope, 0, self._index.view(-1), out=self._found[layer].view(-1))
        out.addcmul_(self._found[layer], z, value=1 / self._per_unit)

    def backward(self, layer: int, gradient: torch.Tensor) -> None:
        """The derivative came with the value."""
        gradient.mul_(self._found[layer])


class Exact:
    """A pointwise torch function and its derivative by autograd."""

    def __init__(self, function: Function) -> None:
        self._function = function
        self._tape: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def forward(self, layer: int, z: torch.Tensor, out: torch.Tensor) -> None:
        """Values, and the tape for `backward`."""
        with torch.enable_grad():
            x = z.clone().requires_grad_()
            y = self._function(x)
        self._tape[layer] = x, y
        out.copy_(y.detach())

    def backward(self, layer: int, gradient: torch.Tensor) -> None:
        """As autograd takes it; zero where no gradient flows."""
        x, y = self._tape.pop(layer)
        gradient.copy_(torch.autograd.grad(y, x, gradient)[0] if y.requires_grad else torch.zeros_like(x))


class Trainer:
    """The networks of `copies` candidates on the same problems and seeds, ready to be trained again and again.

    Networks are ordered candidate by candidate, and within one as in `data`.
    """

    def __init__(self, data: LabData, recipe: LabRecipe, copies: int = 1) -> None:
        self._recipe = recipe
        self._copies = copies
        self._validation = data.validation
        device = data.train.inputs.device
        self._train = Points(*(part.repeat(copies, *[1] * (part.dim() - 1)) for part in data.train))
        self._batches = batches(recipe, str(device))
        start = Ensemble(data.problems, data.seeds, recipe.width)
        layers = [p.detach().to(device).repeat(copies, 1, 1) for p in (*start.weights, *start.biases)]
        self._start = torch.cat([p.flatten() for p in layers])
        self._flat = torch.nn.Parameter(self._start.clone(), requires_grad=True)
        self._flat.grad = torch.zeros_like(self._start)
        self._weights, self._biases = _views(self._flat.detach(), layers)
        self._by_weights, self._by_biases = _views(self._flat.grad, layers)
        self.shape = (len(data.networks) * copies, recipe.batch, recipe.width)
        """Shape of the preactivations of a layer."""
        self._z, self._gradient, self._spare = (torch.empty(self.shape, device=device) for _ in range(3))
        self._hidden = [torch.empty(self.shape, device=device) for _ in range(HIDDEN_LAYERS)]

    @torch.no_grad()
    def fit(self, nonlinearity: Nonlinearity) -> torch.Tensor:
        """Train from the initial weights; which networks stayed finite, bool of shape (copies, networks of one).

        Training ends early when every candidate has lost a network.
        """
        self._flat.copy_(self._start)
        optimizer = torch.optim.Adam([self._flat], lr=self._recipe.learning_rate, fused=True)
        seen = torch.zeros(self.shape[0], device=self._flat.device)
        for step, rows in enumerate(self._batches):
            optimizer.param_groups[0]["lr"] = self._rate(step)
            seen += self._backward(nonlinearity, self._train.inputs[:, rows], self._train.targets[:, rows])
            optimizer.step()
            if step % CHECK_EVERY == CHECK_EVERY - 1 and not self._by_copy(seen.isfinite()).all(dim=1).any():
                break
        finite = seen.isfinite()  # a sum is finite only if all its terms are
        for parameter in self.parameters():
            finite &= parameter.flatten(1).isfinite().all(dim=1)
        return self._by_copy(finite)

    @torch.no_grad()
    def validation_losses(self, functions: Sequence[Function]) -> Array:
        """Normalised mean squared error on the validation shift under one exact function for each candidate; float64
        of shape (copies, networks of one).
        """
        measured = []
        for copy, function in enumerate(functions):
            mine = slice(copy * len(self._validation.targets), (copy + 1) * len(self._validation.targets))
            h = self._validation.inputs
            for weight, bias in zip(self._weights[:-1], self._biases[:-1], strict=True):
                h = function(torch.baddbmm(bias[mine], h, weight[mine]))
            errors = torch.baddbmm(self._biases[-1][mine], h, self._weights[-1][mine]).squeeze(-1)
            measured.append((errors - self._validation.targets).double().square().mean(dim=1))
        return np.asarray(torch.stack(measured).cpu().numpy())

    def parameters(self) -> list[torch.Tensor]:
        """Weights, then biases, of the last candidates trained, layer by layer."""
        return [*self._weights, *self._biases]

    def _backward(self, nonlinearity: Nonlinearity, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Fill the gradient of one batch and give the loss of each network, shape (networks,)."""
        layers = range(HIDDEN_LAYERS)
        values = [inputs, *self._hidden]
        for layer in layers:
            torch.baddbmm(self._biases[layer], values[layer], self._weights[layer], out=self._z)
            nonlinearity.forward(layer, self._z, self._hidden[layer])
        # The last layer has one output: a product and a sum are faster than a matrix product.
        top = self._weights[-1].transpose(1, 2)
        torch.mul(self._hidden[-1], top, out=self._spare)
        errors = self._spare.sum(dim=2, keepdim=True) + self._biases[-1] - targets.unsqueeze(-1)
        by_output = errors * (2 / targets.shape[1])
        torch.sum(torch.mul(self._hidden[-1], by_output, out=self._spare), dim=1, out=self._by_weights[-1].squeeze(-1))
        torch.sum(by_output, dim=1, keepdim=True, out=self._by_biases[-1])
        torch.mul(by_output, top, out=self._gradient)
        for layer in reversed(layers):
            nonlinearity.backward(layer, self._gradient)
            torch.bmm(values[layer].transpose(1, 2), self._gradient, out=self._by_weights[layer])
            torch.sum(self._gradient, dim=1, keepdim=True, out=self._by_biases[layer])
            if layer:
                torch.bmm(self._gradient, self._weights[layer].transpose(1, 2), out=self._spare)
                self._gradient, self._spare = self._spare, self._gradient
        return errors.squeeze(-1).square().mean(dim=1)

    def _rate(self, step: int) -> float:
        """The learning rate of a cosine schedule that ends at 0."""
        return self._recipe.learning_rate * (1 + math.cos(math.pi * step / self._recipe.steps)) / 2

    def _by_copy(self, networks: torch.Tensor) -> torch.Tensor:
        return networks.view(self._copies, -1)


def _views(flat: torch.Tensor, layers: Sequence[torch.Tensor]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Weights and biases of each layer as windows on one long vector, which the optimizer moves in one call."""
    parts = flat.split([layer.numel() for layer in layers])
    views = [part.view(layer.shape) for part, layer in zip(parts, layers, strict=True)]
    return views[: HIDDEN_LAYERS + 1], views[HIDDEN_LAYERS + 1 :]
