"""From a plain torch function to a graph: traced once, with symbolic sizes, at two ranks that must agree.

The author's code runs twice, inside a watch that refuses what a trace cannot carry (random numbers, branches on values,
numbers read out of a tensor), and never again; where the two graphs differ, it runs once or twice more to say why.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from activations.graph import Graph, GraphParameter, Parameter

_SHAPES = ((3, 5, 7), (2, 4, 6, 30))
"""Two ranks; no two sizes are equal within a shape, or the tracer would take two axes for one."""


class TraceError(ValueError):
    """A function that no graph can carry: one sentence that says what is wrong and what to write instead."""


def trace(function: Callable[..., Any]) -> Graph:
    """The graph of `function(x, **parameters)`, x one float tensor of any shape, whose result has the shape of x.

    Learnable parameters are keyword arguments whose default is a `Parameter`; other defaults are constants. Python's
    own control flow, helpers and loops run at tracing time and leave no mark. In-place operations become plain ones.
    Raises TraceError for an operation outside the table, random numbers, state, branching on the tensor's values or
    sizes, numbers read out of the tensor, a tensor from outside, a size or an axis counted from the front that is
    baked in, a changed shape, a Parameter that is not used, or a result that ignores x.
    """
    parameters = _read_signature(function)
    first, second = (_trace_at(function, parameters, shape) for shape in _SHAPES)
    if not _same(first, second):
        raise TraceError(_difference(lambda shape: _trace_at(function, parameters, shape), first))
    read = {*first.outputs, *(value for node in first.nodes for value in node.inputs if isinstance(value, str))}
    for p in parameters:
        if p.name not in read:
            raise TraceError(f"the Parameter {p.name!r} is declared and never used: use it or leave it out.")
    return first


def _same(first: Graph, second: Graph) -> bool:
    """Equality for which NaN equals NaN."""
    return first == second or first.to_json() == second.to_json()


def _difference(again: Callable[[tuple[int, ...]], Graph], first: Graph) -> str:
    """Why the graphs at the two ranks differ, told by tracing again at the first shape and at other sizes."""
    if not _same(first, again(_SHAPES[0])):
        return (
            "the function gives another graph each time that it runs: it draws random numbers outside torch or keeps "
            "state between calls; an activation depends on x and its parameters alone."
        )
    if not _same(first, again(_SHAPES[1][1:])):
        return (
            "the function bakes in a size or branches on one: its graphs for tensors of other sizes differ; read sizes "
            "from x.shape[-1] and compute with them in plain arithmetic (x.shape[-1] ** 0.5)."
        )
    return (
        "the function counts an axis from the front or depends on the number of axes: its graphs for tensors of 3 and "
        "4 axes differ; count axes from the last (dim=-1, x.shape[-1])."
    )


def _read_signature(function: Callable[..., Any]) -> tuple[GraphParameter, ...]:
    try:
        arguments = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return ()  # a built-in function of torch
    if not arguments or arguments[0].kind in (arguments[0].KEYWORD_ONLY, arguments[0].VAR_KEYWORD):
        raise TraceError("an activation takes one tensor as its first argument: def f(x, ...).")
    parameters = []
    for argument in arguments[1:]:
        if isinstance(argument.default, Parameter):
            parameters.append(GraphParameter(argument.name, argument.default.initial, argument.default.per))
        elif argument.default is argument.empty and argument.kind not in (
            argument.VAR_POSITIONAL,
            argument.VAR_KEYWORD,
        ):
            raise TraceError(f"the argument {argument.name!r} has no default: give it a Parameter or a number.")
    return tuple(parameters)


def _trace_at(function: Callable[..., Any], parameters: tuple[GraphParameter, ...], shape: tuple[int, ...]) -> Graph:
    import torch

    from activations.trace_fx import capture
    from activations.trace_reader import Reader

    names = [p.name for p in parameters]
    examples = [torch.linspace(-1.3, 1.7, math.prod(shape)).reshape(shape)]
    examples += [torch.tensor(p.initial) for p in parameters]

    def call(x: Any, *values: Any) -> Any:
        result = function(x.clone(), **dict(zip(names, values, strict=True)))
        if not isinstance(result, torch.Tensor):
            raise TraceError(f"an activation returns one tensor, not {type(result).__name__}.")
        if result.dtype == torch.bool or not (result.is_floating_point()):
            raise TraceError(
                f"an activation returns real floating-point numbers, not {result.dtype}.".replace("torch.", "")
            )
        if tuple(result.shape) != tuple(x.shape):
            was, now = (
                [int(length.node.hint) if hasattr(length, "node") else length for length in t.shape]
                for t in (x, result)
            )
            raise TraceError(f"an activation keeps the shape of x; {was} became {now}.")
        return result

    module = capture(call, examples)
    return Reader(module, ("x", *names), parameters).graph()


@lru_cache(maxsize=1024)
def trace_derivative(graph: Graph) -> Graph:
    """The vector-Jacobian product of a graph, as torch's own autograd takes it, subgradients included.

    Inputs: x, the cotangent (shape of x), then every parameter spread to the shape of x, coefficients of a vector one
    by one (`c__0`, `c__1`). Outputs: the gradients by x and by each of those spread parameters, each of the shape of
    x.
    """
    import torch

    from activations.codegen import compile_graph
    from activations.trace_fx import capture
    from activations.trace_reader import Reader

    forward = compile_graph(graph, "torch")
    names = spread_names(graph)

    def call(x: Any, cotangent: Any, *spread: Any) -> Any:
        def gathered(x: Any, *spread: Any) -> Any:
            return forward(x, *gather_spread(graph, spread))

        gradients = torch.func.vjp(gathered, x, *spread)[1](cotangent)
        return tuple(gradients)

    def traced(shape: tuple[int, ...]) -> Graph:
        module = capture(call, _derivative_examples(shape, len(names)), watch=False)
        return Reader(module, ("x", "cotangent", *names), ()).graph()

    first = traced(_SHAPES[0])
    if not first.pointwise and not _same(first, traced(_SHAPES[1])):
        raise TraceError("the derivative of the function depends on the number of axes, which a graph does not carry.")
    return first


def spread_names(graph: Graph) -> tuple[str, ...]:
    """Names of the derivative graph's parameter inputs."""
    names: list[str] = []
    for p in graph.parameters:
        names += [f"{p.name}__{i}" for i in range(len(p.initial))] if isinstance(p.initial, tuple) else [p.name]
    return tuple(names)


def gather_spread(graph: Graph, spread: Any) -> list[Any]:
    """One value for each parameter, a tuple for a vector, from the flat list that `spread_names` names."""
    values = iter(spread)
    return [
        tuple(next(values) for _ in p.initial) if isinstance(p.initial, tuple) else next(values)
        for p in graph.parameters
    ]


def _derivative_examples(shape: tuple[int, ...], parameters: int) -> list[Any]:
    import torch

    return [torch.linspace(-1.3, 1.7, math.prod(shape)).reshape(shape) for _ in range(2 + parameters)]
