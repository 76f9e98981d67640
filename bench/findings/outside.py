"""Question 1: do periodic perturbations of GELU beat ReLU and GELU out of distribution?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

from bench.compare import BASELINE, LAB, Board, TaskTable, make_table, paired
from bench.describe import few_learn
from bench.inference import ALPHA, FEWEST_PAIRS, Estimate, holm
from bench.judge import student
from bench.overall import Means

PERIODIC = ("gelu-sine", "gelu-sinc-perturbation")
"""GELU with a periodic perturbation, as "Mining Generalizable Activation Functions" (arXiv 2602.05688) names them."""
BASELINES = (BASELINE, "gelu")
OUTSIDE = ("molecules", "clrs30", LAB)
"""Families that are tested outside of what they were trained on: molecules with scaffolds that training never saw,
longer inputs of an algorithm, another range of inputs. Images are tested on more of the same."""

PUBLISHED: Mapping[str, Mapping[str, float]] = {
    "field": {BASELINE: 0.862, "gelu": 0.874, "gelu-sinc-perturbation": 0.887},
    LAB: {BASELINE: 93.1, "gelu": 78.8, "gelu-sine": 54.7, "gelu-sinc-perturbation": 68.7},
}
"""The paper's mean scores over CLRS-30, and its losses in the lab out of distribution."""

AGGREGATES: Mapping[str, Callable[[Mapping[str, float]], float]] = {
    "plain mean": lambda metrics: math.log10(metrics["mean_sealed_loss"]),
    "median": lambda metrics: metrics["median_log10_sealed_loss"],
}
"""Other ways than the lab's score, a geometric mean, to make one log10 loss of the losses of all problems of a run.
They raise `KeyError` or `ValueError` where a record does not tell."""
RETUNED = "re-tuned rates"
"""The mean by records whose learning rates were re-tuned, each function's own."""

Verdict = Literal["better", "worse", "cannot tell", "not tested", "failed"]


@dataclass(frozen=True)
class Difference:
    """Two functions on one task."""

    table: TaskTable
    score: Estimate
    """Mean difference in scores, paired by seed."""
    pairs: int


@dataclass(frozen=True)
class Contrast:
    """One function against another over the tasks of one place that are tested out of distribution."""

    function: str
    other: str
    place: str
    """`field` or `lab`."""
    tasks: tuple[Difference, ...]
    mean: Estimate | None
    """Mean log-ratio over the tasks with pairs enough, families weigh the same; over all where none has enough; None
    where a mean is no better than a guess."""
    p: float
    """Of the t test that it is 0, adjusted by Holm over all contrasts of the board; NaN where no task has pairs
    enough."""
    failed: tuple[str, ...]
    """Tasks on which a cell of one of the two ended without a score."""
    otherwise: Mapping[str, Estimate]
    """In the lab: the mean as it would be by each of `AGGREGATES`, and by `RETUNED`, where its records tell."""

    @property
    def counted(self) -> tuple[Difference, ...]:
        """The tasks that the mean is over."""
        return enough(self.tasks) or self.tasks

    @property
    def published(self) -> float | None:
        """The same log-ratio of the paper's means, counted from 0; None where it has none."""
        values = PUBLISHED[self.place]
        if self.function not in values or self.other not in values:
            return None
        ratio = math.log(values[self.function] / values[self.other])
        return -ratio if self.place == LAB else ratio

    @property
    def verdict(self) -> Verdict:
        """`failed` where the function or the other one lost a cell: the tasks that are left would flatter it."""
        if self.failed:
            return "failed"
        if math.isnan(self.p) or self.mean is None:
            return "not tested"
        if self.p >= ALPHA:
            return "cannot tell"
        return "better" if self.mean.value > 0 else "worse"

    @property
    def unlike(self) -> tuple[str, ...]:
        """By which of `otherwise` 0 or the other side of it would be possible, where the verdict is better or worse."""
        if self.verdict not in ("better", "worse"):
            return ()
        sign = 1 if self.verdict == "better" else -1
        return tuple(name for name, mean in self.otherwise.items() if min(sign * mean.low, sign * mean.high) <= 0)


@dataclass(frozen=True)
class Outside:
    """The answer of one board."""

    contrasts: tuple[Contrast, ...]
    left_out: tuple[str, ...]
    """What is missing, in words."""


def outside(board: Board, tuned: Board | None = None) -> Outside | None:
    """The answer; None where no two of the functions met on a task.

    Args:
        board: what answers.
        tuned: the same profile with re-tuned learning rates; the lab's answer is held against it.
    """
    retuned = {table.task.name: table for table in tuned.tables} if tuned else {}
    left_out: dict[str, None] = {}
    contrasts = []
    tested_outside = [table for table in board.tables if table.task.family in OUTSIDE]
    hardly = {table.task.name: few_learn(board, table) for table in tested_outside if board.hardly_learned(table)}
    left_out.update(dict.fromkeys(f"{task}, since {why}" for task, why in hardly.items()))
    for place in ("field", LAB):
        tables = [
            table
            for table in tested_outside
            if (table.task.family == LAB) == (place == LAB) and table.task.name not in hardly
        ]
        for function in PERIODIC:
            for other in BASELINES:
                left_out.update(dict.fromkeys(_missing(tables, (function, other))))
                contrast = _contrast(function, other, place, tables, retuned)
                if contrast is not None:
                    contrasts.append(contrast)
    if not contrasts:
        return None
    adjusted = holm([contrast.p for contrast in contrasts])
    tested = tuple(replace(contrast, p=p) for contrast, p in zip(contrasts, adjusted, strict=True))
    return Outside(tested, tuple(left_out))


def enough(tasks: Sequence[Difference]) -> tuple[Difference, ...]:
    """Those with pairs enough for a test."""
    return tuple(one for one in tasks if one.pairs >= FEWEST_PAIRS)


def _contrast(
    function: str, other: str, place: str, tables: Sequence[TaskTable], retuned: Mapping[str, TaskTable]
) -> Contrast | None:
    names = list(dict.fromkeys((BASELINE, other, function)))
    failed, tasks = [], []
    for table in tables:
        if any(name not in table.by_label for name in names):
            continue
        own, theirs = table.by_label[function], table.by_label[other]
        if own.failures or theirs.failures:
            failed.append(table.task.name)
        spread = paired(own.scores, theirs.scores)
        if spread is not None:
            tasks.append(Difference(table, student(spread), spread.n))
    tested = enough(tasks)
    means = Means.of([one.table for one in tested or tasks], names)
    if means is None:
        return Contrast(function, other, place, (), None, math.nan, tuple(failed), {}) if failed else None
    p = means.p(function, other) if tested and not failed else math.nan
    otherwise = _otherwise([one.table for one in tested or tasks], function, other, retuned) if place == LAB else {}
    return Contrast(function, other, place, tuple(tasks), means.against(function, other), p, tuple(failed), otherwise)


def _otherwise(
    tables: Sequence[TaskTable], function: str, other: str, retuned: Mapping[str, TaskTable]
) -> dict[str, Estimate]:
    """The mean log-ratio over the same tasks by each other aggregate, and by re-tuned records, where they tell."""
    names = list(dict.fromkeys((BASELINE, other, function)))
    held: dict[str, list[TaskTable]] = {}
    for name, aggregate in AGGREGATES.items():
        with suppress(KeyError, ValueError):
            held[name] = [_rescored(table, names, aggregate) for table in tables]
    again = [retuned[table.task.name] for table in tables if table.task.name in retuned]
    if len(again) == len(tables) and all(_paired_enough(table, names) for table in again):
        held[RETUNED] = again
    means = {name: Means.of(some, names) for name, some in held.items()}
    found = {name: mean.against(function, other) for name, mean in means.items() if mean}
    return {name: estimate for name, estimate in found.items() if estimate}


def _paired_enough(table: TaskTable, names: Sequence[str]) -> bool:
    """Whether all of the functions have a score for every cell, and pairs with the last one enough for a test."""
    if any(name not in table.by_label or table.by_label[name].failures for name in names):
        return False
    last = table.by_label[names[-1]].scores
    return all(len(last.keys() & table.by_label[name].scores) >= FEWEST_PAIRS for name in names)


def _rescored(table: TaskTable, names: Sequence[str], aggregate: Callable[[Mapping[str, float]], float]) -> TaskTable:
    """The rows of some functions, with another score for every cell that has one."""
    held = []
    for record in (record for name in names for record in table.by_label[name].records):
        score = record.score if record.score is None else aggregate(record.metrics)
        if score is not None and not math.isfinite(score):
            raise ValueError(f"{score} is no score")
        held.append(record.model_copy(update={"score": score}))
    return make_table(held)


def _missing(tables: Sequence[TaskTable], names: Sequence[str]) -> Iterator[str]:
    for table in tables:
        for name in dict.fromkeys((BASELINE, *names)):
            if name in table.by_label:
                continue
            twins = any(label.startswith(f"{name} (") for label in table.by_label)
            why = "names several functions" if twins else "was not run"
            yield f"{name} {why} on {table.task.name}"
