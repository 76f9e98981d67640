"""A first look at a candidate with few seeds: against a baseline, task by task, and `cannot tell` as an answer.

Unlike `bench.judge`, which speaks for the board, it also gives a verdict on two to four pairs: quick, and resting on
the assumption that differences are close to normal.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bench.compare import Row, Spread, TaskTable, paired
from bench.inference import ALPHA, half_width
from bench.records import MetricFacts
from bench.tables import count_of, markdown, number, signed, with_spread

Verdict = Literal["better", "worse", "cannot tell", "failed"]


@dataclass(frozen=True)
class Comparison:
    """A candidate against one baseline on one task."""

    task: str
    metric: MetricFacts
    difference: Spread | None
    """Candidate minus baseline, paired by seed; None without a pair."""
    resolution: float
    """Smallest mean difference that so many pairs, so scattered, could have shown; NaN where none could."""
    verdict: Verdict


def compare(table: TaskTable, candidate: str, baseline: str, tests: int) -> Comparison:
    """Judge one task by a paired t interval at level 1 - ALPHA / tests (Bonferroni), so that the chance of calling any
    of the tasks better or worse where there is no difference stays at ALPHA.

    Args:
        candidate: graph hash.
        baseline: name.
        tests: how many tasks are judged side by side.
    """
    task, metric = table.task.name, table.task.metric
    own = find(table, candidate)
    other = table.by_label.get(baseline)
    difference = paired(own.scores, other.scores) if own and other else None
    if own is not None and own.failures:
        return Comparison(task, metric, difference, math.nan, "failed")
    if difference is None or not difference.sd:  # a scatter of exactly 0 is a coarse metric, not certainty
        return Comparison(task, metric, difference, math.nan, "cannot tell")
    width = half_width(difference.sd / math.sqrt(difference.n), difference.n - 1, ALPHA / tests)
    gain = difference.mean if metric.higher_is_better else -difference.mean
    verdict: Verdict = "better" if gain > width else "worse" if gain < -width else "cannot tell"
    return Comparison(task, metric, difference, width, verdict)


def find(table: TaskTable, graph: str) -> Row | None:
    """The row of the function with this hash."""
    return next((row for row in table.rows if row.records[0].activation.graph_hash == graph), None)


def comparison_table(found: Sequence[Comparison], baseline: str) -> str:
    """Differences, what would have been needed, and verdicts."""
    rows = [
        [
            one.task,
            signed(one.difference, one.metric) if one.difference else "",
            number(one.resolution, one.metric) if math.isfinite(one.resolution) else "",
            one.verdict,
        ]
        for one in found
    ]
    return markdown(["task", f"difference to {baseline}", "needed to tell", "verdict"], rows)


def score_table(tables: Sequence[TaskTable], columns: Sequence[tuple[str, str]]) -> str:
    """Scores of several functions, each a pair of heading and graph hash."""
    rows = []
    for table in tables:
        metric = table.task.metric
        arrow = "↑" if metric.higher_is_better else "↓"
        cells = [_score(find(table, graph), metric) for _, graph in columns]
        rows.append([f"{table.task.name} ({metric.unit} {arrow})", *cells])
    return markdown(["task", *(heading for heading, _ in columns)], rows)


def sentence(name: str, baseline: str, found: Sequence[Comparison]) -> str:
    """The verdict against one baseline in a sentence or two."""
    counted = Counter(one.verdict for one in found)
    parts = []
    for verdict in ("better", "worse", "failed"):
        if counted[verdict]:
            tasks = ", ".join(one.task for one in found if one.verdict == verdict)
            parts.append(f"{verdict} on {counted[verdict]} ({tasks})")
    if counted["cannot tell"]:
        parts.append(f"cannot be told apart on {counted['cannot tell']}")
    pairs = sorted({one.difference.n for one in found if one.difference})
    seeds = (
        count_of(pairs[0], "seed")
        if pairs and pairs[0] == pairs[-1]
        else f"{pairs[0]} to {pairs[-1]} seeds"
        if pairs
        else "no pair"
    )
    said = "; ".join(parts) or "nothing was run"
    text = f"{name} against {baseline} on {count_of(len(found), 'task')} with {seeds}: {said}."
    if pairs == [1]:
        text += " One seed has no spread, so it can give no verdict: add some with --seeds."
    elif counted["cannot tell"]:
        text += (
            " A difference below the column `needed to tell` does not show with so few seeds: add some with --seeds."
        )
    return text


def _score(row: Row | None, metric: MetricFacts) -> str:
    if row is None:
        return "not run"
    if row.score is None:
        return row.failures[0].outcome.replace("_", " ")
    return with_spread(row.score, metric) + (f", {len(row.failures)} failed" if row.failures else "")
