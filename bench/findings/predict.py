"""Question 3: does the order of the functions in the lab predict their order in the field?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bench.compare import LAB, Board, TaskTable, make_table
from bench.inference import Correlation, Estimate, kendall
from bench.overall import Means
from bench.transfer import at_chance


@dataclass(frozen=True)
class Standing:
    """One function, by its mean log-ratios to ReLU."""

    function: str
    lab: Estimate
    field: Estimate


@dataclass(frozen=True)
class Prediction:
    """The answer of one board."""

    order: tuple[Standing, ...]
    """Best in the lab first."""
    weak: tuple[str, ...]
    """Tasks of the field on which ReLU hardly beats a guess; they are left out where there are others."""
    tau: Correlation
    """Of the lab and the field."""
    with_weak: Correlation | None
    """The same with the weak tasks, over the functions that are complete there, too; None where there are no weak
    tasks, or no others."""
    families: tuple[tuple[str, Correlation], ...]
    """Of the lab and each family of the field."""
    halves: tuple[tuple[str, Correlation], ...]
    """Of the even and the odd seeds of the lab, and of the field: how much of an order half of the seeds repeats."""
    pairs: int
    """Of a function and ReLU, on the task that has the fewest."""


def learned_tasks(board: Board) -> list[TaskTable]:
    """The tasks of the field on which ReLU does more than hardly beat a guess, however many functions they met."""
    return [
        table
        for table in board.tables
        if table.task.family != LAB and not at_chance(table) and not table.hardly_learned
    ]


def predict(board: Board) -> Prediction | None:
    """The answer; None where lab and field do not share three functions that are complete on both."""
    labels = [label for label in board.labels if not board.gaps(label)]
    tables = [table for table in board.core if not at_chance(table)]
    lab = [table for table in tables if table.task.family == LAB]
    field = [table for table in tables if table.task.family != LAB]
    weak = [
        table for table in board.common if table.task.family != LAB and table.hardly_learned and not at_chance(table)
    ]
    in_lab, in_field = _means(lab, labels), _means(field, labels)
    order = [
        Standing(label, in_lab[label], in_field[label]) for label in labels if label in in_lab and label in in_field
    ]
    if len(order) < 3:
        return None
    order.sort(key=lambda one: (-one.lab.value, one.function))
    names = [one.function for one in order]
    families = dict.fromkeys(table.task.family for table in field)
    by_family = {name: _means([table for table in field if table.task.family == name], names) for name in families}
    both = [name for name in names if all(name in table.by_label and table.by_label[name].complete for table in weak)]
    apart = bool(weak) and not any(table in field for table in weak)
    return Prediction(
        order=tuple(order),
        weak=tuple(table.task.name for table in weak),
        tau=_tau(in_lab, {name: in_field[name] for name in names}),
        with_weak=_tau(in_lab, _means([*field, *weak], both)) if apart else None,
        families=tuple((name, _tau(in_lab, means)) for name, means in by_family.items()),
        halves=_halves({LAB: lab, "field": field}),
        pairs=min(row.difference.n for table in tables for row in table.rows if row.label in names and row.difference),
    )


def _means(tables: Sequence[TaskTable], labels: Sequence[str]) -> dict[str, Estimate]:
    """Mean log-ratio to ReLU of the functions that have one."""
    means = Means.of(tables, list(labels))
    found = {label: means.against(label) for label in labels} if means is not None else {}
    return {label: estimate for label, estimate in found.items() if estimate is not None}


def _tau(first: dict[str, Estimate], second: dict[str, Estimate]) -> Correlation:
    names = [name for name in first if name in second]
    return kendall([first[name].value for name in names], [second[name].value for name in names])


def _halves(places: dict[str, Sequence[TaskTable]]) -> tuple[tuple[str, Correlation], ...]:
    found = []
    for place, tables in places.items():
        even, odd = (_half(tables, parity) for parity in (0, 1))
        if len(even.keys() & odd.keys()) > 2:
            found.append((place, _tau(even, odd)))
    return tuple(found)


def _half(tables: Sequence[TaskTable], parity: int) -> dict[str, Estimate]:
    """The means by the seeds of one parity, of the functions that have such ones on every task."""
    held = [[record for record in table.records if record.seed % 2 == parity] for table in tables]
    if not all(held):
        return {}
    halved = [make_table(records) for records in held]
    counted = Counter(row.label for table in halved for row in table.rows if row.complete)
    return _means(halved, [label for label, count in counted.items() if count == len(halved)])
