"""Graphs written by the names of the rows, `mul(x, sigmoid(x))`: quicker than tracing."""

from __future__ import annotations

from typing import Any

from activations import Graph
from activations.ops import OPS
from mining.draft import Draft


def written(text: str) -> Graph:
    """The graph of calls of elementwise rows on x and numbers."""
    draft = Draft()

    def caller(op: str) -> Any:
        return lambda *inputs, **attributes: draft.add(op, *inputs, attributes=tuple(sorted(attributes.items())))

    return draft.finish(eval(text, {op: caller(op) for op in OPS} | {"x": "x"}))
