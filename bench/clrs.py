"""The mean over CLRS-30 as a table of its own, beside those of its algorithms."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace

from bench.compare import BASELINE, Board, Row, TaskTable, in_order, paired
from bench.records import Record, ReferenceFacts, TaskFacts

FAMILY = "clrs30"
ALGORITHMS = 30
"""A mean over CLRS-30 is formed when all of them are there, and only then."""


def clrs_mean(board: Board) -> TaskTable | None:
    """The mean over the 30 algorithms, paired by seed; None unless all of them are there.

    A row keeps the failed cells of every algorithm, so that a function that fails on one has failed on the mean.
    """
    tables = [table for table in board.tables if table.task.family == FAMILY]
    if len(tables) < ALGORITHMS:
        return None
    means = {label: _means_by_seed(tables, label) for label in board.labels}
    rows = [
        Row(label, _records(tables, label, by_seed), paired(by_seed, means.get(BASELINE, {})), (), ())
        for label, by_seed in means.items()
        if by_seed
    ]
    task = _task([table.task for table in tables])
    return replace(tables[0], task=task, rows=in_order(rows, task.metric), outdated=0)


def _means_by_seed(tables: Sequence[TaskTable], label: str) -> dict[int, float]:
    """Mean over the tables for each seed that has a score in all of them."""
    scores = [table.by_label[label].scores if label in table.by_label else {} for table in tables]
    shared = set.intersection(*(set(by_seed) for by_seed in scores))
    return {seed: statistics.fmean(by_seed[seed] for by_seed in scores) for seed in sorted(shared)}


def _records(tables: Sequence[TaskTable], label: str, by_seed: dict[int, float]) -> tuple[Record, ...]:
    """A record a seed with the mean as its score, then the failed cells of all algorithms."""
    first = tables[0].by_label[label].records
    scored = [
        record.model_copy(update={"score": by_seed[record.seed]})
        for record in first
        if record.score is not None
        if record.seed in by_seed
    ]
    return (*scored, *(record for table in tables for record in table.by_label[label].failures))


def _task(tasks: Sequence[TaskFacts]) -> TaskFacts:
    """The facts of the mean: what the algorithms share, and the mean of what was published for each."""
    stated = [task.reference for task in tasks if task.reference is not None]
    reference = None
    if len(stated) == len(tasks):
        reference = ReferenceFacts(
            value=statistics.fmean(one.value for one in stated),
            low=statistics.fmean(one.low for one in stated),
            high=statistics.fmean(one.high for one in stated),
            source="mean of the algorithms' published scores and bands",
        )
    update = {"name": f"{FAMILY} (mean of {len(tasks)})", "title": f"CLRS-30, mean of {len(tasks)} algorithms"}
    return tasks[0].model_copy(update={**update, "reference": reference})
