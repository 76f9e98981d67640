"""The pictures of orders: mean ranks of the activations over tasks, and how far the orders of two tasks agree."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.compare import LAB, TaskTable
from bench.evidence import Evidence
from bench.figures_parts import WIDTH, ends, short
from bench.inference import ALPHA, Correlation
from bench.style import COLOURS, FAINT, GROUND, INK, figure, svg

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

FEWEST = 3
"""Activations, and tasks, that mean ranks need."""
MOST_RANKED = 20
"""Activations in the diagram of mean ranks."""
MOST_TASKS = 12
"""Tasks in the table of correlations."""


@dataclass(frozen=True)
class Blocks:
    """The differences to ReLU of the complete activations, task by task: the blocks of Friedman's test."""

    labels: list[str]
    gains: list[list[float]]
    """One list a task, in the order of the labels; larger is better."""


def blocks(evidence: Evidence) -> Blocks | None:
    """What the diagram of mean ranks is drawn from; None below three activations or tasks, or where all are tied."""
    board = evidence.board
    labels = [label for label in board.labels if not board.gaps(label)]
    tables = [table for table in board.core if table.task.family != LAB] or board.core
    if len(labels) < FEWEST or len(tables) < FEWEST:
        return None
    gains = [_gains(table, labels) for table in tables]
    return Blocks(labels, gains) if any(len(set(of_task)) > 1 for of_task in gains) else None


def _gains(table: TaskTable, labels: list[str]) -> list[float]:
    sign = 1 if table.task.metric.higher_is_better else -1
    found = [table.by_label[label].difference for label in labels]
    return [sign * difference.mean if difference else math.nan for difference in found]


def critical_difference_svg(evidence: Evidence) -> bytes:
    """The diagram of Demšar (Journal of Machine Learning Research 7, 2006); without a significant Friedman test all
    activations are joined, since pairs may be tested only after it."""
    import pandas as pd
    from scikit_posthocs import critical_difference_diagram

    held = blocks(evidence)
    assert held is not None
    names = [short(label) for label in held.labels]
    frame = pd.DataFrame(held.gains, columns=names if len(set(names)) == len(names) else held.labels)
    ranks = frame.rank(axis=1, ascending=False).mean().sort_values(kind="stable")
    best, worst, hidden = ends(list(ranks.index), MOST_RANKED)
    shown = [*best, *worst]
    title, p_values = _tests(frame)
    gap = 0.02 * float(ranks.max() - ranks.min())
    with figure(WIDTH, 1.6 + 0.27 * ((len(shown) + 1) // 2)) as drawn:
        axes = drawn.subplots()
        axes.grid(False)
        drawings = critical_difference_diagram(
            ranks[shown], p_values.loc[shown, shown], alpha=ALPHA, ax=axes, text_h_margin=gap,
            label_fmt_left="{label} {rank:.1f}", label_fmt_right="{rank:.1f} {label}",
            label_props={"fontsize": 9.5, "bbox": {"facecolor": GROUND, "edgecolor": "none", "pad": 2}},
            elbow_props={"color": INK, "linewidth": 0.8}, marker_props={"color": INK, "s": 22},
            crossbar_props={"color": COLOURS[0], "linewidth": 4, "solid_capstyle": "butt"},
        )  # fmt: skip
        for (bar,) in drawings["crossbars"]:
            bar.set_data(sorted(bar.get_xdata()), bar.get_ydata())  # it was drawn in the order of a set of names
        axes.spines["top"].set_visible(True)
        more = f"; {hidden} between left out" if hidden else ""
        drawn.suptitle(f"Mean rank over {len(frame)} tasks, 1 is best{more}\n{title}", x=0.02, ha="left", fontsize=10.5)
        return svg(drawn)


def _tests(frame: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    """Friedman's test in words, and p-values of all pairs."""
    import pandas as pd
    from scikit_posthocs import posthoc_nemenyi_friedman
    from scipy.stats import friedmanchisquare

    found = friedmanchisquare(*(frame[name] for name in frame))
    p = float(found.pvalue)
    words = (
        f"Friedman χ² = {found.statistic:.2f}, p = {p:.2g}"
        if p >= 1e-4
        else f"Friedman χ² = {found.statistic:.1f}, p < 0.0001"
    )
    if p < ALPHA:
        return f"{words}; a bar joins what Nemenyi (5 %) cannot tell apart", posthoc_nemenyi_friedman(frame)
    return f"{words}: no difference shown, all are joined", pd.DataFrame(1.0, frame.columns, frame.columns)


def correlated(evidence: Evidence) -> list[TaskTable]:
    """The tasks of the picture of correlations, field before lab; none where no two orders can be compared."""
    if evidence.transfer is None or all(math.isnan(found.tau) for found in _pairs(evidence).values()):
        return []
    compared = {name for pair in _pairs(evidence) for name in pair}
    tables = [table for table in evidence.board.tables if table.task.name in compared]
    return sorted(tables, key=lambda table: table.task.family == LAB)


def _pairs(evidence: Evidence) -> dict[frozenset[str], Correlation]:
    between = evidence.transfer.between if evidence.transfer else {}
    names = {table.task.name for table in evidence.board.tables}
    return {frozenset(pair): found for pair, found in between.items() if names.issuperset(pair)}


def tau_svg(evidence: Evidence) -> bytes:
    """Kendall's tau of every two tasks, each pair once, with numbers in the cells."""
    pairs = _pairs(evidence)
    tables, hidden = _chosen(correlated(evidence), pairs)
    names = [table.task.name for table in tables]
    first_lab = sum(table.task.family != LAB for table in tables)
    with figure(WIDTH, 2.1 + 0.36 * len(names)) as drawn:
        axes = drawn.subplots()
        axes.grid(False)
        for row in range(1, len(names)):
            for column in range(row):
                _draw_cell(axes, row, column, pairs[frozenset((names[row], names[column]))])
        marks = [
            "" if first_lab in (0, len(names)) else " (lab)" if i >= first_lab else " (field)"
            for i in range(len(names))
        ]
        labels = [short(name) + mark for name, mark in zip(names, marks, strict=True)]
        below = [short(name) for name in names[:-1]]
        axes.set_xticks(range(len(below)), below, rotation=60, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(1, len(names)), labels[1:])
        axes.set(xlim=(-0.5, len(names) - 1.5), ylim=(len(names) - 0.5, 0.5))
        if 0 < first_lab < len(names):
            axes.plot([-0.5, first_lab - 0.5], [first_lab - 0.5] * 2, color=INK, linewidth=2.5)
            axes.plot([first_lab - 0.5] * 2, [first_lab - 0.5, len(names) - 0.5], color=INK, linewidth=2.5)
        axes.tick_params(length=0)
        for side in axes.spines.values():
            side.set_visible(False)
        functions = evidence.transfer.functions if evidence.transfer else 0
        more = f"\n{hidden} tasks left out: those shown agree most and least with the rest" if hidden else ""
        drawn.suptitle(f"Kendall's tau between tasks, {functions} activations{more}", x=0.02, ha="left", fontsize=11)
        return svg(drawn)


def _chosen(tables: list[TaskTable], pairs: dict[frozenset[str], Correlation]) -> tuple[list[TaskTable], int]:
    """The tasks that fit, in order: of more, those that agree most and those that agree least with the rest."""
    agreement = {}
    for table in tables:
        own = [one.tau for pair, one in pairs.items() if table.task.name in pair and not math.isnan(one.tau)]
        agreement[table.task.name] = statistics.fmean(own) if own else 0.0
    most, least, hidden = ends(sorted(agreement, key=lambda name: (-agreement[name], name)), MOST_TASKS)
    kept = {*most, *least}
    return [table for table in tables if table.task.name in kept], hidden


def _draw_cell(axes: Axes, row: int, column: int, found: Correlation) -> None:
    """One pair: blue where the orders agree, orange where they are opposite, and the number in it."""
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Rectangle

    tau = 0.0 if math.isnan(found.tau) else found.tau
    full, ground = to_rgb(COLOURS[0] if tau > 0 else COLOURS[1]), to_rgb(GROUND)
    share = 0.6 * min(1.0, abs(tau))
    colour = [share * a + (1 - share) * b for a, b in zip(full, ground, strict=True)]
    axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=colour, edgecolor=FAINT, linewidth=0.8))
    rounded = round(tau, 1)
    text = "–" if math.isnan(found.tau) else f"{rounded:+.1f}".replace("-", "−") if rounded else "0"
    sure = found.low > 0 or found.high < 0
    axes.text(column, row, text, ha="center", va="center", fontsize=9.5, fontweight="bold" if sure else "normal")
