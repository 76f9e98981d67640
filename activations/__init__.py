"""Activation functions as data: one definition, every framework, known facts.

An author writes a plain torch function of one tensor; it is traced once into a graph of known operations. All else is
made from the graph: a torch module, a jax function, a float64 NumPy reference, LaTeX, FLOPs, a hash that names the
function however it was written.

    from activations import get, register

    get("gelu").module()                     # a torch.nn.Module for one site of a network
    get("gelu").jax()                        # the same function for jax

    @register("gelu-sine", formula="gelu(x) + 0.1 * sin(x)", reference="arXiv 2602.05688")
    def gelu_sine(x):
        return F.gelu(x) + 0.1 * torch.sin(x)

Reading order: `registry` (names), `graph` (the data), `trace` and `ops` (how it is made), `to_torch`, `to_jax`,
`to_numpy`, `to_latex` (the forms), `inject` (into a network), `fused` (fast there), `builtin` (the catalogue).
Importing this package imports neither torch nor jax.
"""

from activations.expression import ExpressionError, from_source
from activations.fused import Fusing, fuse
from activations.graph import Graph, GraphError, Parameter
from activations.inject import Injection, InjectionError, confirm_executed, inject
from activations.plugins import PluginError, load_plugin
from activations.registry import Activation, RegistryError, UnknownActivation, add, get, names, register
from activations.trace import TraceError

__all__ = [
    "Activation",
    "ExpressionError",
    "Fusing",
    "Graph",
    "GraphError",
    "Injection",
    "InjectionError",
    "Parameter",
    "PluginError",
    "RegistryError",
    "TraceError",
    "UnknownActivation",
    "add",
    "confirm_executed",
    "from_source",
    "fuse",
    "get",
    "inject",
    "load_plugin",
    "names",
    "register",
]
