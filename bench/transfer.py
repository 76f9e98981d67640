"""Does a function that is good here do well there: rank correlations between tasks, and what picking on one costs.

The orders are those of the log-ratios to ReLU; the noise of few seeds pulls every correlation towards 0.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from bench.compare import BASELINE, LAB, Board, TaskTable
from bench.inference import Correlation, kendall
from bench.overall import log_ratios


@dataclass(frozen=True)
class Pick:
    """The function that is best by some tasks, and what became of it on others."""

    picked_on: str
    """A task, the lab as a whole, or `all but` one task of the field."""
    function: str
    tasks: int
    """Tasks on which it is judged: all others of the field, or the one left out."""
    gain: float
    """Its mean log-ratio to ReLU there; families weigh the same."""
    best: str
    """The function that is best there."""
    regret: float
    """How far it lies behind that one there, in log-ratio; 0 where it is the best one."""
    worst: tuple[str, float]
    """The task on which it lies farthest behind ReLU, or least far before it, and its log-ratio there."""


@dataclass(frozen=True)
class Kind:
    """Lab and field side by side for one function or a group of them."""

    name: str
    pointwise: bool
    functions: int
    lab: float
    """Log-ratio to ReLU; of a group the median."""
    field: float


@dataclass(frozen=True)
class Transfer:
    """What the board says about transfer; built from the activations that are complete on every task that counts."""

    functions: int
    """Activations, ReLU among them; tasks on which ReLU is no better than a guess are left out."""
    between: Mapping[tuple[str, str], Correlation]
    """Every pair of tasks, and of families by their means where there are several (`family lab`)."""
    picked_on_one: tuple[Pick, ...]
    left_one_out: tuple[Pick, ...]
    kinds: tuple[Kind, ...]
    """Every function that is not pointwise, and the median of the pointwise ones; empty without lab and field."""


def transfer(board: Board) -> Transfer | None:
    """The transfer report of a board; None below two tasks or three functions."""
    labels = [label for label in board.labels if not board.gaps(label)]
    tables = [table for table in board.core if not at_chance(table)]
    if BASELINE not in labels or len(labels) < 3 or len(tables) < 2:
        return None
    gains = {table.task.name: _gains(table, labels) for table in tables}
    families: dict[str, list[str]] = defaultdict(list)
    for table in tables:
        families[table.task.family].append(table.task.name)
    orders = {**gains, **(_families(gains, families, labels) if len(families) > 1 else {})}
    lab, kinds = families.get(LAB, []), {table.task.name: table.task.family for table in tables}
    field = [task for task in gains if task not in lab] or lab
    return Transfer(
        functions=len(labels),
        between=_correlations(orders, families, labels),
        picked_on_one=tuple(_picks(gains, lab, field, kinds)),
        left_one_out=tuple(
            _pick(f"all but {task}", [other for other in field if other != task], [task], gains, kinds)
            for task in field
        )
        if len(field) > 1
        else (),
        kinds=tuple(_kinds(board, gains, families, labels)),
    )


def at_chance(table: TaskTable) -> bool:
    """Whether nothing can be divided by ReLU's skill on this task."""
    if BASELINE not in table.by_label or not table.by_label[BASELINE].scores:
        return True
    ratio, _, _ = log_ratios(table, [BASELINE])
    return math.isnan(ratio[0, 0])


Gains = Mapping[str, Mapping[str, float]]
"""Log-ratio to ReLU by task and activation; −inf for what is no better than a guess."""


def _gains(table: TaskTable, labels: Sequence[str]) -> dict[str, float]:
    ratio, _, _ = log_ratios(table, labels)
    column = ratio[:, labels.index(BASELINE)]
    return {
        label: float(value) if math.isfinite(value) else -math.inf for label, value in zip(labels, column, strict=True)
    }


def _families(
    gains: Gains, families: Mapping[str, Sequence[str]], labels: Sequence[str]
) -> dict[str, dict[str, float]]:
    """The mean of each family, and of everything that is not the lab (`field`)."""
    found = {f"family {family}": _mean(gains, tasks, labels) for family, tasks in families.items()}
    field = [found[f"family {family}"] for family in families if family != LAB]
    if LAB in families and field:
        found["field"] = {label: statistics.fmean(one[label] for one in field) for label in labels}
    return found


def _mean(gains: Gains, tasks: Sequence[str], labels: Sequence[str]) -> dict[str, float]:
    return {label: statistics.fmean(gains[task][label] for task in tasks) for label in labels}


def _over_families(
    gains: Gains, tasks: Sequence[str], kinds: Mapping[str, str], labels: Sequence[str]
) -> dict[str, float]:
    """Mean over the tasks of a family, then over families."""
    families = list(dict.fromkeys(kinds[task] for task in tasks))
    means = [_mean(gains, [task for task in tasks if kinds[task] == family], labels) for family in families]
    return {label: statistics.fmean(mean[label] for mean in means) for label in labels}


def _correlations(
    orders: Gains, families: Mapping[str, Sequence[str]], labels: Sequence[str]
) -> dict[tuple[str, str], Correlation]:
    """Kendall's tau of every pair of tasks, of every pair of families, and of lab and field."""
    tasks = [name for held in families.values() for name in held]
    groups = [name for name in orders if name.startswith("family ")]
    pairs = [*combinations(tasks, 2), *combinations(groups, 2)]
    if "field" in orders:
        pairs.append((f"family {LAB}", "field"))
    return {
        (a, b): kendall([orders[a][label] for label in labels], [orders[b][label] for label in labels])
        for a, b in pairs
    }


def _picks(gains: Gains, lab: Sequence[str], field: Sequence[str], kinds: Mapping[str, str]) -> Iterator[Pick]:
    """Picked on the lab as a whole and on each task; judged on the other tasks of the field, which the lab is not."""
    if lab and field != lab:
        yield _pick("the lab", lab, field, gains, kinds)
    for task in gains:
        others = [other for other in field if other != task]
        if others:
            yield _pick(task, [task], others, gains, kinds)


def _pick(picked_on: str, by: Sequence[str], judged_on: Sequence[str], gains: Gains, kinds: Mapping[str, str]) -> Pick:
    """Take the best function by some tasks, ties by name, and see how it does on others; families weigh the same."""
    labels = sorted(gains[by[0]])
    here, there = (_over_families(gains, tasks, kinds, labels) for tasks in (by, judged_on))
    chosen = max(labels, key=lambda label: here[label])
    best = max(labels, key=lambda label: (there[label], label == chosen))
    worst = min(judged_on, key=lambda task: gains[task][chosen])
    regret = there[best] - there[chosen] if best != chosen else 0.0
    return Pick(picked_on, chosen, len(judged_on), there[chosen], best, regret, (worst, gains[worst][chosen]))


def _kinds(board: Board, gains: Gains, families: Mapping[str, Sequence[str]], labels: Sequence[str]) -> list[Kind]:
    means = _families(gains, families, labels)
    if "field" not in means:
        return []
    lab, field = means[f"family {LAB}"], means["field"]
    pointwise = {label: board.core[0].by_label[label].records[0].activation.pointwise for label in labels}
    plain = [label for label in labels if pointwise[label] and label != BASELINE]
    found = [Kind(label, False, 1, lab[label], field[label]) for label in labels if not pointwise[label]]
    if plain:
        middle = (statistics.median(one[label] for label in plain) for one in (lab, field))
        found.append(Kind("pointwise functions, median", True, len(plain), *middle))
    return found
