"""The JAX form of a graph: a function for jit, grad, vmap and scan, with torch's own derivative."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from activations.codegen import compile_graph
from activations.graph import Graph
from activations.trace import gather_spread, trace_derivative


@lru_cache(maxsize=1024)
def to_jax(graph: Graph) -> Callable[..., Any]:
    """The graph as `function(x, **parameters)`; x is a floating jax array, the result has its shape and dtype.

    Per-channel parameters have the shape of x's last axis (a vector of k coefficients: `(k, channels)`); per-site
    ones are scalars (or `(k,)`); one that is not given keeps its initial value. Half-precision x is computed in
    float32 and rounded once. Gradients are those of torch's autograd, subgradients included; forward-mode
    differentiation is not defined.
    """
    import jax
    import jax.numpy as jnp

    run = compile_graph(graph, "jax")

    @jax.custom_vjp
    def apply(x: Any, flat: tuple[Any, ...]) -> Any:
        return run(x, *gather_spread(graph, flat))

    def forward(x: Any, flat: tuple[Any, ...]) -> Any:
        return apply(x, flat), (x, flat)

    def backward(saved: Any, cotangent: Any) -> Any:
        x, flat = saved
        derivative = compile_graph(trace_derivative(graph), "jax")
        spread = [jnp.broadcast_to(value, x.shape) for value in flat]
        found = derivative(x, cotangent, *spread)
        by_x, *by_flat = found if isinstance(found, tuple) else (found,)
        return by_x, tuple(_reduce_to(g, value.shape) for g, value in zip(by_flat, flat, strict=True))

    apply.defvjp(forward, backward)

    def activation(x: Any, **parameters: Any) -> Any:
        unknown = set(parameters) - {p.name for p in graph.parameters}
        if unknown:
            raise TypeError(
                f"the activation has no parameter {sorted(unknown)[0]!r}; it has {[p.name for p in graph.parameters]}."
            )
        x = jnp.asarray(x)
        wide = x.astype(jnp.float32) if x.dtype in (jnp.float16, jnp.bfloat16) else x
        flat: list[Any] = []
        for p in graph.parameters:
            value = jnp.asarray(parameters.get(p.name, p.initial), wide.dtype)
            flat += [value[i] for i in range(len(p.initial))] if isinstance(p.initial, tuple) else [value]
        return apply(wide, tuple(flat)).astype(x.dtype)

    return activation


def _reduce_to(gradient: Any, shape: tuple[int, ...]) -> Any:
    """Sum a gradient of x's shape over the axes along which the parameter was spread."""
    lead = gradient.ndim - len(shape)
    gradient = gradient.sum(axis=tuple(range(lead)))
    stretched = tuple(axis for axis, length in enumerate(shape) if length == 1 and gradient.shape[axis] != 1)
    return gradient.sum(axis=stretched, keepdims=True) if stretched else gradient
