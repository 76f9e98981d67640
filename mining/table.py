"""A pointwise function as a table of values and derivatives, so that every candidate trains at the same speed.

The interval [-limit, limit] is cut into equal cells, and each cell holds the tangent at its centre; nothing has to be
compiled for a new candidate. The value is off by at most the square of the cell's width over 8 times the second
derivative, the derivative by half the width times that. Kinks at multiples of the width, ReLU's at 0 among them, lie
between cells and cost nothing. Outside the interval the end tangents go on. Where the function is not finite the table
is not either, so that a network that gets there is seen to be lost.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch

from activations import Graph
from activations.codegen import compile_graph

LIMIT = 16.0
"""Half the interval's length; preactivations in the lab seldom leave it, and the cells are 2**-11 wide with it."""
CELLS = 2**16
"""8 bytes a cell: half a MiB, which a core's second cache holds."""


@dataclass(frozen=True)
class Table:
    """A function on [-limit, limit], and beyond it by the tangents of the first and the last cell."""

    left: torch.Tensor
    """(cells,) float32: the tangent's value at the left edge of the cell."""
    slope: torch.Tensor
    """(cells,) float32: the derivative at the centre of the cell."""
    limit: float
    """Half the interval's length."""

    @property
    def per_unit(self) -> float:
        """How many cells lie in an interval of length 1."""
        return self.left.numel() / (2 * self.limit)

    def __call__(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Value and derivative at x, any shape, float64 for checks; training does the same in place in `ensemble`."""
        position = (x.double() + self.limit) * self.per_unit
        index = position.nan_to_num(0.0).clamp(0, self.left.numel() - 1).long()
        slope = self.slope[index].double()
        return self.left[index] + slope * ((position - index) / self.per_unit), slope


class TableError(NamedTuple):
    """Largest error of a table on its interval, in units of max(1, |what is tabulated|)."""

    value: float
    derivative: float
    """Near a kink inside a cell it is the jump of the derivative."""
    missing: float
    """Share of the probes at which the table, the function or its derivative is not finite; no error is taken there."""


def tabulable(graph: Graph) -> bool:
    """Whether a table can stand for the function: pointwise and without learnable parameters."""
    return graph.pointwise and not graph.parameters


def tabulate(graph: Graph, device: str = "cpu", limit: float = LIMIT, cells: int = CELLS) -> Table:
    """The table of a function, computed in float64 and kept in float32.

    The derivative is torch's own, so a gradient that the graph stops or replaces stays so. It is taken by autograd,
    because tracing the derivative of a new graph takes many times as long as filling the table.

    Raises:
        ValueError: the function is not pointwise or has learnable parameters.
    """
    if not tabulable(graph):
        raise ValueError("only a pointwise function without learnable parameters has a table: score this one exactly.")
    width = 2 * limit / cells
    value, derivative = _exact(graph, _places(limit, cells, 0.5), device)
    return Table((value - derivative * width / 2).float(), derivative.float(), limit)


def table_error(graph: Graph, table: Table) -> TableError:
    """Hold a table against its function at both ends of every cell, where a tangent at the centre is at its worst."""
    cells = table.left.numel()
    probes = torch.cat([_places(table.limit, cells, place) for place in (1 / 64, 63 / 64)])
    exact = _exact(graph, probes, str(table.left.device))
    tabulated = table(probes.to(table.left.device))
    finite = torch.stack([*exact, *tabulated]).isfinite().all(dim=0)
    value, derivative = (
        ((mine - true).abs() / true.abs().clamp(min=1))[finite].max().item() if finite.any() else math.nan
        for mine, true in zip(tabulated, exact, strict=True)
    )
    return TableError(value, derivative, 1 - float(finite.double().mean()))


def _places(limit: float, cells: int, place: float) -> torch.Tensor:
    """One point a cell, a fraction of the cell's width after its left edge; (cells,) float64."""
    return (torch.arange(cells, dtype=torch.float64) + place) * (2 * limit / cells) - limit


def _exact(graph: Graph, points: torch.Tensor, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    x = points.to(device).requires_grad_()
    value = torch.broadcast_to(compile_graph(graph, "torch")(x), x.shape)
    if not value.requires_grad:  # a step function: no gradient flows
        return value, torch.zeros_like(value)
    (derivative,) = torch.autograd.grad(value.sum(), x)
    return value.detach(), derivative.detach()
