# ruff: noqa: D102 - the table of operations says what each row is
"""What NumPy's and JAX's sides of the table of operations share: rows written against an array namespace `xp`.

Written so that values at 0, at kinks and at infinity are torch's; derivatives are never taken of this code
(`trace_derivative`).
"""

from __future__ import annotations

from typing import Any, Literal

Array = Any
_NORMS: tuple[Literal["backward"], Literal["ortho"], Literal["forward"]] = ("backward", "ortho", "forward")
"""ATen counts a Fourier transform's normalisation: 0 none, 1 by the root of n, 2 by n."""


class ArrayRows:
    """Methods that the columns `jax` and `numpy` may name; a framework's subclass adds what differs."""

    def __init__(self, xp: Any, special: Any, variance_option: str) -> None:
        self.xp = xp
        self.special = special
        self.variance_option = variance_option

    def relu(self, x: Array) -> Array:
        return self.xp.where(x <= 0, self.xp.zeros_like(x), x)

    def clamp_min(self, x: Array, low: Any) -> Array:
        return self.xp.maximum(x, low)

    def clamp_max(self, x: Array, high: Any) -> Array:
        return self.xp.minimum(x, high)

    def clamp(self, x: Array, low: Any, high: Any) -> Array:
        return self.xp.minimum(self.xp.maximum(x, low), high)

    hardtanh = clamp

    def where(self, condition: Array, a: Any, b: Any, like: Array) -> Array:
        if not hasattr(a, "dtype") and not hasattr(b, "dtype"):
            a = self.xp.asarray(a, like.dtype)
        return self.xp.where(condition, a, b)

    def to_float(self, x: Array, like: Array) -> Array:
        return self.xp.asarray(x, like.dtype)

    def to_int(self, x: Array) -> Array:
        return x.astype(int)

    def to_bool(self, x: Array) -> Array:
        return x.astype(bool)

    def silu(self, x: Array) -> Array:
        return x / (1 + self.xp.exp(-x))

    def gelu_erf(self, x: Array) -> Array:
        return x * 0.5 * (1 + self.special.erf(x * 0.7071067811865476))

    def gelu_tanh(self, x: Array) -> Array:
        return 0.5 * x * (1 + self.xp.tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)))

    def softplus(self, x: Array, beta: float, threshold: float) -> Array:
        return self.xp.where(x * beta > threshold, x, self.xp.log1p(self.xp.exp(x * beta)) / beta)

    def mish(self, x: Array) -> Array:
        return x * self.xp.tanh(self.softplus(x, 1.0, 20.0))

    def log_sigmoid(self, x: Array) -> Array:
        return self.xp.minimum(x, 0) - self.xp.log1p(self.xp.exp(-self.xp.abs(x)))

    def hardsigmoid(self, x: Array) -> Array:
        return self.clamp(x + 3, 0, 6) / 6

    def hardswish(self, x: Array) -> Array:
        return x * self.clamp(x + 3, 0, 6) / 6

    def leaky_relu(self, x: Array, slope: float) -> Array:
        return self.xp.where(x > 0, x, x * slope)

    def elu(self, x: Array, alpha: float, scale: float, input_scale: float) -> Array:
        return self.xp.where(x > 0, x * scale, self.xp.expm1(x * input_scale) * (alpha * scale))

    def threshold(self, x: Array, bound: float, value: float) -> Array:
        return self.xp.where(x <= bound, value, x)

    def sinc(self, x: Array) -> Array:
        """As torch takes it: pi is rounded to the dtype before the sine."""
        turned = x * self.xp.asarray(self.xp.pi, x.dtype)
        return self.xp.where(turned == 0, 1, self.xp.sin(turned) / turned)

    def sum(self, x: Array, dim: Any, keepdim: bool) -> Array:
        return self.xp.sum(x, axis=dim, keepdims=keepdim)

    def mean(self, x: Array, dim: Any, keepdim: bool) -> Array:
        return self.xp.mean(x, axis=dim, keepdims=keepdim)

    def prod(self, x: Array, dim: Any, keepdim: bool) -> Array:
        return self.xp.prod(x, axis=dim, keepdims=keepdim)

    def amax(self, x: Array, dim: Any, keepdim: bool) -> Array:
        return self.xp.max(x, axis=dim, keepdims=keepdim)

    def amin(self, x: Array, dim: Any, keepdim: bool) -> Array:
        return self.xp.min(x, axis=dim, keepdims=keepdim)

    def argmax(self, x: Array, dim: Any, keepdim: bool) -> Array:
        return self.xp.argmax(x, axis=dim, keepdims=keepdim)

    def argmin(self, x: Array, dim: Any, keepdim: bool) -> Array:
        return self.xp.argmin(x, axis=dim, keepdims=keepdim)

    def any(self, x: Array, dim: Any, keepdim: bool) -> Array:
        return self.xp.any(x, axis=dim, keepdims=keepdim)

    def all(self, x: Array, dim: Any, keepdim: bool) -> Array:
        return self.xp.all(x, axis=dim, keepdims=keepdim)

    def var(self, x: Array, correction: float, dim: Any, keepdim: bool) -> Array:
        return self.xp.var(x, axis=dim, keepdims=keepdim, **{self.variance_option: correction})

    def std(self, x: Array, correction: float, dim: Any, keepdim: bool) -> Array:
        return self.xp.std(x, axis=dim, keepdims=keepdim, **{self.variance_option: correction})

    def norm(self, x: Array, order: float, dim: Any, keepdim: bool) -> Array:
        size = self.xp.abs(x)
        if order == float("inf"):
            return self.xp.max(size, axis=dim, keepdims=keepdim)
        if order == -float("inf"):
            return self.xp.min(size, axis=dim, keepdims=keepdim)
        if order == 0:
            return self.xp.sum((size != 0).astype(size.dtype), axis=dim, keepdims=keepdim)
        if order == 2:
            return self.xp.sqrt(self.xp.sum(size * size, axis=dim, keepdims=keepdim))
        return self.xp.sum(size**order, axis=dim, keepdims=keepdim) ** (1 / order)

    def logsumexp(self, x: Array, dim: Any, keepdim: bool) -> Array:
        return self.special.logsumexp(x, axis=dim, keepdims=keepdim)

    def softmax(self, x: Array, dim: int) -> Array:
        return self.special.softmax(x, axis=dim)

    def log_softmax(self, x: Array, dim: int) -> Array:
        return self.special.log_softmax(x, axis=dim)

    def cumsum(self, x: Array, dim: int) -> Array:
        return self.xp.cumsum(x, axis=dim)

    def cumprod(self, x: Array, dim: int) -> Array:
        return self.xp.cumprod(x, axis=dim)

    def roll(self, x: Array, shifts: Any, dims: Any) -> Array:
        return self.xp.roll(x, shifts, dims)

    def flip(self, x: Array, dims: Any) -> Array:
        return self.xp.flip(x, dims)

    def argsort(self, x: Array, dim: int, descending: bool) -> Array:
        return self.xp.argsort(-x if descending else x, axis=dim, kind="stable")

    def sort(self, x: Array, dim: int, descending: bool) -> Array:
        return self.gather(x, self.argsort(x, dim, descending), dim)

    def gather(self, x: Array, index: Array, dim: int) -> Array:
        return self.xp.take_along_axis(x, index, axis=dim)

    def places(self, index: Array, dim: int) -> tuple[Array, ...]:
        """Indices of all axes, of which `index` is the one of axis `dim`."""
        grid = list(self.xp.indices(index.shape, sparse=True))
        grid[dim] = index
        return tuple(grid)

    def along(self, dim: int, step: Any) -> tuple[Any, ...]:
        """An index that applies `step` to one axis, counted from the last."""
        return (..., step, *[slice(None)] * (-dim - 1))

    def slice(self, x: Array, start: int, end: int, dim: int, step: int) -> Array:
        return x[self.along(dim, slice(start, end, step))]

    def select(self, x: Array, index: int, dim: int) -> Array:
        return x[self.along(dim, index)]

    def coefficient(self, vector: Any, index: int) -> Array:
        return vector[index]

    def cat(self, *values: Array, dim: int) -> Array:
        return self.xp.concatenate(values, axis=dim)

    def unsqueeze(self, x: Array, dim: int) -> Array:
        return self.xp.expand_dims(x, dim)

    def squeeze(self, x: Array, dim: int) -> Array:
        return self.xp.squeeze(x, dim)

    def transpose(self, x: Array, dim0: int, dim1: int) -> Array:
        return self.xp.swapaxes(x, dim0, dim1)

    def expand(self, x: Any, shape: tuple[int, ...], like: Array) -> Array:
        return self.xp.broadcast_to(x if hasattr(x, "dtype") else self.xp.asarray(x, like.dtype), shape)

    def view(self, x: Array, shape: tuple[int, ...], like: Array) -> Array:
        return self.xp.reshape(x, shape)

    def arange(self, start: int, end: int, step: int, like: Array) -> Array:
        return self.xp.arange(start, end, step)

    def rfft(self, x: Array, dim: tuple[int, ...], norm: int) -> Array:
        return self.xp.fft.rfftn(x, axes=dim, norm=_NORMS[norm])

    def irfft(self, x: Array, length: int, dim: tuple[int, ...], norm: int) -> Array:
        for axis in dim[:-1]:
            x = self.xp.fft.ifft(x, axis=axis, norm=_NORMS[2 - norm])
        return self.xp.fft.irfft(x, n=length, axis=dim[-1], norm=_NORMS[2 - norm])

    def fft(self, x: Array, dim: tuple[int, ...], norm: int, forward: bool) -> Array:
        fft = self.xp.fft
        return fft.fftn(x, axes=dim, norm=_NORMS[norm]) if forward else fft.ifftn(x, axes=dim, norm=_NORMS[2 - norm])
