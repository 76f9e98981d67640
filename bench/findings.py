"""The questions that the suite was built for, answered from one board's records: the numbers behind docs/findings.md.

1. Do periodic perturbations of GELU beat ReLU and GELU out of distribution?
2. Do functions that look at statistics of a batch or of features collapse in the field?
3. Does the order in the lab predict the order in the field?

Each question corrects its own tests by Holm: it was asked before anybody looked. The leaderboard, where the reader
looks everywhere at once, corrects over everything, so a difference may be told here and not there.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from bench.compare import BASELINE, Board, Row, TaskTable, make_table, paired
from bench.describe import barely_learns, machine_of
from bench.evidence import Evidence
from bench.inference import ALPHA, FEWEST_PAIRS, Correlation, Estimate, half_width, holm, kendall, lower_tail
from bench.judge import student
from bench.overall import LAB, Means, log_ratios
from bench.records import Record

PERIODIC = ("gelu-sine", "gelu-sinc-perturbation")
"""GELU with a periodic perturbation, as "Mining Generalizable Activation Functions" (arXiv 2602.05688) names them."""
BASELINES = (BASELINE, "gelu")
OUTSIDE = ("molecules", "clrs30", LAB)
"""Families that are tested outside of what they were trained on: molecules with scaffolds that training never saw,
longer inputs of an algorithm, another range of inputs. Images are tested on more of the same."""
KEPT = 0.9
"""Share of ReLU's skill below which a function has collapsed on a task. Our choice."""


@dataclass(frozen=True)
class Contrast:
    """One function against another over the tasks of one place that are tested out of distribution."""

    function: str
    other: str
    place: str
    """`field` or `lab`."""
    mean: Estimate | None
    """Mean log-ratio, families weigh the same; None where a mean is no better than a guess."""
    p: float
    """Of the t test that it is 0, adjusted by Holm over all contrasts of the board; NaN below 5 pairs on some task."""
    tasks: tuple[tuple[TaskTable, Estimate, int], ...]
    """Each task's mean difference in scores, paired by seed, and the pairs."""

    @property
    def pairs(self) -> int:
        """On the task that has the fewest."""
        return min(pairs for _, _, pairs in self.tasks)

    @property
    def told(self) -> int:
        """+1 better beyond chance, −1 worse, 0 cannot be told."""
        return 0 if self.mean is None or not self.p < ALPHA else 1 if self.mean.value > 0 else -1


@dataclass(frozen=True)
class OutOfDistribution:
    """Question 1 on one board."""

    contrasts: tuple[Contrast, ...]
    left_out: tuple[str, ...]
    """Tasks that some of the functions lack, in words."""


@dataclass(frozen=True)
class OnTask:
    """One function on one task of the field."""

    task: str
    ratio: Estimate | None
    """Log-ratio to ReLU; None where its mean is no better than a guess, or no seed is shared."""
    pairs: int
    failed: int
    """Cells without a score."""
    p: float
    """Of the one-sided t test that the log-ratio is not below ln `KEPT`, adjusted by Holm over all functions and tasks
    of the board; NaN below 5 pairs or without a ratio."""

    @property
    def collapsed(self) -> bool:
        """A cell failed, the mean is no better than a guess, or less than `KEPT` of ReLU's skill is left, beyond
        chance."""
        return self.failed > 0 or (self.ratio is None and self.pairs > 0) or self.p < ALPHA


@dataclass(frozen=True)
class Fate:
    """What became of one function in the field."""

    function: str
    pointwise: bool
    lab: Estimate | None
    field: Estimate | None
    """Mean log-ratios to ReLU, as on the board; None where a task is missing or failed."""
    tasks: tuple[OnTask, ...]

    @cached_property
    def collapsed(self) -> tuple[OnTask, ...]:
        """The tasks on which it collapsed."""
        return tuple(one for one in self.tasks if one.collapsed)

    @property
    def judged(self) -> bool:
        """Whether any task has pairs enough for a test, or has failed."""
        return any(one.collapsed or not math.isnan(one.p) for one in self.tasks)


@dataclass(frozen=True)
class Prediction:
    """Question 3 on one board."""

    order: tuple[tuple[str, Estimate, Estimate], ...]
    """Function, mean log-ratio in the lab and in the field, best in the lab first."""
    tau: Correlation
    """Of lab and field."""
    families: tuple[tuple[str, Correlation], ...]
    """Of the lab and each family of the field."""
    learned: tuple[tuple[str, ...], Correlation] | None
    """Tasks on which ReLU hardly beats a guess, and tau without them; None where there is no such task."""
    halves: tuple[tuple[str, Correlation], ...]
    """Of the odd seeds and the even seeds of the lab, and of the field: what noise leaves of an order."""


@dataclass(frozen=True)
class Hour:
    """What an hour of one worker buys on a task."""

    task: str
    machine: str
    cells: int
    """With a score."""
    seconds: float
    """A cell, its share of a worker's start included; what failed cells took is spread over the others."""
    training: float
    """Share of it in the training loop."""
    testing: float
    """Share of it in evaluations."""

    @property
    def an_hour(self) -> float:
        """Cells an hour of one worker."""
        return 3600 / self.seconds


def out_of_distribution(board: Board) -> OutOfDistribution | None:
    """Question 1; None where no task has all of the functions."""
    names = [*BASELINES, *PERIODIC]
    tables = [table for table in board.tables if table.task.family in OUTSIDE]
    lacking = {table.task.name: [name for name in names if not _complete(table, name)] for table in tables}
    usable = [table for table in tables if not lacking[table.task.name]]
    contrasts = []
    for place in ("field", LAB):
        there = [table for table in usable if (table.task.family == LAB) == (place == LAB)]
        means = Means.of(there, names)
        if means is not None:
            contrasts += [
                _contrast(function, other, place, means, there) for function in PERIODIC for other in BASELINES
            ]
    if not contrasts:
        return None
    adjusted = holm([contrast.p for contrast in contrasts])
    return OutOfDistribution(
        tuple(replace(contrast, p=p) for contrast, p in zip(contrasts, adjusted, strict=True)),
        tuple(f"{task} lacks {' and '.join(missing)}" for task, missing in lacking.items() if missing),
    )


def fates(evidence: Evidence) -> tuple[Fate, ...]:
    """Question 2: every function but ReLU, those that are not pointwise first."""
    board = evidence.board
    field = [table for table in board.tables if table.task.family != LAB and _complete(table, BASELINE)]
    drafts = [(label, [_on_task(table, label) for table in field if label in table.by_label]) for label in board.labels]
    drafts = [(label, found) for label, found in drafts if found and label != BASELINE]
    adjusted = iter(holm([one.p for _, found in drafts for one in found]))
    overall = {row.label: row for row in evidence.overall}
    rows = [
        Fate(
            label,
            evidence.facts[label].pointwise,
            overall[label].lab,
            overall[label].field,
            tuple(replace(one, p=next(adjusted)) for one in found),
        )
        for label, found in drafts
    ]
    return tuple(sorted(rows, key=lambda row: (row.pointwise, row.function)))


def prediction(evidence: Evidence) -> Prediction | None:
    """Question 3; None where lab and field do not share three functions that are complete on both."""
    found = evidence.transfer
    tau = found.between.get((f"family {LAB}", "field")) if found else None
    if found is None or tau is None:
        return None
    known = [(row.label, row.lab, row.field) for row in evidence.overall if row.lab and row.field]
    order = sorted(known, key=lambda row: (-row[1].value, row[0]))
    families = [
        (a if b == f"family {LAB}" else b, one)
        for (a, b), one in found.between.items()
        if f"family {LAB}" in (a, b) and "field" not in (a, b)
    ]
    return Prediction(
        tuple(order),
        tau,
        tuple((name.removeprefix("family "), one) for name, one in families),
        _learned(evidence.board, order),
        _halves(evidence.board),
    )


def hours(board: Board) -> Iterator[Hour]:
    """What the cells of a board took, a row a task and kind of machine."""
    for table in board.tables:
        machines: dict[str, list[Record]] = defaultdict(list)
        for record in table.records:
            machines[machine_of(record)].append(record)
        for machine, records in sorted(machines.items()):
            scored = sum(record.score is not None for record in records)
            total = math.fsum(record.times.total + record.times.startup for record in records)
            training = math.fsum(record.times.train or 0.0 for record in records)
            testing = math.fsum(record.times.eval or 0.0 for record in records)
            if scored and total:
                yield Hour(table.task.name, machine, scored, total / scored, training / total, testing / total)


def _complete(table: TaskTable, label: str) -> bool:
    return label in table.by_label and table.by_label[label].complete


def _contrast(function: str, other: str, place: str, means: Means, tables: Sequence[TaskTable]) -> Contrast:
    tasks = []
    for table in tables:
        spread = paired(table.by_label[function].scores, table.by_label[other].scores)
        if spread is not None:
            tasks.append((table, student(spread), spread.n))
    return Contrast(function, other, place, means.against(function, other), means.p(function, other), tuple(tasks))


def _on_task(table: TaskTable, label: str) -> OnTask:
    row: Row = table.by_label[label]
    if not row.scores.keys() & table.by_label[BASELINE].scores.keys():
        return OnTask(table.task.name, None, 0, len(row.failures), math.nan)
    ratio, error, pairs = (part[0, 1] for part in log_ratios(table, [label, BASELINE]))
    n, value, se = int(pairs), float(ratio), math.sqrt(float(error)) if error > 0 else math.nan
    if math.isnan(value):
        return OnTask(table.task.name, None, n, len(row.failures), math.nan)
    reach = half_width(se, n - 1) if n > 1 else math.nan
    p = lower_tail((value - math.log(KEPT)) / se, n - 1) if n >= FEWEST_PAIRS else math.nan
    return OnTask(table.task.name, Estimate(value, value - reach, value + reach), n, len(row.failures), p)


def _learned(
    board: Board, order: Sequence[tuple[str, Estimate, Estimate]]
) -> tuple[tuple[str, ...], Correlation] | None:
    """The tasks of the field on which ReLU hardly beats a guess, and how lab and field agree without them."""
    field = [table for table in board.core if table.task.family != LAB]
    weak = [table for table in field if barely_learns(table)]
    means = Means.of([table for table in field if table not in weak], [label for label, _, _ in order])
    if not weak or means is None:
        return None
    pairs = [(lab.value, one.value) for label, lab, _ in order if (one := means.against(label)) is not None]
    return tuple(table.task.name for table in weak), kendall(*zip(*pairs, strict=True))


def _halves(board: Board) -> tuple[tuple[str, Correlation], ...]:
    """How far the orders by the even and by the odd seeds agree, in the lab and in the field."""
    found = []
    for place in (LAB, "field"):
        tables = [table for table in board.core if (table.task.family == LAB) == (place == LAB)]
        parts = [_half(tables, parity) for parity in (0, 1)]
        shared = sorted(parts[0].keys() & parts[1].keys())
        if len(shared) > 2:
            found.append((place, kendall(*([part[label] for label in shared] for part in parts))))
    return tuple(found)


def _half(tables: Sequence[TaskTable], parity: int) -> dict[str, float]:
    """Mean log-ratio to ReLU of every function that is complete by the seeds of one parity."""
    held = [[record for record in table.records if record.seed % 2 == parity] for table in tables]
    if not all(held):
        return {}
    halved = [make_table(records) for records in held]
    counted = Counter(label for table in halved for label in table.by_label if _complete(table, label))
    labels = [label for label, count in counted.items() if count == len(halved)]
    means = Means.of(halved, labels)
    ratios = {label: means.against(label) for label in labels} if means is not None else {}
    return {label: ratio.value for label, ratio in ratios.items() if ratio is not None}
