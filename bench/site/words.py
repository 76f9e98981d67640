"""What stands in the cells that several pages share."""

from __future__ import annotations

import math

from bench import describe
from bench.compare import BASELINE, Row, TaskTable
from bench.inference import Estimate
from bench.judge import Judgement, TaskJudgement
from bench.records import MetricFacts, Record
from bench.site.cells import MISSING, Cell, Column, Line, Table, minus, order
from bench.tables import digits, number, with_spread

NOT_RUN = Cell("not run", "", kind="missing")


def metric_head(task: TaskJudgement) -> str:
    """`accuracy in %, ↑ higher is better`."""
    metric = task.table.task.metric
    unit = "" if metric.unit in metric.name else f" in {metric.unit}"
    return f"{metric.name}{unit}, {'↑ higher' if metric.higher_is_better else '↓ lower'} is better"


def score(row: Row | None, table: TaskTable) -> Cell:
    """Mean ± deviation (seeds), and how many cells failed."""
    if row is None:
        return NOT_RUN
    if row.score is None:
        return Cell(f"✕ failed ({len(row.failures)})", "", kind="missing")
    text = minus(with_spread(row.score, table.task.metric))
    mark = " †" if describe.mined_here(row, table.task.name) else ""
    failed = f", {len(row.failures)} failed" if row.failures else ""
    words = "its data chose this function" if mark else ""
    return Cell(f"{text}{describe.chosen_rate(row)}{mark}{failed}", order(row.score.mean), words=words, kind="number")


def difference(judged: Judgement, metric: MetricFacts) -> Cell:
    """Mean difference to ReLU with its interval, in the unit of the score."""
    if judged.label == BASELINE:
        return Cell("0", "0.0", kind="number")
    return estimate(judged.difference, digits(metric))


def estimate(found: Estimate | None, places: int = 3) -> Cell:
    """`+0.103 [−0.020, +0.226]`, without brackets where the scatter is not known."""
    if found is None or math.isnan(found.value):
        return Cell(MISSING, "", words="missing", kind="number missing")
    return Cell(minus(found.text(places)), order(found.value), kind="number")


def resolved(value: float, metric: MetricFacts) -> Cell:
    """A difference that can be told from nothing."""
    if math.isnan(value):
        return Cell(MISSING, "", words="missing", kind="number missing")
    return Cell(number(value, metric), order(value), kind="number")


def failures(records: list[Record], id: str) -> Table | None:
    """The cells that ended without a score, each with its reason; None where there are none."""
    if not records:
        return None
    head = ["profile", "task", "activation", "seed", "outcome", "reason"]
    lines = [
        Line(
            [
                Cell(record.profile),
                Cell(record.task.name),
                Cell(record.activation.name),
                Cell(str(record.seed), order(record.seed), kind="number"),
                Cell(record.outcome.replace("_", " ")),
                Cell(record.reason, kind="long"),
            ]
        )
        for record in sorted(records, key=lambda one: (one.profile, one.task.name, one.activation.name, one.seed))
    ]
    columns = [Column(name, kind="number" if name == "seed" else "text") for name in head]
    return Table(id, "Cells that ended without a score", columns, lines, heading=1, sorted_by=None)
