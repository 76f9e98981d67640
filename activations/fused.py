"""Fusing: the activation modules of a torch model get compiled kernels that save one tensor a site.

A fused function is one kernel forward and one backward, which computes everything again from x. Where that cannot be,
the module stays eager, and the report says why; a model is never refused for the sake of speed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch
    from torch import nn

    from activations.fused_function import FusedFunction
    from activations.fused_kernels import Layout
    from activations.graph import Graph

Bfloat16 = Literal["arithmetic", "table", "auto"]

_NATIVE = {
    *("relu", "gelu_erf", "gelu_tanh", "silu", "sigmoid", "tanh", "softplus", "hardtanh", "hardsigmoid", "hardswish"),
    *("leaky_relu", "elu", "threshold"),
}
"""Operations for which torch itself has one fast kernel forward and one backward, and saves one tensor: not so mish, of
which it is slow on a CPU, and log_sigmoid, of which it saves two."""


@dataclass(frozen=True)
class Fusing:
    """What fusing did to the activation modules of a model: plain data, for the record of a cell."""

    fused: int
    """Modules with compiled kernels."""
    native: int
    """Modules of a function for which torch has a kernel of its own, which is kept; and of the identity."""
    eager: int
    """Modules that run one torch operation after the other, as before."""
    reasons: tuple[str, ...]
    """One sentence for each kind of module that stayed eager."""
    compile_seconds: float
    """Wall time of compiling; exactly 0 where all kernels were made before in this process."""


def fuse(
    model: nn.Module,
    *,
    dtype: torch.dtype | None = None,
    bf16: Bfloat16 = "arithmetic",
) -> Fusing:
    """Give every `ActivationModule` inside `model` (the model itself too) fused kernels, in place.

    Comes after the model was moved to its device and memory format. Kernels for `dtype` (default: float32; under
    autocast name its dtype) are compiled now, kernels for others when they are first met: float32, bfloat16 and
    float16 on a CPU or a CUDA device; with any other tensor the module runs eagerly. Results agree with eager ones to
    rounding; parameters, state_dict and random state are untouched; copies stay fused.
    `bf16` says how functions without parameters treat bfloat16: by `arithmetic` in float32, by a `table` of all
    bfloat16 numbers, or by the one of the two that is faster on the device (`auto`).
    The environment variable TORCHINDUCTOR_CACHE_DIR names the folder where processes share compiled kernels.
    """
    import torch

    from activations.to_torch import ActivationModule

    if bf16 not in ("arithmetic", "table", "auto"):
        raise ValueError(f"bf16 is 'arithmetic', 'table' or 'auto', not {bf16!r}.")
    modules = [module for module in model.modules() if isinstance(module, ActivationModule)]
    place = _Place.of(model, dtype or torch.float32)
    kept: Counter[str] = Counter()
    fused = native = 0
    seconds = 0.0
    for module in modules:
        if is_native(module.graph):
            native += 1
            continue
        function, reason, taken = _prepare(module.graph, place, bf16)
        module.fused = function
        seconds += taken
        fused += function is not None
        if reason:
            kept[f"{module.name}: {reason}"] += 1
    reasons = tuple(f"{number} of {reason}" for reason, number in kept.items())
    return Fusing(fused, native, kept.total(), reasons, seconds)


def is_native(graph: Graph) -> bool:
    """True where torch has a kernel for the function and one for its derivative, or there is nothing to compute."""
    return not graph.nodes or (len(graph.nodes) == 1 and not graph.parameters and graph.nodes[0].op in _NATIVE)


@dataclass(frozen=True)
class _Place:
    """Where a model's activations run, as far as its weights tell."""

    device: torch.device
    dtype: torch.dtype
    layout: Layout
    """Of functions with per-channel parameters."""

    @staticmethod
    def of(model: nn.Module, dtype: torch.dtype) -> _Place:
        import torch
        from torch.nn.parameter import is_lazy

        weights = [p for p in model.parameters() if not is_lazy(p)]
        images = [w for w in weights if w.ndim > 3]
        rows = images and all(w.is_contiguous() for w in images)
        return _Place(weights[0].device if weights else torch.device("cpu"), dtype, "rows" if rows else "columns")


def _prepare(graph: Graph, place: _Place, bf16: Bfloat16) -> tuple[FusedFunction | None, str, float]:
    """The fused function, or why there is none; and seconds spent on compiling."""
    from activations.fused_function import DEVICES, DTYPES, fused_function, sees_transforms

    if not graph.pointwise:
        return None, "it is not pointwise, and fusing across elements is not done.", 0.0
    if place.dtype not in DTYPES or place.device.type not in DEVICES:
        return None, f"there are no kernels for {place.dtype} on {place.device.type}.", 0.0
    if not sees_transforms():
        return None, "this torch does not say whether a transform of torch.func is at work.", 0.0
    function = fused_function(graph, bf16)
    reason, seconds = function.prepare(place.layout, place.dtype, place.device)
    return None if reason else function, reason, seconds
