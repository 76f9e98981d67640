"""From a graph to Python source, the same for every framework: only the namespace of operations differs.

The source holds nothing but names of rows, names of values, numbers and sizes, all checked when the graph was made.
"""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal

from activations.graph import Attribute, Graph, Input, Node, Shape, Size
from activations.ops import OPS

Backend = Literal["torch", "jax", "numpy"]


def write_source(graph: Graph) -> str:
    """`def forward(x, *parameters)`, one line a node; values are dropped after their last use to free memory."""
    arguments = [*graph.inputs, *(p.name for p in graph.parameters)]
    last_use = {
        value: index for index, node in enumerate(graph.nodes) for value in node.inputs if isinstance(value, str)
    }
    lines = [f"def forward({', '.join(arguments)}):"]
    for index, node in enumerate(graph.nodes):
        lines.append(f"    v{index} = {_call(node)}")
        done = [v for v, last in last_use.items() if last == index and v not in (*arguments, *graph.outputs)]
        if done:
            lines.append(f"    del {', '.join(done)}")
    outputs = ", ".join(graph.outputs)
    lines.append(f"    return {outputs if len(graph.outputs) == 1 else f'({outputs})'}")
    return "\n".join(lines) + "\n"


@lru_cache(maxsize=1024)
def compile_graph(graph: Graph, backend: Backend) -> Callable[..., Any]:
    """The graph as a function of (x, parameters in order) in one framework, in the dtype of x throughout."""
    namespace: dict[str, Any] = {"_prod": math.prod, "inf": math.inf, "nan": math.nan, "max": max, "min": min}
    for name in {node.op for node in graph.nodes}:
        namespace[f"_{name}"] = implementation(name, backend)
    source = write_source(graph)
    exec(compile(source, f"<graph {graph.outputs[0]} of {len(graph.nodes)} nodes>", "exec"), namespace)
    function: Callable[..., Any] = namespace["forward"]
    return function


@lru_cache(maxsize=1024)
def implementation(op: str, backend: Backend) -> Callable[..., Any]:
    """What a row's column for this framework names: in the backend's module, or a method of its `ROWS`."""
    module = importlib.import_module(f"activations.backend_{backend}")
    expression = getattr(OPS[op], backend)
    found = getattr(getattr(module, "ROWS", None), expression, None)
    function: Callable[..., Any] = found or eval(expression, vars(module))  # an expression of our own table
    return function


def _call(node: Node) -> str:
    arguments = [_input(i) for i in node.inputs]
    arguments += [f"{name}={_attribute(value)}" for name, value in node.attributes]
    if OPS[node.op].like:
        arguments.append("like=x")
    return f"_{node.op}({', '.join(arguments)})"


def _input(value: Input) -> str:
    if isinstance(value, Size):
        return f"({_size(value)})"
    return value if isinstance(value, str) else repr(value)


def _attribute(value: Attribute) -> str:
    if isinstance(value, Shape):
        head = [] if value.drop is None else [f"*x.shape[:x.ndim - {value.drop}]"]
        return f"({''.join(part + ', ' for part in [*head, *map(_attribute, value.tail)])})"
    if isinstance(value, Size):
        return _size(value)
    if isinstance(value, tuple):
        return f"({''.join(_attribute(v) + ', ' for v in value)})"
    return repr(value)


def _size(size: Size) -> str:
    text = re.sub(r"\bn(\d)\b", r"x.shape[-\1]", size.expression)
    return re.sub(r"\bnumel\b", "_prod(x.shape)", text)
