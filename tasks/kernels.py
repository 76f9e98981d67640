"""Fused kernels for the functions injected into a torch model, where a run asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import torch
    from torch import nn


class Fused(NamedTuple):
    """What a record says of it."""

    notes: tuple[str, ...]
    """One sentence for each kind of site that stayed eager."""
    seconds: float
    """Wall time of compiling."""
    wanted: bool = False
    """Whether fused kernels were asked for, and so are in use wherever no note says otherwise."""


def fuse_sites(model: nn.Module, wanted: bool, dtype: torch.dtype | None = None) -> Fused:
    """Give the injected modules of `model` fused kernels (`activations.fuse`), if they are wanted.

    Comes after the dry forward pass and the change of memory format. `dtype` is that of the tensors at the sites,
    float32 where it is left out.
    """
    from activations import fuse

    if not wanted:
        return Fused((), 0.0)
    done = fuse(model, dtype=dtype)
    return Fused(tuple(f"not fused: {reason}" for reason in done.reasons), done.compile_seconds, wanted)


def late_notes(model: nn.Module) -> tuple[str, ...]:
    """One sentence for each kernel of `model` that failed after `fuse_sites`: asked after training and tests.

    Kernels belong to the process: one for another dtype or layout that failed in an earlier run is among them.
    """
    from activations.to_torch import ActivationModule

    modules = [m for m in model.modules() if isinstance(m, ActivationModule)]
    found = [f"not fused to the end: {m.name}, {reason}" for m in modules if m.fused for reason in m.fused.failures()]
    return tuple(dict.fromkeys(found))
