"""The pictures with one point an activation: lab against field, and quality against cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from bench.compare import BASELINE
from bench.evidence import Evidence
from bench.figures_parts import WIDTH, Box, Named, put_names, reach, short
from bench.inference import Estimate
from bench.style import COLOURS, DASHES, GREY, GROUND, figure, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_NAMED = 12
"""Activations with a name and intervals; the others between the best and the worst are small points without."""
TICKS = (0.1, 0.2, 0.35, 0.5, 0.7, 1, 1.4, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64)
"""Multiples of ReLU's training time on the axis."""
NARROW = 1.7
"""Dearest over cheapest, below which these ticks stand too far apart."""
LOG_RATIO = "mean log-ratio to ReLU, better →"

Looks = Mapping[str, dict[str, Any]]
KINDS: Looks = {
    "pointwise": {"marker": "o", "color": COLOURS[0]},
    "not pointwise": {"marker": "D", "color": COLOURS[1]},
}
PLACES: Looks = {
    "on the Pareto front": {"marker": "D", "color": COLOURS[1]},
    "not on it": {"marker": "o", "color": COLOURS[0], "markerfacecolor": GROUND},
}


@dataclass(frozen=True)
class Spot:
    """An activation in a picture of points."""

    label: str
    x: Estimate
    y: Estimate
    kind: str
    """Key of its look."""


def placed(evidence: Evidence) -> list[Spot]:
    """The activations with a mean in the lab and in the field, best in the field first; none below two."""
    pointwise = {
        row.label: row.records[0].activation.pointwise for table in evidence.board.tables for row in table.rows
    }
    return _sorted(
        [
            Spot(row.label, row.lab, row.field, "pointwise" if pointwise[row.label] else "not pointwise")
            for row in evidence.ranked
            if row.field is not None and row.lab is not None
        ]
    )


def costed(evidence: Evidence) -> list[Spot]:
    """The ranked activations whose training time is known, best first; none below two."""
    front, beaten = PLACES
    spots = []
    for row in evidence.ranked:
        cost = evidence.costs[row.label]
        if row.ranked_by is not None and cost.time is not None:
            time = Estimate(cost.time, math.nan, math.nan)
            spots.append(Spot(row.label, time, row.ranked_by, front if cost.frontier else beaten))
    return _sorted(spots)


def _sorted(spots: Sequence[Spot]) -> list[Spot]:
    return sorted(spots, key=lambda spot: (-spot.y.value, spot.label)) if len(spots) > 1 else []


def lab_field_svg(evidence: Evidence) -> bytes:
    """Mean log-ratio of the lab (x) against that of the field (y)."""
    spots = placed(evidence)
    with figure(WIDTH, 5.4) as drawn:
        axes = drawn.subplots()
        axes.axvline(0, color=GREY, linewidth=1)
        axes.set(
            xlim=reach([spot.x.value for spot in spots], [spot.x for spot in spots]),
            xlabel=f"lab: {LOG_RATIO}",
            ylabel=f"field: {LOG_RATIO}",
        )
        _draw_spots(axes, spots, KINDS, "Lab against field, 95 % intervals")
        return svg(drawn)


def cost_svg(evidence: Evidence) -> bytes:
    """Quality (y) against training time (x, logarithmic), and the Pareto front as steps."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

    spots = costed(evidence)
    times = [spot.x.value for spot in spots]
    low, high = reach([math.log(time) for time in times], [])
    what = "field" if any(row.field for row in evidence.ranked) else "lab"
    with figure(WIDTH, 5.2) as drawn:
        axes = drawn.subplots()
        narrow = max(times) / min(times) < NARROW
        axes.set_xscale("linear" if narrow else "log")
        axes.set(
            xlim=(math.exp(low), math.exp(high)),
            xlabel="training time / ReLU's, ← cheaper",
            ylabel=f"{what}: {LOG_RATIO}",
        )
        axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]) if narrow else FixedLocator(TICKS))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}×"))
        front = sorted((spot.x.value, spot.y.value) for spot in spots if spot.kind == next(iter(PLACES)))
        ends = [*front, (math.exp(high), front[-1][1])]
        axes.step(*zip(*ends, strict=True), where="post", color=COLOURS[1], linewidth=1.6, linestyle=DASHES[1])
        steps = [line for (x, y), (on, up) in pairwise(ends) for line in ((x, y, on, y), (on, y, on, up))]
        _draw_spots(axes, spots, PLACES, "Quality against training time, 95 % intervals", steps)
        return svg(drawn)


def _draw_spots(axes: Axes, spots: Sequence[Spot], looks: Looks, title: str, lines: Sequence[Box] = ()) -> None:
    """The points, with names and intervals for ReLU and the best and the worst of them; names keep off the lines."""
    half = MOST_NAMED // 2
    named = (
        list(spots)
        if len(spots) <= MOST_NAMED
        else [
            spot for place, spot in enumerate(spots) if not half <= place < len(spots) - half or spot.label == BASELINE
        ]
    )
    for kind, look in looks.items():
        if any(spot.kind == kind for spot in spots):
            axes.plot([], [], linestyle="none", markersize=7, label=kind, **look)
    for spot in spots:
        shown = spot in named
        axes.plot(spot.x.value, spot.y.value, markersize=7 if shown else 4, zorder=3, **looks[spot.kind])
        if shown:
            for left, low, right, high in _bars(spot):
                colour = looks[spot.kind]["color"]
                axes.plot([left, right], [low, high], color=colour, linewidth=1, alpha=0.7, zorder=2)
    axes.axhline(0, color=GREY, linewidth=1)
    axes.set_ylim(reach([spot.y.value for spot in spots], [spot.y for spot in named]))
    hidden = len(spots) - len(named)
    more = f"\n{hidden} others lie between the worst and the best: small points" if hidden else ""
    axes.set_title(title + more, loc="left", fontsize=11)
    axes.figure.legend(loc="outside lower center", ncols=3, fontsize=9)
    names = [Named(short(spot.label), spot.x.value, spot.y.value) for spot in named]
    points = [(spot.x.value, spot.y.value) for spot in spots]
    put_names(axes, names, points, [*lines, *(bar for spot in named for bar in _bars(spot))])


def _bars(spot: Spot) -> list[Box]:
    """Its intervals as lines, from the lower to the higher end."""
    x, y = spot.x, spot.y
    level, upright = (x.low, y.value, x.high, y.value), (x.value, y.low, x.value, y.high)
    return [bar for bar, one in ((level, x), (upright, y)) if math.isfinite(one.low)]
