"""What several pictures of a board share: which rows are shown, how they are named, where a name stands beside its
point."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from bench.inference import Estimate
from bench.style import GREY, GROUND

if TYPE_CHECKING:
    from matplotlib.axes import Axes

T = TypeVar("T")

WIDTH = 6.2
"""Inches; with text of 10 points it can be read on a phone, where a picture is as wide as the screen."""
MOST_SIGNS = 25
"""Characters of a name; a longer one loses its middle."""
_DIRECTIONS = ((1, 1), (-1, 1), (1, -1), (-1, -1), (1, 0), (-1, 0), (0, 1), (0, -1))
_DISTANCES = (5, 12, 22, 34, 48, 64)
"""Points between a point and its name; from the second on a line joins them."""
_DOT = 5
"""Half of the square that a point needs, in points."""
_LINE = 1.5
"""Half of the breadth that a line needs, in points."""

Box = tuple[float, float, float, float]
"""Left, low, right, high."""


@dataclass(frozen=True)
class Named:
    """A point that is to carry a name."""

    name: str
    x: float
    y: float


def slug(name: str) -> str:
    """A task's name as part of the name of a file."""
    return re.sub(r"[^a-z0-9_]+", "-", name.lower()).strip("-")


def short(name: str) -> str:
    """A name that fits; both its ends are kept, since names of one family differ in the last signs."""
    return name if len(name) <= MOST_SIGNS else f"{name[: MOST_SIGNS - 10]}…{name[-9:]}"


def ends(rows: Sequence[T], most: int) -> tuple[list[T], list[T], int]:
    """The best and the worst of rows in order, `most` of them at the most, and how many between are left out."""
    if len(rows) <= most:
        return list(rows), [], 0
    best = most - most // 2
    return list(rows[:best]), list(rows[len(rows) - most // 2 :]), len(rows) - most


def reach(values: Sequence[float], estimates: Sequence[Estimate]) -> tuple[float, float]:
    """Where an axis begins and ends: around values and 0, and as far out along the intervals as the values spread."""
    low, high = min([*values, 0.0]), max([*values, 0.0])
    spread = (high - low) or 1.0
    bounds = [bound for one in estimates for bound in (one.low, one.high) if math.isfinite(bound)]
    left, right = max(low - spread, min([low, *bounds])), min(high + spread, max([high, *bounds]))
    margin = 0.08 * (right - left or spread)
    return left - margin, right + margin


def put_names(axes: Axes, named: Sequence[Named], points: Sequence[tuple[float, float]], lines: Sequence[Box]) -> None:
    """Write names beside their points, the first ones nearest, where they cover no point, no other name, and no line if
    it can be helped. Call it last: it fixes the layout, which it must know.

    Args:
        named: which points carry names, the most important first.
        points: all points, in data coordinates.
        lines: upright and level lines, in data coordinates.
    """
    drawn = axes.get_figure(root=True)
    assert drawn is not None
    drawn.draw_without_rendering()
    drawn.set_layout_engine("none")
    scale = drawn.dpi / 72

    def place(x: float, y: float) -> tuple[float, float]:
        across, up = axes.transData.transform((x, y)) / scale
        return float(across), float(up)

    dots = [_wider((*place(x, y), *place(x, y)), _DOT) for x, y in points]
    bars = [_wider((*place(left, low), *place(right, high)), _LINE) for left, low, right, high in lines]
    left, low, right, high = (float(bound) / scale for bound in axes.bbox.extents)
    for point in named:
        note = axes.annotate(
            point.name, (point.x, point.y), (0, 0), textcoords="offset points", va="center", ha="center", fontsize=9,
            zorder=5, bbox={"facecolor": GROUND, "edgecolor": "none", "alpha": 0.85, "pad": 0.2},
        )  # fmt: skip
        size = note.get_window_extent()
        sides = size.width / scale, size.height / scale
        shift, distance, box = _free((left, low, right, high), place(point.x, point.y), sides, dots, bars)
        dots.append(box)
        note.set_position(shift)
        if distance > _DISTANCES[0]:
            axes.annotate(
                "", (point.x, point.y), shift, textcoords="offset points", zorder=4,
                arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.7, "shrinkA": 0, "shrinkB": 3},
            )  # fmt: skip


def _free(
    frame: Box, centre: tuple[float, float], size: tuple[float, float], dots: Sequence[Box], bars: Sequence[Box]
) -> tuple[tuple[float, float], float, Box]:
    """The least covered place for a name, all in points: from its point to its middle, the distance, and its box."""
    found: list[tuple[float, int, tuple[float, float], float, Box]] = []
    for distance in _DISTANCES:
        for across, up in _DIRECTIONS:
            dx, dy = across * (distance + size[0] / 2), up * (distance + size[1] / 2)
            x, y = centre[0] + dx - size[0] / 2, centre[1] + dy - size[1] / 2
            box = (x, y, x + size[0], y + size[1])
            outside = box[0] < frame[0] or box[1] < frame[1] or box[2] > frame[2] or box[3] > frame[3]
            badness = 100.0 * outside + 20 * _hits(box, dots) + 3 * _hits(box, bars) + distance / 12
            found.append((badness, len(found), (dx, dy), distance, box))
    return min(found)[2:]


def _wider(box: Box, by: float) -> Box:
    return box[0] - by, box[1] - by, box[2] + by, box[3] + by


def _hits(box: Box, others: Sequence[Box]) -> int:
    return sum(box[0] < o[2] and o[0] < box[2] and box[1] < o[3] and o[1] < box[3] for o in others)
