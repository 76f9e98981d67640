"""An activation by compiled kernels: a torch.autograd.Function that saves x and the parameters, and nothing else.

Backward computes f'(x) again from x. Tensors of any shape and of any dense memory format (channels-last) are seen as
the flat memory that they are, so the result has the strides of x and nothing is copied.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import torch

from activations.codegen import compile_graph
from activations.fused import Bfloat16
from activations.fused_kernels import Kernel, Layout, example_of, gradients_of, value_of
from activations.fused_tables import look_up, pull_back, tabulate
from activations.graph import Graph
from activations.to_torch import evaluate

Direction = Literal["value", "gradients"]
_DIRECTIONS: tuple[Direction, ...] = ("value", "gradients")
Tensors = Sequence[torch.Tensor]

DTYPES = (torch.float32, torch.bfloat16, torch.float16)
DEVICES = ("cpu", "cuda")
_ROUNDS = 9
"""How often `auto` times each way."""


class _View(NamedTuple):
    """A tensor as a kernel sees it."""

    layout: Layout
    dense: torch.Tensor
    """The tensor, or a contiguous copy where it has gaps."""
    size: tuple[int, ...]
    """(elements,), (samples * channels, rest) or (rest, channels)."""


class FusedFunction:
    """Value and gradients of one pointwise graph; a kernel is compiled when its dtype and layout are first met.

    Shared by all modules of the graph: it has no parameters, and no state but its kernels.
    """

    def __init__(self, graph: Graph, bf16: Bfloat16 = "arithmetic") -> None:
        self.graph = graph
        self.bf16 = bf16 if not graph.parameters else "arithmetic"
        self.by_channel = any(p.per == "channel" for p in graph.parameters)
        self._function = compile_graph(graph, "torch")
        self._kernels: dict[tuple[Direction, Layout, torch.dtype, torch.device], Kernel] = {}
        self._lock = threading.RLock()

    def __reduce__(self) -> Any:
        return fused_function, (self.graph, self.bf16)

    def accepts(self, x: torch.Tensor) -> bool:
        """False where torch runs the graph itself: other dtypes and devices, an axis of length 1 that a kernel lacks,
        subclasses of Tensor, an outer torch.compile, torch.func's transforms and forward-mode differentiation.
        """
        return (
            not torch.compiler.is_compiling()
            and type(x) in (torch.Tensor, torch.nn.Parameter)
            and x.dtype in DTYPES
            and x.device.type in DEVICES
            and x.numel() > 1
            and not _is_transformed()
            and (not self.by_channel or min(self._shape(x)[1]) > 1)
        )

    def __call__(self, x: torch.Tensor, parameters: Tensors) -> torch.Tensor:
        """f(x) for an x that is accepted; same shape, strides and dtype."""
        if torch.is_grad_enabled() and (x.requires_grad or any(p.requires_grad for p in parameters)):
            result: torch.Tensor = _Recomputed.apply(self, x, *parameters)
            return result
        return self.value(x, parameters)

    def value(self, x: torch.Tensor, parameters: Tensors) -> torch.Tensor:
        """f(x), without a record for backward."""
        view = self.view(x)
        run = self.kernel("value", view.layout, x.dtype, x.device)
        folded = _fold(view.dense, view.size)
        return _unfold(run(folded, *self._spread(view, parameters)), folded, view.dense)

    def gradients(self, x: torch.Tensor, cotangent: torch.Tensor, parameters: Tensors) -> list[torch.Tensor]:
        """Gradients by x and by every parameter."""
        view = self.view(x)
        if cotangent.stride() != view.dense.stride():
            cotangent = torch.empty_like(view.dense).copy_(cotangent)
        run = self.kernel("gradients", view.layout, x.dtype, x.device)
        folded = _fold(view.dense, view.size), _fold(cotangent, view.size)
        by_x, *by_parameters = run(*folded, *self._spread(view, parameters))
        found = [_unfold(by_x, folded[1], view.dense)]
        for p, value, gradient in zip(self.graph.parameters, parameters, by_parameters, strict=True):
            if p.per == "channel" and view.layout == "rows":
                gradient = gradient.unflatten(-1, (-1, value.shape[-1])).sum(-2)
            found.append(gradient.to(value.dtype))
        return found

    def evaluate(self, x: torch.Tensor, parameters: Tensors) -> torch.Tensor:
        """f(x) by torch's own operations, which autograd can differentiate any number of times."""
        return evaluate(self._function, self.graph.parameters, x, parameters)

    def prepare(self, layout: Layout, dtype: torch.dtype, device: torch.device) -> tuple[str, float]:
        """Compile both kernels; the layout is that of per-channel parameters.

        Returns why it failed, or nothing, and the seconds that compiling took: 0 for kernels that were there.
        """
        seconds = 0.0
        for direction in _DIRECTIONS:
            key = direction, layout if self.by_channel else "flat", dtype, device
            known = key in self._kernels
            kernel = self.kernel(*key)
            seconds += 0.0 if known else kernel.seconds
            if kernel.reason:
                return kernel.reason, seconds
        return "", seconds

    def failures(self) -> tuple[str, ...]:
        """One sentence for each kernel that could not be compiled, at first or later, and so runs eagerly."""
        return tuple(
            f"{direction} of {dtype}: {kernel.reason}"
            for (direction, _, dtype, _), kernel in list(self._kernels.items())
            if kernel.reason
        )

    def kernel(self, direction: Direction, layout: Layout, dtype: torch.dtype, device: torch.device) -> Kernel:
        """The kernel, compiled now if it is new."""
        key = (direction, layout, dtype, device)
        found = self._kernels.get(key)
        if found is None:
            with self._lock:
                with torch.inference_mode(False):  # else examples and tables would be inference tensors
                    found = self._kernels.get(key) or self._build(*key)
                self._kernels[key] = found
        return found

    def view(self, x: torch.Tensor) -> _View:
        """How kernels see a tensor of this shape and these strides."""
        layout, size = self._shape(x)
        dense = _is_dense(x) if layout == "flat" else layout == "columns" and x.ndim > 1
        return _View(layout, x if dense else x.contiguous(), size)

    def _shape(self, x: torch.Tensor) -> tuple[Layout, tuple[int, ...]]:
        """Layout and size of `view`, without a copy."""
        if not self.by_channel:
            return "flat", (x.numel(),)
        channels = x.shape[1] if x.ndim > 1 else x.numel()
        if x.ndim < 2 or x.movedim(1, -1).is_contiguous():
            return "columns", (x.numel() // max(channels, 1), channels)
        rows = x.shape[0] * channels
        return "rows", (rows, x.numel() // max(rows, 1))

    def _spread(self, view: _View, parameters: Tensors) -> list[torch.Tensor]:
        """Parameters as the layout needs them: in `rows`, a channel's value for each of its rows."""
        spread = []
        for p, value in zip(self.graph.parameters, parameters, strict=True):
            value = value.detach()
            if p.per == "channel" and view.layout == "rows":
                value = value.repeat(*[1] * (value.ndim - 1), view.size[0] // value.shape[-1])
            spread.append(value)
        return spread

    def _build(self, direction: Direction, layout: Layout, dtype: torch.dtype, device: torch.device) -> Kernel:
        way = self.bf16 if dtype == torch.bfloat16 else "arithmetic"
        example = example_of(self.graph, layout, dtype, device, cotangent=direction == "gradients")
        made = []
        if way != "table":
            function = value_of if direction == "value" else gradients_of
            made.append(Kernel(function(self.graph, layout, device), example))
        if way != "arithmetic":
            values, slopes = tabulate(self.graph, device)
            made.append(
                Kernel(look_up, example, values) if direction == "value" else Kernel(pull_back, example, slopes)
            )
        return made[0] if len(made) == 1 else _faster(made, example)


@lru_cache(maxsize=1024)
def fused_function(graph: Graph, bf16: Bfloat16 = "arithmetic") -> FusedFunction:
    """The fused function of a pointwise graph, one for all modules of this process."""
    return FusedFunction(graph, bf16)


class _Recomputed(torch.autograd.Function):
    """Saves x and the parameters; a second derivative is taken by torch itself, from the graph."""

    @staticmethod
    def forward(ctx: Any, fused: FusedFunction, x: torch.Tensor, *parameters: torch.Tensor) -> torch.Tensor:
        ctx.fused = fused
        ctx.save_for_backward(x, *parameters)
        return fused.value(x, parameters)

    @staticmethod
    def backward(ctx: Any, *cotangents: torch.Tensor) -> Any:
        x, *parameters = ctx.saved_tensors
        if not torch.is_grad_enabled():
            return None, *ctx.fused.gradients(x, cotangents[0], parameters)
        wanted = [t for t in (x, *parameters) if t.requires_grad]
        value = ctx.fused.evaluate(x, parameters)
        found = iter(torch.autograd.grad(value, wanted, cotangents[0], create_graph=True, materialize_grads=True))
        return None, *(next(found) if t.requires_grad else None for t in (x, *parameters))


def sees_transforms() -> bool:
    """Whether this torch says that a transform of torch.func is at work: by private names, which may be gone."""
    return hasattr(torch._C, "_are_functorch_transforms_active") and hasattr(
        torch.autograd.forward_ad, "_current_level"
    )


def _is_transformed() -> bool:
    """Whether one is, or forward-mode differentiation; true where torch does not say."""
    if not sees_transforms():
        return True
    return torch._C._are_functorch_transforms_active() or torch.autograd.forward_ad._current_level >= 0


def _is_dense(x: torch.Tensor) -> bool:
    """True for memory without gaps and overlaps, in whatever order of axes: empty_like keeps such strides."""
    if x.is_contiguous() or (x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last)):
        return True
    return torch.empty_like(x, device="meta").stride() == x.stride()


def _fold(x: torch.Tensor, size: tuple[int, ...]) -> torch.Tensor:
    """`data`, for dynamo guards the shape of what a view was made from."""
    return x.as_strided(size, (1,) if len(size) == 1 else (size[1], 1)).data


def _unfold(folded: torch.Tensor, source: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """The result in the shape of x, in memory of its own: a kernel of nothing to compute may hand its source back.

    `data`, for autograd lets nobody change a view in place that it did not make.
    """
    if folded.data_ptr() == source.data_ptr():
        folded = folded.clone()
    return folded.as_strided(like.shape, like.stride()).data


def _faster(kernels: Sequence[Kernel], example: Tensors) -> Kernel:
    """The kernel that is faster on this device, by the median of interleaved runs; its seconds are those of all."""
    wait = torch.cuda.synchronize if example[0].is_cuda else lambda: None
    seconds: list[list[float]] = [[] for _ in kernels]
    for _ in range(_ROUNDS):
        for kernel, taken in zip(kernels, seconds, strict=True):
            wait()
            begun = time.perf_counter()
            kernel(*example)
            wait()
            taken.append(time.perf_counter() - begun)
    medians = [statistics.median(taken) for taken in seconds]
    best = kernels[medians.index(min(medians))]
    best.seconds = sum(kernel.seconds for kernel in kernels)
    return best
