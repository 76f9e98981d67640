"""What is known of one activation: definition, facts, checks of its forms, ancestry, and its scores in the records."""

from __future__ import annotations

import inspect
import math
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.compare import TaskTable
from bench.evidence import Evidence, flat, gather
from bench.judge import Judgement
from bench.leaderboard_task import score_cell
from bench.store import LOCAL, Store
from bench.tables import count_of, digits, inert, markdown

if TYPE_CHECKING:
    from activations import Activation
    from activations.checks import Checks
    from activations.facts import ActivationFacts, Shape

SMALLEST_BOUND = -6
"""Differences of the forms are told as a power of ten, and never as a smaller one than this: below it lies the
rounding of float32, whose last digits depend on the processor."""


@dataclass(frozen=True)
class Portrait:
    """An activation with all that can be said of it without training."""

    activation: Activation
    facts: ActivationFacts
    checks: Checks


def portray(activation: Activation) -> Portrait:
    """Compute the facts and measure the forms; takes about a second.

    Raises:
        activations.TraceError: the function cannot be traced.
    """
    from activations.checks import check
    from activations.facts import facts

    return Portrait(activation, facts(activation), check(activation))


def card(activation: Activation, results: Path) -> str:
    """The card as Markdown, with the scores of the published and of the local records.

    Raises:
        activations.TraceError: the function cannot be traced.
    """
    published = gather(Store(results).load(curves=False).records)
    local = gather(Store(results / LOCAL).load(curves=False).records)
    return write_card(portray(activation), published, local)


def write_card(
    portrait: Portrait, published: Sequence[Evidence], local: Sequence[Evidence] = (), picture: str = ""
) -> str:
    """The card as Markdown; `picture` is a line of Markdown that stands below the name."""
    graph = portrait.facts.hash
    ancestry = lineage(portrait.activation)
    parts = [
        f"# {portrait.activation.name}",
        picture,
        "\n".join(_definition(portrait.activation)),
        f"```math\n{equation(portrait.facts.latex)}\n```",
        "\n".join(["## Facts\n", *_facts(portrait)]),
        f"## Lineage\n\n{textwrap.indent(ancestry, '    ')}" if ancestry else "",
        _scores("Published scores", graph, published),
        _scores("Your own scores", graph, local),
        f"## Source\n\n{_block(textwrap.dedent(portrait.activation.source).strip())}",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def equation(latex: str) -> str:
    """LaTeX with a left-hand side; a long function defines its parts first and then has one already.

    Names of functions are set upright by hand: GitHub's pages refuse `operatorname`.
    """
    return (latex if "f(x) = " in latex else f"f(x) = {latex}").replace(r"\operatorname{", r"\mathrm{")


def interval(shape: Shape) -> str:
    """`0 to ∞`: the greatest lower and the least upper bound."""
    return f"{_number(shape.lower)} to {_number(shape.upper)}"


def code(text: str) -> str:
    """Text on one line that Markdown shows as it stands."""
    longest = _ticks(text)
    fence, room = "`" * (longest + 1), " " * bool(longest)
    return f"{fence}{room}{' '.join(text.split())}{room}{fence}"


def _block(source: str) -> str:
    fence = "`" * max(3, _ticks(source) + 1)
    return f"{fence}python\n{source}\n{fence}"


def _ticks(text: str) -> int:
    """The most backticks in a row: a fence has more of them than what it holds."""
    return max(map(len, re.findall("`+", text)), default=0)


def lineage(activation: Activation) -> str:
    """Run, ancestors and evidence of a promoted function, as its file tells them; empty where it tells none."""
    try:
        path = inspect.getsourcefile(inspect.unwrap(activation.function))
        text = Path(path or "").read_text(encoding="utf-8")
    except (OSError, TypeError):
        return ""
    blocks = re.findall(r"^(?:#.*\n)+", text, flags=re.MULTILINE)
    told = next((block for block in blocks if "# Lineage:\n" in block), "")
    return re.sub(r"^# ?", "", told, flags=re.MULTILINE).rstrip()


def _definition(activation: Activation) -> Iterator[str]:
    yield f"* formula: {code(activation.formula)}"
    yield f"* reference: {inert(activation.reference or 'unpublished')}"
    mined_on = f"; its data chose it: {', '.join(activation.mined_on)}" if activation.mined_on else ""
    yield f"* origin: {activation.origin}{mined_on}"
    if activation.aliases:
        yield f"* also called: {', '.join(activation.aliases)}"
    yield f"* graph: {activation.graph.hash}"


def _facts(portrait: Portrait) -> Iterator[str]:
    known = portrait.facts
    place = "pointwise" if known.pointwise else "not pointwise: an element of the output depends on others of the input"
    yield f"* {place}{'' if known.pointwise else ', so it has no curve'}"
    yield f"* {count_of(known.flops, 'floating-point operation')} an element"
    for parameter in known.parameters:
        yield f"* learns {parameter.name}, from {parameter.initial}, one per {parameter.per}"
    if known.parameters:
        yield "* the numbers below hold for these initial values"
    if known.shape is not None:
        yield from _shape(known.shape)
    yield from _checks(portrait.checks, known.pointwise)


def _shape(shape: Shape) -> Iterator[str]:
    yield f"* value at 0: {_number(shape.value_at_0)}, slope at 0: {_number(shape.slope_at_0)}"
    yield f"* {'monotone' if shape.monotone else 'not monotone'}, range {interval(shape)}"
    yield f"* Lipschitz constant {_steepness(shape)}"
    yield f"* under N(0, 1): mean {shape.mean:.4f}, second moment {shape.second_moment:.4f}"


def _steepness(shape: Shape) -> str:
    from activations.facts import FAR

    if shape.jump_at is not None:
        return f"∞: it jumps or stands upright near x = {shape.jump_at:.4g}"
    if math.isinf(shape.lipschitz):
        return "∞: the slope grows without bound"
    return f"{shape.lipschitz:.4g}: the steepest slope found on [-{FAR:.0e}, {FAR:.0e}]".replace("e+0", "e")


def _checks(checks: Checks, pointwise: bool) -> Iterator[str]:
    from activations.checks import REACH, SHAPE

    if checks.bfloat16 is not None:
        yield f"* bfloat16: value and gradient are finite {_reach(checks.bfloat16)}"
    places = f"on [-{REACH}, {REACH}] and at edge inputs" if pointwise else f"on a normal tensor of shape {SHAPE}"
    found = checks.agreement
    yield (
        f"* torch and JAX in float32 {places}: values differ by {_bound(found.value)}, gradients by "
        f"{_bound(found.gradient)}, relative to 1 + |y|"
    )


def _reach(largest: float) -> str:
    if math.isnan(largest):
        return "not even at 0"
    return "at all finite bfloat16 numbers" if math.isinf(largest) else f"up to |x| = {largest:.2g}".replace("e+", "e")


def _bound(difference: float) -> str:
    if math.isinf(difference):
        return "more than any number (one is finite where the other is not)"
    power = math.ceil(math.log10(difference)) if difference > 0 else SMALLEST_BOUND
    return f"at most 1e{max(power, SMALLEST_BOUND)}"


def _number(value: float) -> str:
    return f"{value:.6g}".replace("inf", "∞")


def _scores(title: str, graph: str, boards: Sequence[Evidence]) -> str:
    """A table of this function's scores and verdicts; empty where there are none."""
    rows = [
        [evidence.board.profile, *_score(judged, task.table)]
        for evidence in flat(boards)
        for task in evidence.own
        for judged in task.rows
        if judged.row.records[0].activation.graph_hash == graph
    ]
    head = ["profile", "task", "score", "difference to ReLU", "verdict"]
    return f"## {title}\n\n{markdown(head, rows)}".rstrip() if rows else ""


def _score(judged: Judgement, table: TaskTable) -> list[str]:
    metric = table.task.metric
    difference = judged.difference.text(digits(metric)) if judged.difference and judged.verdict else ""
    return [f"{table.task.name} ({metric.unit})", score_cell(judged.row, table), difference, judged.verdict or ""]
