"""Pictures of a page: where they lie, what they show in words, and which of them there are to draw."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.evidence import Evidence
from bench.site.assets import without_addresses

if TYPE_CHECKING:
    from activations import Graph

FOLDER = "pictures"


@dataclass(frozen=True)
class Picture:
    """One picture as a page shows it."""

    path: str
    """In the site."""
    caption: str


def draw_board(evidence: Evidence, site: Path) -> Mapping[str, Sequence[Picture]]:
    """Draw everything that a board has to show: its own pictures under the empty name, those of a task under its."""
    from bench import figures

    place = f"{FOLDER}/{evidence.folder}"
    drawn = figures.draw(evidence, site / place)
    for path in drawn:  # the name of a metric may hold an address
        path.write_text(without_addresses(path.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")
    names = tuple(path.name for path in drawn)
    found = {name: Picture(f"{place}/{name}", figures.caption(name)) for name in names}
    tasks = [task.table.task.name for task in evidence.tasks]
    by_task = {task: figures.of_task(task, names) for task in tasks}
    shown = {name for held in by_task.values() for name in held}
    of_tasks = {task: [found[name] for name in held] for task, held in by_task.items()}
    return of_tasks | {"": [found[name] for name in names if name not in shown]}


def curve(graph: Graph) -> str:
    """The curve of a pointwise function with its slopes, as SVG to stand inside a page."""
    from bench.curves import curve_svg

    return inline(curve_svg(graph).decode())


def inline(svg: str) -> str:
    """A picture as part of a page: as wide as there is room, and silent, since its frame says what it shows."""
    body = re.sub(r"\A\s*<\?xml[^>]*\?>\s*", "", svg)
    return re.sub(r'<svg([^>]*?) width="[^"]*" height="[^"]*"', r'<svg\1 aria-hidden="true"', body, count=1)
