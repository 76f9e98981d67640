"""The pictures of one task: differences to ReLU as a forest plot, and learning curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from bench.compare import BASELINE, Row, TaskTable
from bench.figures_parts import WIDTH, ends, short
from bench.inference import Estimate
from bench.judge import Judgement, TaskJudgement, Verdict
from bench.style import COLOURS, DASHES, FAINT, GROUND, INK, figure, svg
from bench.tables import count_of

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

MOST_ROWS = 20
"""Rows of a forest plot; of more activations the best ten and the worst ten are shown."""
MOST_CURVES = 5
"""Learning curves beside ReLU's."""
CURVE = "train_loss"
POINTS = 50
"""Points of a learning curve: each is the mean over a fiftieth of the training."""
STEEP = 30
"""Highest over lowest loss, from which on a logarithmic axis is taken."""
LONG = 24
"""Characters; a metric with a longer name is called by its unit."""
SHOWN = 0.8
"""Share of the intervals that a forest plot must hold whole; a few are often longer by far than all others."""
FAR = 2.0
"""How many times as far as that the axis may go to hold the rest."""

LOOKS: Mapping[Verdict, dict[str, Any]] = {
    "better": {"marker": "^", "color": COLOURS[0], "markersize": 9},
    "worse": {"marker": "v", "color": COLOURS[1], "markersize": 9},
    "no different": {"marker": "s", "color": COLOURS[2], "markersize": 7},
    "not enough seeds": {"marker": "o", "color": INK, "markersize": 7, "markerfacecolor": GROUND},
}
"""By verdict; shapes differ, so that colour is never needed. A failed row has a word and no point."""
LINES = (*DASHES[1:], (0, (8, 2, 1, 2, 1, 2)))
"""Of the best rows; the solid line is ReLU's."""


def judged_rows(task: TaskJudgement) -> list[Judgement]:
    """The rows of a forest plot: all but ReLU; none where no row could show a difference."""
    rows = [row for row in task.rows if row.verdict is not None]
    return rows if any(row.verdict != "failed" and row.difference for row in rows) else []


def forest_svg(task: TaskJudgement) -> bytes:
    """The forest plot of a task, one line an activation, best at the top."""
    best, worst, hidden = ends(judged_rows(task), MOST_ROWS)
    rows = [*best, *([None] if hidden else []), *worst]
    turned = not task.table.task.metric.higher_is_better
    with figure(WIDTH, 1.5 + 0.3 * len(rows)) as drawn:
        axes = drawn.subplots()
        limit = _limit([row for row in rows if row], task.margin)
        if task.margin is not None:
            axes.axvspan(-task.margin, task.margin, color=FAINT, alpha=0.6, linewidth=0, zorder=0)
        axes.axvline(0, color=INK, linewidth=1, zorder=1)
        for place, row in enumerate(rows):
            if row is not None and row.difference is not None and row.verdict not in (None, "failed"):
                _draw_interval(axes, place, LOOKS[row.verdict], row.difference, -limit if turned else limit)
        axes.set_yticks(range(len(rows)), ["" if row is None else short(row.label) for row in rows])
        axes.set(
            ylim=(len(rows) - 0.4, -0.6),
            xlim=(1.08 * limit, -1.08 * limit) if turned else (-1.08 * limit, 1.08 * limit),
        )
        right = axes.twinx()
        words = [f"{hidden} between left out" if row is None else _word(row) for row in rows]
        right.set_yticks(range(len(rows)), words)
        right.set(ylim=axes.get_ylim())
        right.grid(False)
        for one in (axes, right):
            one.tick_params(axis="y", length=0)
        _label(axes, right, task)
        return svg(drawn)


def _limit(rows: Sequence[Judgement], margin: float | None) -> float:
    """How far the axis goes to both sides: over all intervals but those that are far longer than most, and over the
    region of equivalence."""
    found = [row.difference for row in rows if row.difference and row.verdict != "failed"]
    far = sorted(max(abs(bound) for bound in (one.value, one.low, one.high) if not math.isnan(bound)) for one in found)
    most = far[math.ceil(SHOWN * len(far)) - 1]
    return max(*(one for one in far if one <= FAR * most), 1.3 * (margin or 0)) or 1.0


def _draw_interval(axes: Axes, place: int, look: Mapping[str, Any], found: Estimate, right: float) -> None:
    """A point with its interval; what lies outside the picture, whose right end is given, ends in an arrow."""
    limit, colour = abs(right), look["color"]
    if math.isfinite(found.low):
        inside = [max(found.low, -limit), min(found.high, limit)]
        axes.plot(inside, [place, place], color=colour, linewidth=2, zorder=2, solid_capstyle="butt")
        for end, outside in ((-limit, found.low < -limit), (limit, found.high > limit)):
            if outside:
                axes.plot(end, place, marker=">" if end == right else "<", color=colour, markersize=6, zorder=3)
    if abs(found.value) <= limit:
        axes.plot(found.value, place, linestyle="none", zorder=4, **look)
        return
    end = math.copysign(limit, found.value)
    axes.plot(end, place, linestyle="none", zorder=4, **look)
    axes.annotate(
        f"{found.value:+.3g}".replace("-", "−"), (end, place), (-14 if end == right else 14, 0), va="center",
        textcoords="offset points", ha="right" if end == right else "left", fontsize=8.5, zorder=5,
        bbox={"facecolor": GROUND, "edgecolor": "none", "pad": 1},
    )  # fmt: skip


def _word(row: Judgement) -> str:
    if row.verdict == "failed":
        return f"failed ({len(row.row.failures)} of {len(row.row.records)})"
    pairs = row.row.difference.n if row.row.difference else 0
    return f"{row.verdict} ({pairs})"


def _label(axes: Axes, right: Axes, task: TaskJudgement) -> None:
    """Titles and axis; the axis is turned round where lower is better, so that better is to the right everywhere."""
    metric, margin = task.table.task.metric, task.margin
    axes.locator_params(axis="x", nbins=5)
    name = metric.name if len(metric.name) < LONG else metric.unit
    unit = "" if metric.unit in name else f" ({metric.unit})"
    turned = "" if metric.higher_is_better else "lower is better, so the axis is turned round; "
    axes.set_xlabel(f"{name}{unit} minus ReLU's, 95 % interval\n{turned}better →")
    right.annotate("verdict (pairs)", (1, 1), (4, 4), xycoords="axes fraction", textcoords="offset points", fontsize=9)
    shaded = "" if margin is None else f"\nshaded: within ±{margin:g} counts as no different"
    title = f"{task.table.task.name}: difference to ReLU{shaded}"
    drawn = axes.get_figure(root=True)
    assert drawn is not None
    drawn.suptitle(title, x=0.02, ha="left", fontsize=11)


def curved(table: TaskTable) -> list[Row]:
    """ReLU and the best rows of a task, as far as their records hold a training loss."""
    rows = [row for row in table.rows if row.label != BASELINE and _curves(row)][:MOST_CURVES]
    relu = table.by_label.get(BASELINE)
    return [*([relu] if relu is not None and _curves(relu) else []), *rows]


def _curves(row: Row) -> list[list[float]]:
    """The curve of each seed that has a score."""
    held = [record.curves.get(CURVE, []) for record in row.records if record.score is not None]
    return [curve for curve in held if len(curve) > 1 and all(map(math.isfinite, curve))]


def _averaged(curves: Sequence[Sequence[float]]) -> Array:
    """Curves of one length, thinned to `POINTS` means each: float64 (curves, points)."""
    import numpy as np

    length = min(map(len, curves))
    edges = np.linspace(0, length, min(POINTS, length) + 1).round().astype(int)
    values = np.array([curve[:length] for curve in curves])
    return np.stack([values[:, a:b].mean(axis=1) for a, b in pairwise(edges)], axis=1)


def curves_svg(table: TaskTable) -> bytes:
    """Learning curves of a task: the mean over seeds, and a band from the lowest seed to the highest."""
    import numpy as np

    held = {row.label: _averaged(_curves(row)) for row in curved(table)}
    looks = _looks(list(held))
    low, high = (
        min(float(values.min()) for values in held.values()),
        max(float(values.max()) for values in held.values()),
    )
    seeds = sorted({len(values) for values in held.values()})
    with figure(WIDTH, 4.2) as drawn:
        axes = drawn.subplots()
        for label, values in held.items():
            x = 100 * np.arange(1, values.shape[1] + 1) / values.shape[1]
            axes.fill_between(x, values.min(0), values.max(0), color=looks[label]["color"], alpha=0.13, linewidth=0)
            axes.plot(x, values.mean(0), label=short(label), **looks[label])
        if low > 0 and high / low > STEEP:
            _make_logarithmic(axes)
        axes.set(xlabel="share of the training done (%)", ylabel="training loss", xlim=(0, 100))
        several = f"{seeds[0]} to " if len(seeds) > 1 else ""
        title = f"{table.task.name}: training loss\nmean and range over {several}{count_of(seeds[-1], 'seed')}"
        axes.set_title(title, loc="left", fontsize=11)
        drawn.legend(loc="outside lower center", ncols=2, handlelength=3.6, fontsize=9)
        return svg(drawn)


def _make_logarithmic(axes: Axes) -> None:
    """A logarithmic loss with plain numbers; matplotlib's own would be formulas, which are switched off."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 3.0), numticks=12))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.9f}".rstrip("0").rstrip(".")))


def _looks(labels: Sequence[str]) -> dict[str, dict[str, Any]]:
    """How each line is drawn; by names in order, so that on a small board a function looks the same on every task."""
    others = sorted(label for label in labels if label != BASELINE)
    found = {
        label: {"color": colour, "linestyle": dash, "linewidth": 1.9}
        for label, colour, dash in zip(others, COLOURS, LINES, strict=False)
    }
    return {**found, BASELINE: {"color": INK, "linestyle": "solid", "linewidth": 1.6}}
