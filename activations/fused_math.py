"""Operations that inductor's kernels do better in other words: same function, to within 3 units in the last place.

On a CPU its vectorised expm1 is exp(x) - 1, which keeps no digit near 0; its cosine is 1 - 2^-24 near 0, of which the
slope of sinc makes an error of 1; its tanh takes several times as long as exp. On every device it takes x * 0 for 0,
NaN and infinite x included.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import FunctionType
from typing import Any

import torch
from torch import Tensor

from activations.codegen import compile_graph
from activations.graph import Graph, Input, Node

_SERIES = tuple(1 / math.factorial(power) for power in range(8, 0, -1))
"""Of (e^x - 1) / x, the highest power first; enough for float32 where x lies within a half of 0."""


def expm1(x: Tensor) -> Tensor:
    """e^x - 1 in float32."""
    series = torch.zeros_like(x)
    for coefficient in _SERIES:
        series = series * x + coefficient
    return torch.where(x.abs() < 0.5, series * x, torch.exp(x) - 1)


def tanh(x: Tensor) -> Tensor:
    """Hyperbolic tangent in float32, odd to the sign of 0."""
    fall = expm1(-2 * x.abs())
    return torch.copysign(fall / (-2 - fall), x)


def cos(x: Tensor) -> Tensor:
    """Cosine in float32, 1 near 0."""
    square = x * x
    return torch.where(x.abs() < 0.1, 1 - square * (0.5 - square * (1 / 24)), torch.cos(x))


def elu(x: Tensor, alpha: float, scale: float, input_scale: float) -> Tensor:
    """torch's elu, its three factors included."""
    return torch.where(x > 0, x * scale, expm1(x * input_scale) * (alpha * scale))


def mish(x: Tensor) -> Tensor:
    """x * tanh(log(1 + e^x)), which is x * k / (k + 2) for k = e^x * (e^x + 2); 1 beyond 20, as in torch's softplus."""
    power = torch.exp(x.clamp(max=20.0))
    k = power * (power + 2)
    return x * (k / (k + 2))


def mul(a: Any, b: Any) -> Any:
    """a * b, in which a whole number beside a floating tensor is written as a float."""
    for one, other in ((a, b), (b, a)):
        if isinstance(one, int) and isinstance(other, Tensor) and other.is_floating_point():
            return other * float(one)
    return a * b


_EVERYWHERE: dict[str, Any] = {"mul": mul}
_ON_CPU: dict[str, Any] = {"expm1": expm1, "tanh": tanh, "cos": cos, "elu": elu, "mish": mish}
"""Rows of the table of operations, by name."""


def lower(graph: Graph, device: torch.device) -> Callable[..., Any]:
    """The graph as a torch function to be compiled for a device."""
    on_cpu = device.type == "cpu"
    function = compile_graph(shorten(graph) if on_cpu else graph, "torch")
    assert isinstance(function, FunctionType)
    named = {f"_{name}": replacement for name, replacement in (_EVERYWHERE | (_ON_CPU if on_cpu else {})).items()}
    return FunctionType(function.__code__, function.__globals__ | named, function.__name__)


def shorten(graph: Graph) -> Graph:
    """tanh(log(1 + u)) for a positive u, as in mish and smish, is k / (k + 2) for k = u * (u + 2)."""
    nodes: list[Node] = []
    names: dict[str, str] = {}

    def add(op: str, *inputs: Input, attributes: Any = ()) -> str:
        nodes.append(Node(op, tuple(inputs), attributes))
        return f"v{len(nodes) - 1}"

    for index, node in enumerate(graph.nodes):
        inputs = [names.get(i, i) if isinstance(i, str) else i for i in node.inputs]
        u = _positive_below_log1p(graph, node)
        if u is None:
            names[f"v{index}"] = add(node.op, *inputs, attributes=node.attributes)
            continue
        bounded = add("clamp_max", names[u], 1e9)
        k = add("mul", bounded, add("add", bounded, 2))
        names[f"v{index}"] = add("div", k, add("add", k, 2))
    outputs = tuple(names.get(o, o) for o in graph.outputs)
    return Graph(tuple(nodes), outputs, graph.parameters, graph.inputs)


def _positive_below_log1p(graph: Graph, node: Node) -> str | None:
    """The value u where the node is tanh(log1p(u)) and u cannot be negative."""

    def maker(value: Input) -> Node | None:
        made = isinstance(value, str) and value not in (*graph.inputs, *(p.name for p in graph.parameters))
        return graph.nodes[int(str(value)[1:])] if made else None

    below = maker(node.inputs[0]) if node.op == "tanh" else None
    u = below.inputs[0] if below is not None and below.op == "log1p" else None
    source = maker(u) if u is not None else None
    return str(u) if source is not None and source.op in ("exp", "sigmoid") else None
