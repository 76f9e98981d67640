"""Kernels of one activation: value and gradients of its graph, each compiled once by torch's inductor for every size.

A kernel sees dense memory, never the shape of the network's tensor: one long vector, or a matrix where the function has
per-channel parameters. Its sizes stay symbolic, so a new image size or a last, smaller batch compiles nothing. What
cannot be compiled runs as the same torch operations one by one, and the reason is kept.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Any, Literal

import torch

from activations.fused_math import lower
from activations.graph import Graph, GraphParameter
from activations.trace import trace_derivative

Layout = Literal["flat", "rows", "columns"]
"""`flat`: (elements,), for functions without per-channel parameters. `rows`: (samples * channels, rest), contiguous
images. `columns`: (rest, channels), channels-last images or (batch, channels)."""

Run = Callable[..., Any]

_EXAMPLES = {"flat": (1 << 22,), "rows": (16411, 251), "columns": (16411, 251)}
"""Shapes at which a kernel is compiled: sizes stay symbolic, but inductor chooses threads and blocks by them."""


class Kernel:
    """A compiled function of dense tensors; where compiling fails, at first or later, torch runs it one by one."""

    def __init__(self, function: Run, example: Sequence[torch.Tensor], *constants: torch.Tensor) -> None:
        """Compile, and run once on the example; constants are passed behind the tensors of every call."""
        self.reason = ""
        """Why the function is not compiled; empty where it is."""
        self._eager = function
        self._constants = constants
        begun = time.perf_counter()
        try:
            self._compiled: Run = torch.compile(_fresh(function), dynamic=True, fullgraph=True, options=_options())
            with torch.no_grad(), torch.autocast(example[0].device.type, enabled=False), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # inductor's advice, for example on TF32
                self._compiled(*example, *self._constants)
        except Exception as error:
            self.reason = say_why(error)
        self.seconds = time.perf_counter() - begun
        """What compiling took, the first run included."""

    def __call__(self, *tensors: torch.Tensor) -> Any:
        """The function's result; computed alike in every mode, for dynamo compiles anew for each that it meets."""
        if torch.is_inference_mode_enabled() or any(t.is_inference() for t in tensors):
            with torch.inference_mode(False), torch.no_grad():
                return self(*(_ordinary(t) if t.is_inference() else t for t in tensors))
        kind = tensors[0].device.type
        if torch.is_autocast_enabled(kind):
            with torch.autocast(kind, enabled=False):
                return self(*tensors)
        if not self.reason:
            try:
                return self._compiled(*tensors, *self._constants)
            except torch.OutOfMemoryError:
                raise
            except Exception as error:
                self.reason = say_why(error)
        return self._eager(*tensors, *self._constants)


def value_of(graph: Graph, layout: Layout, device: torch.device) -> Run:
    """`run(x, *parameters)`: f(x) for dense x, halves computed in float32 and rounded once."""
    function = lower(graph, device)
    kinds = [_Kind.of(p, layout) for p in graph.parameters]

    def run(x: torch.Tensor, *values: torch.Tensor) -> Any:
        wide = _widen(x)
        placed = [kind.place(value, wide) for kind, value in zip(kinds, values, strict=True)]
        return function(wide, *placed).to(x.dtype)

    return run


def gradients_of(graph: Graph, layout: Layout, device: torch.device) -> Run:
    """`run(x, cotangent, *parameters)`: gradients by x and by every parameter, recomputed from x alone.

    A parameter's gradient has its shape, and float32; in the layout `rows` it is per row, to be summed over samples.
    """
    derivative = lower(trace_derivative(graph), device)
    kinds = [_Kind.of(p, layout) for p in graph.parameters]

    def run(x: torch.Tensor, cotangent: torch.Tensor, *values: torch.Tensor) -> Any:
        wide = _widen(x)
        placed = [kind.place(value, wide) for kind, value in zip(kinds, values, strict=True)]
        groups = [list(p) if kind.vector else [p] for kind, p in zip(kinds, placed, strict=True)]
        found = derivative(wide, _widen(cotangent), *(p.expand(wide.shape) for group in groups for p in group))
        by_x, *by_spread = found if isinstance(found, tuple) else (found,)
        shares = iter(by_spread)
        sums = [[kind.sum(next(shares)) for _ in group] for kind, group in zip(kinds, groups, strict=True)]
        return by_x.to(x.dtype), *(torch.stack(s) if kind.vector else s[0] for kind, s in zip(kinds, sums, strict=True))

    return run


@dataclass(frozen=True)
class _Kind:
    """What a kernel has to know of a parameter. No numbers among it: dynamo would make them inputs of the kernel."""

    spread: Literal["everywhere", "by row", "by column"]
    vector: bool

    @staticmethod
    def of(p: GraphParameter, layout: Layout) -> _Kind:
        by_channel: Any = "by row" if layout == "rows" else "by column"
        return _Kind(by_channel if p.per == "channel" else "everywhere", isinstance(p.initial, tuple))

    def place(self, value: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """The parameter in the dtype of x, shaped to broadcast against it; a vector has its coefficients in front."""
        value = value.to(x.dtype)
        return value.unsqueeze(-1) if self.spread == "by row" else value

    def sum(self, shares: torch.Tensor) -> torch.Tensor:
        """The gradient of one coefficient, from every element's share."""
        if self.spread == "everywhere":
            return shares.sum()
        return shares.sum(1) if self.spread == "by row" else shares.sum(0)


def example_of(
    graph: Graph, layout: Layout, dtype: torch.dtype, device: torch.device, cotangent: bool = False
) -> list[torch.Tensor]:
    """x from -4 to 4 in no order, a cotangent where asked for, and parameters: what a kernel is compiled on."""
    shape = _EXAMPLES[layout]
    steps = torch.arange(math.prod(shape), device=device, dtype=torch.float64)
    x = (steps.mul_(0.6180339887).frac_() * 8 - 4).to(dtype).reshape(shape).data
    values = []
    for p in graph.parameters:
        initial = torch.tensor(p.initial, device=device)
        if p.per == "channel":
            initial = initial.unsqueeze(-1).repeat(*[1] * initial.ndim, shape[0 if layout == "rows" else -1])
        values.append(initial)
    return [x, torch.ones_like(x), *values] if cotangent else [x, *values]


def say_why(error: BaseException) -> str:
    """One sentence on why torch.compile gave no kernel."""
    chain: list[BaseException] = []
    step: BaseException | None = error
    while step is not None and step not in chain:
        chain.append(step)
        step = getattr(step, "inner_exception", None) or step.__cause__
    text = " ".join(f"{type(e).__name__} {e}" for e in chain)
    if "InvalidCxxCompiler" in text:
        return "there is no C++ compiler, with which torch.compile makes kernels for a CPU: install g++."
    if "TritonMissing" in text:
        return "triton is not installed, with which torch.compile makes kernels for a GPU."
    if "guard_filter_fn" in text:
        return f"torch {torch.__version__} cannot leave out guards of a kernel (guard_filter_fn): install a later one."
    lines = str(chain[-1]).strip().splitlines() or [""]
    return f"torch.compile failed ({type(chain[-1]).__name__}: {lines[0][:200]})."


def _ordinary(x: torch.Tensor) -> torch.Tensor:
    """The memory of an inference tensor as a tensor of any other kind; outside of inference mode only."""
    return torch.empty(0, dtype=x.dtype, device=x.device).set_(
        x.untyped_storage(), x.storage_offset(), x.shape, x.stride()
    )


def _widen(x: torch.Tensor) -> torch.Tensor:
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def _fresh(function: Run) -> Run:
    """The function with a code object of its own: dynamo counts what it compiles by code object, up to a limit."""
    assert isinstance(function, FunctionType)
    code = function.__code__.replace(co_name=f"{function.__name__}_fused")
    return FunctionType(code, function.__globals__, code.co_name, function.__defaults__, function.__closure__)


def _options() -> dict[str, Any]:
    """The functions of this package depend on their tensors alone, so no guard stands but those on tensors and sizes:
    else every change of gradient mode or number of threads compiled again. Tables are read in range.

    Guards on tensors see autocast and inference mode too, by the dispatch keys, so a `Kernel` leaves both. Those on
    sizes compile once more where a parameter's gradient is a sum over at most 4,096 elements, if it was compiled for
    more, or the other way round: inductor adds long sums up differently on a CPU.
    """
    return {"assert_indirect_indexing": False, "guard_filter_fn": _keep}


def _keep(guards: Sequence[Any]) -> list[bool]:
    return [guard.guard_type in ("TENSOR_MATCH", "SHAPE_ENV") for guard in guards]
