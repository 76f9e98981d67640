"""What is known of one activation: definition, facts, and its scores in the records."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.compare import make_boards
from bench.records import Record
from bench.store import LOCAL, Store
from bench.tables import count_of, markdown, signed, with_spread

if TYPE_CHECKING:
    from activations import Activation
    from activations.facts import Shape


def card(activation: Activation, results: Path) -> str:
    """The card as Markdown.

    Raises:
        activations.TraceError: the function cannot be traced.
    """
    published = Store(results).load(curves=False).records
    local = Store(results / LOCAL).load(curves=False).records
    parts = [
        "\n".join(_definition(activation)),
        _scores("Published scores", activation.graph.hash, published),
        _scores("Your own scores", activation.graph.hash, local),
        f"## Source\n\n```python\n{textwrap.dedent(activation.source).strip()}\n```",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _definition(activation: Activation) -> Iterator[str]:
    from activations.facts import facts

    known = facts(activation)
    yield f"# {activation.name}\n"
    yield f"* formula: {activation.formula}"
    yield f"* LaTeX: {known.latex}"
    yield f"* reference: {activation.reference or 'unpublished'}"
    mined_on = f"; its data chose it: {', '.join(activation.mined_on)}" if activation.mined_on else ""
    yield f"* origin: {activation.origin}{mined_on}"
    if activation.aliases:
        yield f"* also called: {', '.join(activation.aliases)}"
    place = "pointwise" if known.pointwise else "not pointwise: an element of the output depends on others of the input"
    yield f"* {place}"
    yield f"* {count_of(known.flops, 'floating-point operation')} an element"
    for parameter in known.parameters:
        yield f"* learns {parameter.name}, from {parameter.initial}, one per {parameter.per}"
    yield f"* graph: {known.hash}"
    if known.shape is not None:
        yield from _shape(known.shape)


def _shape(shape: Shape) -> Iterator[str]:
    yield f"* value at 0: {shape.value_at_0:.6g}, slope at 0: {shape.slope_at_0:.6g}"
    yield f"* {'monotone' if shape.monotone else 'not monotone'}, range {shape.lower:.6g} to {shape.upper:.6g}"
    yield f"* under N(0, 1): mean {shape.mean:.4f}, second moment {shape.second_moment:.4f}"


def _scores(title: str, graph: str, records: Sequence[Record]) -> str:
    """A table of this function's scores; empty where there are none."""
    rows = []
    for board in make_boards(records):
        for table in board.tables:
            metric = table.task.metric
            for row in table.rows:
                if row.records[0].activation.graph_hash != graph:
                    continue
                score = with_spread(row.score, metric) if row.score else "failed"
                difference = signed(row.difference, metric) if row.difference else ""
                rows.append([board.profile, f"{table.task.name} ({metric.unit})", score, difference])
    if not rows:
        return ""
    return f"## {title}\n\n{markdown(['profile', 'task', 'score', 'difference to ReLU'], rows)}".rstrip()
