# ruff: noqa: D102 - the table of operations says what each row is
"""NumPy's side of the table of operations, for float64: what a row's `numpy` column may name."""

from __future__ import annotations

import operator  # noqa: F401 - rows name it
from typing import Any

import numpy as np
import scipy.special as sp

from activations.backend_arrays import Array, ArrayRows


class NumpyRows(ArrayRows):
    """Rows that NumPy spells in its own way."""

    def pow(self, x: Any, exponent: Any) -> Array:
        return np.power(x, exponent)

    def rsqrt(self, x: Array) -> Array:
        return 1 / np.sqrt(x)

    def sigmoid(self, x: Array) -> Array:
        return sp.expit(x)

    def to_complex(self, x: Array) -> Array:
        return np.asarray(x, np.complex128)

    def complex(self, a: Any, b: Any) -> Array:
        """The parts are set, not added: adding `1j * b` would make NaN of infinite parts."""
        out = np.empty(np.broadcast_shapes(np.shape(a), np.shape(b)), np.complex128)
        out.real, out.imag = a, b
        return out

    def scatter(self, x: Array, index: Array, source: Any, dim: int) -> Array:
        out = np.array(x)
        out[self.places(index, dim)] = source
        return out

    def scatter_add(self, x: Array, index: Array, source: Array, dim: int) -> Array:
        out = np.array(x)
        np.add.at(out, self.places(index, dim), source)
        return out

    def slice_scatter(self, x: Array, source: Array, start: int, end: int, dim: int, step: int) -> Array:
        out = np.array(x)
        out[self.along(dim, slice(start, end, step))] = source
        return out

    def select_scatter(self, x: Array, source: Array, index: int, dim: int) -> Array:
        out = np.array(x)
        out[self.along(dim, index)] = source
        return out


ROWS = NumpyRows(np, sp, "ddof")
