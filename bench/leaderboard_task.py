"""One task's section of the leaderboard: what the task is, then a row an activation."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from bench import describe
from bench.compare import BASELINE, Row, TaskTable
from bench.evidence import Evidence
from bench.judge import SIGNS, Judgement, TaskJudgement
from bench.tables import count_of, digits, inert, markdown, number, with_spread


def task_section(evidence: Evidence, task: TaskJudgement) -> Iterator[str]:
    """Facts, table and resolution of one task."""
    table = task.table
    yield f"### {table.task.name}\n"
    yield f"{inert(table.task.title)}\n"
    yield "".join(f"* {heading}: {inert(text)}\n" for heading, text in describe.facts(table)) + (
        f"* Repeat: `{describe.command(table)}`\n"
    )
    tuned = evidence.tuned.by_task.get(table.task.name) if evidence.tuned else None
    yield markdown(_head(tuned is not None), list(_rows(task, tuned)))
    yield f"{describe.resolving(task)}\n"
    if tuned is not None:
        yield f"Re-tuned: {inert(_budget(tuned))} Repeat: `{describe.command(tuned.table)}`\n"


def head_of(table: TaskTable) -> str:
    """A task's name with the unit and direction of its scores: `molhiv-gcn (ROC-AUC ↑)`."""
    metric = table.task.metric
    return f"{table.task.name} ({metric.unit} {'↑' if metric.higher_is_better else '↓'})"


def score_cell(row: Row | None, table: TaskTable) -> str:
    """Mean ± deviation (seeds), `missing`, or what became of the cells."""
    if row is None:
        return "missing"
    failed = f", {len(row.failures)} failed" if row.failures else ""
    score = with_spread(row.score, table.task.metric) if row.score else ""
    return (
        f"{score}{describe.chosen_rate(row)}{_mark(row, table)}{failed}" if score else f"failed ({len(row.failures)})"
    )


def difference_cell(judged: Judgement | None, table: TaskTable) -> str:
    """Mean difference to ReLU, its interval and the sign of the verdict."""
    if judged is None:
        return "missing"
    if judged.label == BASELINE:
        return "0"
    sign = SIGNS[judged.verdict] if judged.verdict else ""
    if judged.difference is None:
        return sign
    return f"{judged.difference.text(digits(table.task.metric))} {sign}{_mark(judged.row, table)}"


def _head(tuned: bool) -> list[str]:
    head = ["activation", "score", "difference to ReLU", "verdict", "p (Holm)", "beats ReLU", "resolves"]
    head += ["time", "memory", "◆", "swapped / left", "parameters", "failed"]
    return [*head, "re-tuned: score", "re-tuned: difference"] if tuned else head


def _rows(task: TaskJudgement, tuned: TaskJudgement | None) -> Iterator[list[object]]:
    table, metric = task.table, task.table.task.metric
    for judged in task.rows:
        row = judged.row
        baseline = judged.label == BASELINE
        sizes = sorted({record.parameters for record in row.records if record.parameters is not None})
        cells: list[object] = [
            row.label,
            score_cell(row, table),
            judged.difference.text(digits(metric)) + _mark(row, table) if judged.difference and not baseline else "",
            judged.verdict or "",
            "" if math.isnan(judged.p) else f"{judged.p:.2g}",
            "" if baseline or judged.improvement is None else f"{judged.improvement:.0%}",
            "" if math.isnan(judged.resolution) or baseline else number(judged.resolution, metric),
            _cost(row.time_ratio, row.times),
            _cost(row.memory_ratio, row.memories),
            "◆" if row.label in task.front else "",
            describe.audit(row),
            ", ".join(f"{size:,}" for size in sizes),
            f"{len(row.failures)} of {len(row.records)}",
        ]
        yield cells if tuned is None else [*cells, *_tuned(tuned, row.label)]


def _cost(ratio: float | None, pairs: Sequence[float]) -> str:
    """A ratio, and of how many pairs of cells."""
    return f"{ratio:.2f} ({len(pairs)})" if ratio is not None else ""


def _tuned(task: TaskJudgement, label: str) -> list[str]:
    """Score, with the factors that were chosen for the learning rate, and difference to the re-tuned ReLU."""
    judged = task.by_label.get(label)
    if judged is None:
        return ["missing", "missing"]
    return [score_cell(judged.row, task.table), difference_cell(judged, task.table)]


def _budget(task: TaskJudgement) -> str:
    """The budget that every re-tuned row had, and whom the grid cut off."""
    budgets = sorted({row.records[0].tuning.budget for row in task.table.rows if row.records[0].tuning})
    said = f"learning rate {'; '.join(budgets)}; {count_of(len(task.rows), 'activation')}."
    return f"{said} {describe.beyond_the_grid([task.table])}".rstrip()


def _mark(row: Row, table: TaskTable) -> str:
    """A dagger where the task's own data chose the function."""
    return " †" if describe.mined_here(row, table.task.name) else ""
