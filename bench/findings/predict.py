"""Question 3: does the order of the functions in the lab predict their order in the field?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.compare import BASELINE, LAB, Board, TaskTable, make_table
from bench.inference import FEWEST_FUNCTIONS, FEWEST_PAIRS, Correlation, Estimate, kendall
from bench.overall import Means
from bench.transfer import at_chance


@dataclass(frozen=True)
class Standing:
    """One function, by its mean log-ratios to ReLU."""

    function: str
    lab: Estimate
    field: Estimate
    whole_lab: Estimate | None
    """The lab with the tasks on which few are better than the training mean; None where it lacks one of them, or where
    there are none."""


@dataclass(frozen=True)
class Prediction:
    """The answer of one board."""

    order: tuple[Standing, ...]
    """Best in the lab first."""
    tau: Correlation
    """Of the lab and the field."""
    weak: tuple[str, ...]
    """Tasks of the field that ReLU hardly learns: ratios to it are large, and weigh on the field."""
    without_weak: Correlation | None
    """Without these; None where there are none, or no others."""
    whole_lab: tuple[str, ...]
    """Tasks of the lab that do not count, since few are better there than the training mean, if functions enough for an
    interval were run on all of them."""
    with_whole_lab: Correlation | None
    """With these, over the functions that were run on them; None where there are none."""
    of_these: Correlation | None
    """Without these, over the same functions."""
    without: tuple[tuple[str, Correlation], ...]
    """Without one task of the lab or of the field, each in turn."""
    families: tuple[tuple[str, Correlation], ...]
    """Of the lab and each family of the field."""
    subsets: tuple[tuple[str, Correlation], ...]
    """Of the lab and the field, over some of the functions."""
    pick_without: tuple[tuple[str, Estimate], ...]
    """The lowest and the highest mean in the field of the best of the lab without one task, after the name of that
    task; nothing for ReLU, or where the field is one task."""
    pick_retuned: tuple[tuple[str, ...], Estimate] | None
    """The tasks of the field on which its learning rate and ReLU's were re-tuned, and its mean over the whole field
    with these; None where there are none."""
    halves: tuple[tuple[str, Correlation], ...]
    """Of the even and the odd seeds of the lab, and of the field: how much of an order half of the seeds repeats."""
    pairs: int
    """Of a function and ReLU, on the task that has the fewest."""
    learned: bool
    """Whether any task of the field is."""
    solved: bool
    """Whether on any task of the lab half of the functions are better than the training mean."""


def learned_tasks(board: Board) -> list[TaskTable]:
    """The tasks of the field that are learned, however many functions they met."""
    return [
        table
        for table in board.tables
        if table.task.family != LAB and not at_chance(table) and not board.hardly_learned(table)
    ]


def predict(board: Board, tuned: Board | None = None) -> Prediction | None:
    """The answer; None where lab and field do not share three functions that are complete on both.

    Args:
        board: what answers.
        tuned: the same profile with re-tuned learning rates; the best of the lab is held against it.
    """
    labels = [label for label in board.labels if not board.gaps(label)]
    tables = [table for table in board.core if not at_chance(table)]
    lab = [table for table in tables if table.task.family == LAB]
    field = [table for table in tables if table.task.family != LAB]
    in_lab, in_field = _means(lab, labels), _means(field, labels)
    names = [label for label in labels if label in in_lab and label in in_field]
    if len(names) < 3:
        return None

    strong = [table for table in field if table.learns(BASELINE)]
    unsolved = [table for table in board.common if table.task.family == LAB and table not in lab]
    met = [name for name in names if all(name in one.by_label and one.by_label[name].scores for one in unsolved)]
    in_whole_lab = _means([*lab, *unsolved], met) if unsolved and len(met) >= FEWEST_FUNCTIONS else {}
    families = dict.fromkeys(table.task.family for table in field)
    field_without, lab_without = (_leave_one_out(place, names) for place in (field, lab))
    pairs = {
        name: min(row.difference.n for row in (table.by_label[name] for table in tables) if row.difference)
        for name in names
    }
    order = sorted(names, key=lambda name: (-in_lab[name].value, name))
    return Prediction(
        order=tuple(Standing(name, in_lab[name], in_field[name], in_whole_lab.get(name)) for name in order),
        tau=_tau(in_lab, in_field),
        weak=tuple(table.task.name for table in field if table not in strong),
        without_weak=_tau(in_lab, _means(strong, names)) if 0 < len(strong) < len(field) else None,
        whole_lab=tuple(table.task.name for table in unsolved if in_whole_lab),
        with_whole_lab=_tau(in_whole_lab, in_field) if in_whole_lab else None,
        of_these=_tau({name: in_lab[name] for name in in_whole_lab}, in_field) if in_whole_lab else None,
        without=(
            *((name, _tau(in_lab, rest)) for name, rest in field_without.items()),
            *((name, _tau(rest, in_field)) for name, rest in lab_without.items()),
        ),
        families=tuple(
            (name, _tau(in_lab, _means([one for one in field if one.task.family == name], names))) for name in families
        ),
        subsets=tuple(
            (name, _tau({one: in_lab[one] for one in some}, in_field))
            for name, some in _subsets(tables[0], pairs).items()
            if 2 < len(some) < len(names)
        ),
        pick_without=_pick_without(field_without, order[0]),
        pick_retuned=_pick_retuned(field, tuned, order[0]),
        halves=_halves({LAB: lab, "field": field}),
        pairs=min(pairs.values()),
        learned=not all(map(board.hardly_learned, field)),
        solved=not all(map(board.hardly_learned, lab)),
    )


def _means(tables: Sequence[TaskTable], labels: Sequence[str]) -> dict[str, Estimate]:
    """Mean log-ratio to ReLU of the functions that have one."""
    means = Means.of(tables, list(labels))
    found = {label: means.against(label) for label in labels} if means is not None else {}
    return {label: estimate for label, estimate in found.items() if estimate is not None}


def _tau(first: dict[str, Estimate], second: dict[str, Estimate]) -> Correlation:
    names = [name for name in first if name in second]
    return kendall([first[name].value for name in names], [second[name].value for name in names])


def _leave_one_out(tables: Sequence[TaskTable], labels: Sequence[str]) -> dict[str, dict[str, Estimate]]:
    """The means without each task in turn, by its name; nothing of a single task."""
    if len(tables) < 2:
        return {}
    return {one.task.name: _means([table for table in tables if table is not one], labels) for one in tables}


def _subsets(table: TaskTable, pairs: Mapping[str, int]) -> dict[str, list[str]]:
    """The functions that have so many pairs, without those of some kind, by what is left out.

    Args:
        table: one that holds all of them.
        pairs: with ReLU, on the task that has the fewest.
    """
    facts = {name: table.by_label[name].records[0].activation for name in pairs}
    return {
        "without mined functions": [name for name in pairs if not facts[name].mined_on],
        "without functions that are not pointwise": [name for name in pairs if facts[name].pointwise],
        f"functions with {FEWEST_PAIRS} pairs or more on every task": [
            name for name, count in pairs.items() if count >= FEWEST_PAIRS
        ],
    }


def _pick_without(field_without: Mapping[str, Mapping[str, Estimate]], name: str) -> tuple[tuple[str, Estimate], ...]:
    rests = [(task, means[name]) for task, means in field_without.items() if name in means]
    if name == BASELINE or not rests:
        return ()
    rests.sort(key=lambda rest: rest[1].value)
    return rests[0], rests[-1]


def _pick_retuned(
    field: Sequence[TaskTable], tuned: Board | None, name: str
) -> tuple[tuple[str, ...], Estimate] | None:
    both = (BASELINE, name)
    again = {
        table.task.name: table
        for table in (tuned.tables if tuned else ())
        if all(one in table.by_label and table.by_label[one].complete for one in both)
    }
    used = tuple(table.task.name for table in field if table.task.name in again)
    mean = _means([again.get(table.task.name, table) for table in field], both).get(name)
    return (used, mean) if used and mean and name != BASELINE else None


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
