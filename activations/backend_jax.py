# ruff: noqa: D102 - the table of operations says what each row is
"""jax.numpy's side of the table of operations: what a row's `jax` column may name. Imported when a JAX form is made."""

from __future__ import annotations

import operator  # noqa: F401 - rows name it
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.special as jsp
from jax import lax

from activations.backend_arrays import Array, ArrayRows

_SPECIAL = SimpleNamespace(
    erf=jsp.erf, logsumexp=jsp.logsumexp, softmax=jax.nn.softmax, log_softmax=jax.nn.log_softmax
)  # fmt: skip


class JaxRows(ArrayRows):
    """Rows that JAX spells in its own way: its arrays cannot be written to."""

    def pow(self, x: Any, exponent: Any) -> Array:
        """Whole powers by multiplication, as torch does: exact signs and no logarithm."""
        if isinstance(exponent, int | float) and float(exponent).is_integer() and abs(exponent) <= 64:
            return lax.integer_pow(x, int(exponent))
        return jnp.power(x, exponent)

    def sigmoid(self, x: Array) -> Array:
        return jax.nn.sigmoid(x)

    def to_complex(self, x: Array) -> Array:
        return lax.complex(x, jnp.zeros_like(x))

    def complex(self, a: Any, b: Any) -> Array:
        like = a if hasattr(a, "dtype") else b
        return lax.complex(*jnp.broadcast_arrays(jnp.asarray(a, like.dtype), jnp.asarray(b, like.dtype)))

    def argsort(self, x: Array, dim: int, descending: bool) -> Array:
        return jnp.argsort(x, axis=dim, descending=descending, stable=True)

    def scatter(self, x: Array, index: Array, source: Any, dim: int) -> Array:
        return x.at[self.places(index, dim)].set(source)

    def scatter_add(self, x: Array, index: Array, source: Array, dim: int) -> Array:
        return x.at[self.places(index, dim)].add(source)

    def slice_scatter(self, x: Array, source: Array, start: int, end: int, dim: int, step: int) -> Array:
        return x.at[self.along(dim, slice(start, end, step))].set(source)

    def select_scatter(self, x: Array, source: Array, index: int, dim: int) -> Array:
        return x.at[self.along(dim, index)].set(source)


ROWS = JaxRows(jnp, _SPECIAL, "correction")
