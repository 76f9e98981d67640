"""The torch form of a graph: an nn.Module with fresh parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.parameter import UninitializedParameter, is_lazy

from activations.codegen import compile_graph
from activations.graph import Graph, GraphParameter

if TYPE_CHECKING:
    from activations.fused_function import FusedFunction

_HALVES = (torch.float16, torch.bfloat16)


class ActivationModule(nn.Module):
    """Applies a graph to a floating-point tensor of any shape; the result has the same shape and dtype.

    A graph of one node calls torch's own kernel. A longer one is computed in float32 when x is float16 or bfloat16
    and rounded once at the end, so that torch and JAX agree to 1 ulp. Per-channel parameters (channels: axis 1, or
    the last axis of a 1-d tensor) get their size from the first tensor that passes. Creating and running it draws no
    random numbers. Eager, with what autograd saves, until `activations.fuse` gives it compiled kernels.
    """

    fused: FusedFunction | None = None
    """Kernels that compute the same; they are passed on to copies and by pickle."""

    def __init__(self, graph: Graph, name: str = "") -> None:
        super().__init__()
        self.graph = graph
        self.name = name or f"graph {graph.hash}"
        self._function = compile_graph(graph, "torch")
        self._plain = len(graph.nodes) == 1 and not graph.parameters
        for p in graph.parameters:
            value: Any = UninitializedParameter() if p.per == "channel" else nn.Parameter(torch.tensor(p.initial))
            self.register_parameter(p.name, value)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: any shape, floating point; returns the same shape and dtype."""
        if self.fused is not None and self.fused.accepts(x):
            return self.fused(x, [self._sized(p, x) for p in self.graph.parameters])
        if self._plain:
            plain: torch.Tensor = self._function(x)
            return plain
        return evaluate(self._function, self.graph.parameters, x, [self._sized(p, x) for p in self.graph.parameters])

    def _sized(self, p: GraphParameter, x: torch.Tensor) -> torch.Tensor:
        """The parameter, which has the channels of x."""
        value: torch.Tensor = getattr(self, p.name)
        if p.per == "site":
            return value
        channels = x.shape[1] if x.ndim > 1 else x.shape[-1]
        if isinstance(value, UninitializedParameter):
            self._materialize(p, channels, x)
            value = getattr(self, p.name)
        if value.shape[-1] != channels:
            raise ValueError(f"{self.name}: {p.name} has {value.shape[-1]} channels, the tensor has {channels}.")
        return value

    def _materialize(self, p: GraphParameter, channels: int, x: torch.Tensor) -> None:
        unsized: Any = getattr(self, p.name)
        dtype = torch.float32 if x.dtype in _HALVES else x.dtype
        initial = torch.tensor(p.initial, device=x.device, dtype=dtype)
        with torch.no_grad():
            unsized.materialize((*initial.shape, channels), device=x.device, dtype=dtype)
            unsized.copy_(initial.unsqueeze(-1).expand(unsized.shape))

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        """Moves and casts leave parameters alone that have no size yet; those follow the first tensor that passes."""
        every = self._parameters
        self._parameters = {name: p for name, p in every.items() if p is None or not is_lazy(p)}
        try:
            super()._apply(fn, recurse)
            every.update(self._parameters)
        finally:
            self._parameters = every
        return self

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        for name, value in self._parameters.items():
            if value is not None:
                destination[prefix + name] = value if keep_vars or is_lazy(value) else value.detach()

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
        for name, value in self._parameters.items():
            saved = state_dict.get(prefix + name)
            if value is not None and is_lazy(value) and saved is not None and not is_lazy(saved):
                with torch.no_grad():
                    value.materialize(saved.shape)
        super()._load_from_state_dict(state_dict, prefix, *args)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_function"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._function = compile_graph(self.graph, "torch")

    def extra_repr(self) -> str:
        """The activation's name."""
        return self.name


def evaluate(
    function: Callable[..., torch.Tensor],
    declared: Sequence[GraphParameter],
    x: torch.Tensor,
    values: Sequence[torch.Tensor],
) -> torch.Tensor:
    """A graph's torch function at x, halves computed in float32; values as `ActivationModule` holds them."""
    wide = x.float() if x.dtype in _HALVES else x
    placed = []
    for p, value in zip(declared, values, strict=True):
        value = value.to(wide.dtype)
        # Channels are axis 1 of x; a vector has its coefficients in front.
        placed.append(value if p.per == "site" else value.reshape(*value.shape, *[1] * max(x.ndim - 2, 0)))
    return function(wide, *placed).to(x.dtype)


def to_torch(graph: Graph, name: str = "") -> ActivationModule:
    """A module that runs the graph, with parameters of its own; `name` is what its repr shows."""
    return ActivationModule(graph, name)
