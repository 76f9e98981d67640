# ruff: noqa: D103 - the table of operations says what each row is
"""torch's side of the table of operations: what a row's `torch` column may name. Imported when a torch form is made."""

from __future__ import annotations

import operator  # noqa: F401 - rows name it
from typing import Any

import torch
import torch.nn.functional as F

Tensor = torch.Tensor
_aten = torch.ops.aten


def _tensors(*values: Any) -> list[Tensor]:
    """Numbers among the values become tensors of the dtype and device of the tensors among them."""
    like = next(v for v in values if isinstance(v, Tensor))
    for v in values:
        if isinstance(v, Tensor) and v.is_floating_point():
            like = v
    return [v if isinstance(v, Tensor) else torch.full((), v, dtype=like.dtype, device=like.device) for v in values]


def _on_tensors(function: Any) -> Any:
    return lambda *values: function(*_tensors(*values))


maximum = _on_tensors(torch.maximum)
minimum = _on_tensors(torch.minimum)
logical_and = _on_tensors(torch.logical_and)
logical_or = _on_tensors(torch.logical_or)
logical_xor = _on_tensors(torch.logical_xor)
atan2 = _on_tensors(torch.atan2)
hypot = _on_tensors(torch.hypot)
logaddexp = _on_tensors(torch.logaddexp)
copysign = _on_tensors(torch.copysign)
fmod = _on_tensors(torch.fmod)
pow = torch.pow
remainder = torch.remainder


def floor_divide(a: Any, b: Any) -> Tensor:
    """Unlike torch.floor_divide, this has a derivative: 0."""
    return torch.div(a, b, rounding_mode="floor")


def clamp_min(x: Tensor, low: Any) -> Tensor:
    return torch.clamp(x, min=low)


def clamp_max(x: Tensor, high: Any) -> Tensor:
    return torch.clamp(x, max=high)


def where(condition: Tensor, a: Any, b: Any, like: Tensor) -> Tensor:
    if not isinstance(a, Tensor) and not isinstance(b, Tensor):
        a = torch.full((), a, dtype=like.dtype, device=like.device)
    return torch.where(condition, a, b)


def to_float(x: Tensor, like: Tensor) -> Tensor:
    return x.to(like.dtype)


def to_int(x: Tensor) -> Tensor:
    return x.to(torch.int64)


def to_bool(x: Tensor) -> Tensor:
    return x.to(torch.bool)


def to_complex(x: Tensor) -> Tensor:
    return torch.complex(x, torch.zeros_like(x))


def detach(x: Tensor) -> Tensor:
    return x.detach()


def conj(x: Tensor) -> Tensor:
    return torch.conj_physical(x)


def imag(x: Tensor) -> Tensor:
    return x.imag if x.is_complex() else torch.zeros_like(x)


def complex(a: Any, b: Any) -> Tensor:
    return torch.complex(*torch.broadcast_tensors(*_tensors(a, b)))


def gelu_tanh(x: Tensor) -> Tensor:
    return F.gelu(x, approximate="tanh")


def elu(x: Tensor, alpha: float, scale: float, input_scale: float) -> Tensor:
    out: Tensor = _aten.elu(x, alpha, scale, input_scale)
    return out


def _dims(x: Tensor, dim: Any) -> Any:
    return tuple(range(-x.ndim, 0)) if dim is None else dim


def sum(x: Tensor, dim: Any, keepdim: bool) -> Tensor:
    return torch.sum(x, _dims(x, dim), keepdim)


def mean(x: Tensor, dim: Any, keepdim: bool) -> Tensor:
    return torch.mean(x, _dims(x, dim), keepdim)


def amax(x: Tensor, dim: Any, keepdim: bool) -> Tensor:
    return torch.amax(x, _dims(x, dim), keepdim)


def amin(x: Tensor, dim: Any, keepdim: bool) -> Tensor:
    return torch.amin(x, _dims(x, dim), keepdim)


def prod(x: Tensor, dim: Any, keepdim: bool) -> Tensor:
    if dim is None:
        out = torch.prod(x)
        return out.reshape((1,) * x.ndim) if keepdim else out
    return torch.prod(x, dim if isinstance(dim, int) else dim[0], keepdim)


def argmax(x: Tensor, dim: Any, keepdim: bool) -> Tensor:
    return torch.argmax(x, dim, keepdim)


def argmin(x: Tensor, dim: Any, keepdim: bool) -> Tensor:
    return torch.argmin(x, dim, keepdim)


def any(x: Tensor, dim: Any, keepdim: bool) -> Tensor:
    return torch.any(x, _dims(x, dim), keepdim)


def all(x: Tensor, dim: Any, keepdim: bool) -> Tensor:
    return torch.all(x, _dims(x, dim), keepdim)


def var(x: Tensor, correction: float, dim: Any, keepdim: bool) -> Tensor:
    return torch.var(x, _dims(x, dim), correction=correction, keepdim=keepdim)


def std(x: Tensor, correction: float, dim: Any, keepdim: bool) -> Tensor:
    return torch.std(x, _dims(x, dim), correction=correction, keepdim=keepdim)


def norm(x: Tensor, order: float, dim: Any, keepdim: bool) -> Tensor:
    return torch.linalg.vector_norm(x, order, _dims(x, dim), keepdim)


def logsumexp(x: Tensor, dim: Any, keepdim: bool) -> Tensor:
    return torch.logsumexp(x, _dims(x, dim), keepdim)


softmax, log_softmax, cumsum, cumprod, flip = torch.softmax, torch.log_softmax, torch.cumsum, torch.cumprod, torch.flip


def roll(x: Tensor, shifts: Any, dims: Any) -> Tensor:
    return torch.roll(x, shifts, dims)


def sort(x: Tensor, dim: int, descending: bool) -> Tensor:
    return torch.sort(x, dim=dim, descending=descending, stable=True).values


def argsort(x: Tensor, dim: int, descending: bool) -> Tensor:
    return torch.sort(x, dim=dim, descending=descending, stable=True).indices


def gather(x: Tensor, index: Tensor, dim: int) -> Tensor:
    return torch.gather(x, dim, index)


def scatter(x: Tensor, index: Tensor, source: Any, dim: int) -> Tensor:
    return torch.scatter(x, dim, index, source)


def scatter_add(x: Tensor, index: Tensor, source: Tensor, dim: int) -> Tensor:
    return torch.scatter_add(x, dim, index, source)


def slice(x: Tensor, start: int, end: int, dim: int, step: int) -> Tensor:
    out: Tensor = _aten.slice(x, dim, start, end, step)
    return out


def slice_scatter(x: Tensor, source: Tensor, start: int, end: int, dim: int, step: int) -> Tensor:
    return torch.slice_scatter(x, source, dim, start, end, step)


def select(x: Tensor, index: int, dim: int) -> Tensor:
    return torch.select(x, dim, index)


def select_scatter(x: Tensor, source: Tensor, index: int, dim: int) -> Tensor:
    return torch.select_scatter(x, source, dim, index)


def coefficient(vector: Tensor, index: int) -> Tensor:
    return vector[index]


def cat(*values: Tensor, dim: int) -> Tensor:
    return torch.cat(values, dim)


unsqueeze, squeeze, transpose = torch.unsqueeze, torch.squeeze, torch.transpose


def expand(x: Any, shape: tuple[int, ...], like: Tensor) -> Tensor:
    if not isinstance(x, Tensor):
        return torch.full(shape, x, dtype=like.dtype, device=like.device)
    return x.expand(shape)


def view(x: Tensor, shape: tuple[int, ...], like: Tensor) -> Tensor:
    return x.reshape(shape)


def arange(start: int, end: int, step: int, like: Tensor) -> Tensor:
    return torch.arange(start, end, step, device=like.device)


def rfft(x: Tensor, dim: tuple[int, ...], norm: int) -> Tensor:
    out: Tensor = _aten._fft_r2c(x, [d % x.ndim for d in dim], norm, True)
    return out


def irfft(x: Tensor, length: int, dim: tuple[int, ...], norm: int) -> Tensor:
    out: Tensor = _aten._fft_c2r(x, [d % x.ndim for d in dim], norm, length)
    return out


def fft(x: Tensor, dim: tuple[int, ...], norm: int, forward: bool) -> Tensor:
    out: Tensor = _aten._fft_c2c(x, [d % x.ndim for d in dim], norm, forward)
    return out
