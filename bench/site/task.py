"""What goes on the page of a task: its facts, every activation against ReLU, what its seeds can show, its failures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bench import describe
from bench.compare import BASELINE
from bench.evidence import Evidence
from bench.judge import Judgement, TaskJudgement
from bench.site import words
from bench.site.cells import Cell, Column, Line, Table, number, order, sign
from bench.site.index import Href
from bench.site.pictures import Picture

RESULTS = (
    Column("activation", kind="text"),
    Column("score", "mean ± standard deviation (seeds)", largest_first=True),
    Column("difference to ReLU", "mean over pairs, 95 % interval", largest_first=True),
    Column("verdict", kind="ordered"),
    Column("p (Holm)", "of the paired t test, corrected over the whole board"),
    Column("beats ReLU", "chance that a run with it scores better than one with ReLU", largest_first=True),
    Column("resolves", "smallest difference that its pairs show with 80 % power"),
    Column("time", "training time over ReLU's"),
    Column("memory", "peak memory over ReLU's"),
    Column("◆", "no other row is as good and as fast", "ordered", largest_first=True),
    Column("swapped / left", "sites in the network, as counted in every run", kind="text"),
    Column("failed", "runs without a score"),
)
"""Columns of one activation on one task; the first is the task's where the page is the activation's."""


@dataclass(frozen=True)
class TaskPage:
    """One task under one board."""

    name: str
    title: str
    board_id: str
    board_title: str
    warning: str
    """That the data is a stand-in, where it is."""
    facts: Sequence[tuple[str, str]]
    resolution: str
    results: Table
    pictures: Sequence[Picture]
    failures: Table | None
    command: str


def task_view(evidence: Evidence, task: TaskJudgement, pictures: Sequence[Picture], href: Href) -> TaskPage:
    """Everything that the page of a task says."""
    table = task.table
    lines = [
        Line(
            result(task, judged, Cell(judged.label, href=href(judged.row.records[0]))),
            {table.task.name: judged.verdict} if judged.verdict else {},
            judged.row.records[0].activation.pointwise,
            judged.row.records[0].activation.origin,
        )
        for judged in task.rows
    ]
    caption = f"Results: {words.metric_head(task)}"
    failed = [record for row in table.rows for record in row.failures]
    return TaskPage(
        name=table.task.name,
        title=table.task.title,
        board_id=evidence.folder,
        board_title=describe.title(evidence),
        warning=describe.STAND_IN if table.task.track == "stand-in" else "",
        facts=[*describe.facts(table), *(("Ran on", line) for line in describe.ran_on(table.records))],
        resolution=describe.resolving(task),
        results=Table("results", caption, RESULTS, lines, sorted_by=None, filters=True),
        pictures=pictures,
        failures=words.failures(failed, "failures"),
        command=command(evidence, task),
    )


def command(evidence: Evidence, task: TaskJudgement) -> str:
    """The command that runs a task's cells again; for a mean over tasks, that of all of them."""
    name = task.table.task.name
    text = describe.command(task.table)
    if any(table.task.name == name for table in evidence.board.tables):
        return text
    return text.replace(name, f"'{task.table.task.family}-*'")


def result(task: TaskJudgement, judged: Judgement, first: Cell) -> list[Cell]:
    """The cells of one activation on one task, under `RESULTS`."""
    row, metric = judged.row, task.table.task.metric
    baseline = judged.label == BASELINE
    return [
        first,
        words.score(row, task.table),
        words.difference(judged, metric),
        sign(judged.verdict),
        number(judged.p, ".2g"),
        number(None if baseline else judged.improvement, ".0%"),
        words.resolved(math.nan if baseline else judged.resolution, metric),
        number(row.time_ratio, ".2f"),
        number(row.memory_ratio, ".2f"),
        Cell("◆", "1", words="on the front", kind="mark") if judged.label in task.front else Cell("", "", kind="mark"),
        Cell(describe.audit(row)),
        Cell(f"{len(row.failures)} of {len(row.records)}", order(len(row.failures)), kind="number"),
    ]
