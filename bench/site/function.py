"""What goes on the page of an activation: what it is, read off its recorded graph, and how it did on every task.

A record is all that is needed: the function may be registered nowhere. What its graph cannot tell, since a stranger's
may be damaged or may fail to run, is said in a sentence.
"""

from __future__ import annotations

import html
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING

from markupsafe import Markup

from bench import describe
from bench.evidence import Evidence
from bench.judge import Judgement, TaskJudgement
from bench.records import ActivationFacts, Record
from bench.site import pictures, words
from bench.site.assets import digest, file_name
from bench.site.cells import Cell, Column, Line, Table, minus
from bench.site.index import task_page
from bench.site.task import RESULTS, result
from bench.tables import count_of

if TYPE_CHECKING:
    from activations import Activation

MOST_NODES = 2_000
"""Operations of a graph above which nothing is computed from it: a record may come from anybody."""
CURVE = "The function f, its slope f′ and the slope of its slope f″, parameters at their initial values"


@dataclass(frozen=True)
class Function:
    """One activation, by its graph, and everything recorded of it."""

    label: str
    records: tuple[Record, ...]
    results: tuple[tuple[Evidence, TaskJudgement, Judgement], ...]

    @cached_property
    def record(self) -> Record:
        """The one whose text is shown: the newest."""
        return max(self.records, key=lambda record: (record.started_at, record.id))

    @cached_property
    def path(self) -> str:
        """Its page in the site."""
        known = self.record.activation
        return f"activations/{file_name(known.name, digest(known.graph_hash))}"


@dataclass(frozen=True)
class FunctionPage:
    """The page of an activation."""

    title: str
    warning: str
    """What is wrong with its graph."""
    formula: str
    mathml: Markup
    """Empty where there is none."""
    curve: Markup
    """SVG; empty for a function that is not pointwise."""
    curve_caption: str
    facts: Sequence[tuple[str, str]]
    lineage: str
    results: Table
    failures: Table | None
    source: str
    commands: Sequence[str]


def functions(boards: Sequence[Evidence], records: Sequence[Record]) -> dict[str, Function]:
    """Every activation of the records by the hash of its graph."""
    held: dict[str, list[Record]] = {}
    for record in records:
        held.setdefault(record.activation.graph_hash, []).append(record)
    results: dict[str, list[tuple[Evidence, TaskJudgement, Judgement]]] = {graph: [] for graph in held}
    for evidence in boards:
        for task in evidence.tasks:
            for judged in task.rows:
                results[judged.row.records[0].activation.graph_hash].append((evidence, task, judged))
    return {
        graph: Function(_label(results[graph], held[graph]), tuple(held[graph]), tuple(results[graph]))
        for graph in sorted(held)
    }


def _label(results: Sequence[tuple[Evidence, TaskJudgement, Judgement]], records: Sequence[Record]) -> str:
    """What the boards call it, the commonest name first; the records' own where it stands on none."""
    counted = Counter(judged.label for _, _, judged in results) or Counter(one.activation.name for one in records)
    return min(counted, key=lambda name: (-counted[name], name))


def function_view(function: Function) -> FunctionPage:
    """Everything that the page of an activation says."""
    known = function.record.activation
    drawn = _drawn(function.record)
    lines = [
        Line(
            [
                Cell(f"{evidence.board.profile}, {evidence.board.track}"),
                *result(task, judged, Cell(task.table.task.name, href=task_page(evidence, task))),
            ]
        )
        for evidence, task, judged in function.results
    ]
    columns = [Column("board", kind="text"), Column("task", kind="text"), *RESULTS[1:]]
    return FunctionPage(
        title=function.label,
        warning=drawn.warning,
        formula=known.formula,
        mathml=drawn.mathml,
        curve=drawn.curve,
        curve_caption=CURVE,
        facts=[*_told(function), *drawn.facts],
        lineage=_lineage(known),
        results=Table("results", "Results on every task", columns, lines, heading=1, sorted_by=None),
        failures=words.failures([record for record in function.records if record.score is None], "failures"),
        source=textwrap.dedent(known.source).strip() or "not recorded",
        commands=[
            describe.command(task.table, [judged.row])
            for evidence, task, judged in function.results
            if task.table in evidence.board.tables
        ],
    )


def _told(function: Function) -> Iterator[tuple[str, str]]:
    """What the records say of it."""
    known = function.record.activation
    names = sorted({record.activation.name for record in function.records})
    yield "Formula, as its author writes it", known.formula
    yield "Reference", known.reference or "unpublished"
    yield "Origin", known.origin or "not recorded"
    if known.mined_on:
        yield "Mined on", f"{', '.join(known.mined_on)}: its scores there are marked, since their data chose it"
    if names != [function.label]:
        yield "Recorded as", ", ".join(names)
    yield "Runs", f"{len(function.records):,}"


def _lineage(known: ActivationFacts) -> str:
    """How a search came to it, where it was promoted into the catalogue and its file tells."""
    from activations import UnknownActivation, get
    from bench.card import lineage

    try:
        registered = get(known.name)
    except UnknownActivation:
        return ""
    told = lineage(registered)
    return told if told and registered.graph.hash == known.graph_hash else ""


@dataclass(frozen=True)
class _Drawn:
    """What a graph tells."""

    warning: str = ""
    mathml: Markup = Markup("")  # noqa: RUF009 - immutable
    curve: Markup = Markup("")  # noqa: RUF009
    facts: tuple[tuple[str, str], ...] = ()


def _drawn(record: Record) -> _Drawn:
    from activations import Activation, Graph, GraphError
    from bench.card import equation

    known = record.activation
    recorded = (
        ("Pointwise", _pointwise(known.pointwise)),
        ("Cost", f"{known.flops:g} floating-point operations an element" if known.flops is not None else "unknown"),
        ("Hash", known.graph_hash),
    )
    nodes = known.graph.get("nodes")
    if isinstance(nodes, list) and len(nodes) > MOST_NODES:
        return _Drawn(f"Its graph has {len(nodes):,} operations: nothing was computed from it.", facts=recorded)
    try:
        graph = Graph.from_json(known.graph)
        if graph.hash != known.graph_hash:
            warning = f"These records hold another graph ({graph.hash}) than their hash names ({known.graph_hash})."
            return _Drawn(warning, facts=recorded)
        activation = Activation.from_graph(known.name, graph, known.formula)
        return _Drawn(
            mathml=mathml(equation(activation.latex)),
            curve=Markup(pictures.curve(graph)) if graph.pointwise else Markup(""),
            facts=tuple(_computed(activation)),
        )
    except GraphError as error:
        return _Drawn(f"Its graph cannot be read: {error}", facts=recorded)
    except Exception as error:  # a stranger's graph may be well formed and yet fail to run, in any way
        return _Drawn(f"Nothing could be computed from its graph ({type(error).__name__}).", facts=recorded)


def _pointwise(pointwise: bool) -> str:
    return "yes" if pointwise else "no: an element of the output depends on others of the input"


def _computed(activation: Activation) -> Iterator[tuple[str, str]]:
    """Facts as the suite computes them from the graph, whatever the record says."""
    from activations.facts import facts
    from bench.card import interval

    known = facts(activation)
    yield "Pointwise", _pointwise(known.pointwise)
    yield "Cost", f"{count_of(known.flops, 'floating-point operation')} an element"
    for parameter in known.parameters:
        yield "Learns", f"{parameter.name}, from {parameter.initial}, one per {parameter.per}"
    shape = known.shape
    if shape is not None:
        yield "At 0", minus(f"value {shape.value_at_0:.6g}, slope {shape.slope_at_0:.6g}")
        yield "Shape", minus(f"{'monotone' if shape.monotone else 'not monotone'}, range {interval(shape)}")
        yield "Under N(0, 1)", minus(f"mean {shape.mean:.4f}, second moment {shape.second_moment:.4f}")
    yield "LaTeX", known.latex
    yield "Hash", known.hash


@cache
def mathml(latex: str) -> Markup:
    """LaTeX as MathML; empty where the converter does not understand it.

    The converter's own writer takes escapes apart again, so that text could become markup: its tree is written anew.
    """
    from xml.etree import ElementTree

    from latex2mathml.converter import convert_to_element

    try:
        tree = convert_to_element(latex, display="block")
    except Exception:  # whatever it stumbles over, there is the plain formula
        return Markup("")
    for element in tree.iter():
        element.text, element.tail = html.unescape(element.text or ""), html.unescape(element.tail or "")
    return Markup(ElementTree.tostring(tree, encoding="unicode"))
