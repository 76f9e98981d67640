"""Tables of a function on all bfloat16 numbers: there are only 65,536 of them, so f and f' are computed once, in
float64, and looked up; every function then costs the same, however wild.

A value is the float64 reference rounded once. Slopes are kept in float32 (256 KiB), so that the gradient, cotangent
times slope, has no more rounding than fused arithmetic; in bfloat16 it would be rounded twice. Where the cotangent is
infinite or NaN a slope of 0 gives NaN, while a branch (`where`) that is not taken would give 0.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch

from activations.graph import Graph
from activations.to_numpy import to_numpy

SIZE = 1 << 16


@lru_cache(maxsize=256)
def tabulate(graph: Graph, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Values in bfloat16 and slopes in float32 of a pointwise function without parameters; both (65536,).

    Place i belongs to the number whose bits are i.
    """
    x = every_bfloat16().double().numpy()
    form = to_numpy(graph)
    values = torch.from_numpy(_round_to_odd(form(x))).to(torch.bfloat16)
    with np.errstate(all="ignore"):
        slopes = torch.from_numpy(form.vjp(x, np.ones_like(x))["x"].astype(np.float32))
    return values.to(device), slopes.to(device)


def every_bfloat16() -> torch.Tensor:
    """All bfloat16 numbers in order of their bits, (65536,); infinities and NaNs are among them."""
    return torch.arange(SIZE, dtype=torch.int32).to(torch.int16).view(torch.bfloat16)


def look_up(x: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """f(x) for x in bfloat16."""
    return values[_places(x)]


def pull_back(x: torch.Tensor, cotangent: torch.Tensor, slopes: torch.Tensor) -> tuple[torch.Tensor]:
    """cotangent * f'(x), computed in float32 and rounded once; the gradient by x alone."""
    return ((cotangent.float() * slopes[_places(x)]).to(x.dtype),)


def _places(x: torch.Tensor) -> torch.Tensor:
    return x.view(torch.int16).to(torch.int32) & (SIZE - 1)


def _round_to_odd(x: Any) -> Any:
    """float64 to float32 such that rounding further to bfloat16 equals rounding once (Boldo and Melquiond, 2008)."""
    with np.errstate(all="ignore"):
        near = x.astype(np.float32)
        missed = near.astype(np.float64) - x
        even = (near.view(np.uint32) & 1) == 0
        other = np.nextafter(near, np.where(missed > 0, -np.inf, np.inf).astype(np.float32))
    return np.where((missed != 0) & np.isfinite(x) & even, other, near)
