"""The NumPy form of a graph: the float64 reference against which the other forms are tested."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from activations.codegen import compile_graph
from activations.graph import Graph
from activations.trace import gather_spread, spread_names, trace_derivative

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class NumpyForm:
    """`form(x, **parameters)`: values in float64; `form.vjp(x, cotangent, **parameters)`: gradients in float64."""

    graph: Graph

    def __call__(self, x: ArrayLike, **parameters: ArrayLike) -> NDArray[np.float64]:
        """x: any shape; parameters as in the JAX form (per channel: the shape of x's last axis). Same shape out."""
        import numpy as np

        x = np.asarray(x, np.float64)
        with np.errstate(all="ignore"):
            result: NDArray[np.float64] = compile_graph(self.graph, "numpy")(
                x, *gather_spread(self.graph, self._flat(parameters))
            )
        return result

    def vjp(self, x: ArrayLike, cotangent: ArrayLike, **parameters: ArrayLike) -> dict[str, NDArray[np.float64]]:
        """Gradients of `(form(x) * cotangent).sum()` as torch's autograd takes them, by name.

        Keys: `x`, and the parameters (coefficients of a vector `c` as `c__0`, `c__1`), each element's share apart: of
        x's shape.
        """
        import numpy as np

        x = np.asarray(x, np.float64)
        spread = [np.broadcast_to(value, x.shape) for value in self._flat(parameters)]
        with np.errstate(all="ignore"):
            found = compile_graph(trace_derivative(self.graph), "numpy")(x, np.asarray(cotangent, np.float64), *spread)
        gradients = found if isinstance(found, tuple) else (found,)
        return {
            name: np.broadcast_to(g, x.shape)
            for name, g in zip(("x", *spread_names(self.graph)), gradients, strict=True)
        }

    def _flat(self, parameters: dict[str, Any]) -> list[Any]:
        import numpy as np

        unknown = set(parameters) - {p.name for p in self.graph.parameters}
        if unknown:
            raise TypeError(f"the activation has no parameter {sorted(unknown)[0]!r}.")
        flat: list[Any] = []
        for p in self.graph.parameters:
            value = np.asarray(parameters.get(p.name, p.initial), np.float64)
            flat += list(value) if isinstance(p.initial, tuple) else [value]
        return flat


def to_numpy(graph: Graph) -> NumpyForm:
    """The graph as a float64 function of an array of any shape, with its gradients in `vjp`."""
    return NumpyForm(graph)
