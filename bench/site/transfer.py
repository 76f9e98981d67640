"""The report on transfer as tables: agreement between families, and what picking on one task costs."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bench import describe
from bench.evidence import Evidence
from bench.inference import Correlation
from bench.site.cells import MISSING, Cell, Column, Line, Table, minus, number, order
from bench.transfer import Kind, Pick


def transfer_tables(evidence: Evidence, place: str) -> list[Table]:
    """The tables of a board, each only where it has a row."""
    found = evidence.transfer
    if found is None:
        return []
    names = [Column("first", kind="text"), Column("second", kind="text")]
    columns = [*names, Column("tau", "Kendall's tau, 95 % interval", largest_first=True), Column("functions")]
    tables = [
        Table(
            f"{place}-agreement",
            "Do tasks, and families of tasks, agree on the order of functions? Kendall's tau and its 95 % interval",
            columns,
            [_correlation(first, second, one) for (first, second), one in reversed(list(found.between.items()))],
            sorted_by=None,
        ),
        _picks(
            f"{place}-picked", "The best function of one task, judged on the others of the field", found.picked_on_one
        ),
        _picks(f"{place}-left-out", "The best function of all tasks but one, judged on that one", found.left_one_out),
        _kinds(f"{place}-kinds", found.kinds),
    ]
    return [table for table in tables if table.lines]


def _correlation(first: str, second: str, one: Correlation) -> Line:
    known = not math.isnan(one.tau)
    tau = Cell(minus(str(one)), order(one.tau), kind="number") if known else Cell(MISSING, "", words="missing")
    names = [Cell(name) for name in (first, second)]
    return Line([*names, tau, number(one.n, "d")])


def _picks(id: str, caption: str, picks: Sequence[Pick]) -> Table:
    columns = [
        Column("picked on", kind="text"),
        Column("function", kind="text"),
        Column("tasks", "on which it is judged"),
        Column("gain there", "mean log-ratio to ReLU", largest_first=True),
        Column("best there", kind="text"),
        Column("regret", "log-ratio by which it lies behind the best one"),
        Column("worst task", "its smallest log-ratio to ReLU", "ordered", largest_first=True),
    ]
    lines = [
        Line(
            [
                Cell(pick.picked_on),
                Cell(pick.function),
                number(pick.tasks, "d"),
                number(pick.gain, "+.3f"),
                Cell(pick.best),
                number(pick.regret, ".3f"),
                Cell(f"{minus(f'{pick.worst[1]:+.3f}')} {pick.worst[0]}", order(pick.worst[1])),
            ]
        )
        for pick in picks
    ]
    return Table(id, caption, columns, lines, sorted_by=None)


def _kinds(id: str, kinds: Sequence[Kind]) -> Table:
    columns = [Column("function", kind="text"), Column("pointwise", kind="text"), Column("lab"), Column("field")]
    lines = [
        Line(
            [
                Cell(kind.name),
                Cell("yes" if kind.pointwise else "no"),
                number(kind.lab, "+.3f"),
                number(kind.field, "+.3f"),
            ]
        )
        for kind in kinds
    ]
    return Table(id, describe.KINDS, columns, lines, sorted_by=None)
