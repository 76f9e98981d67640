"""The pictures of a board, drawn from its records and from nothing else: which there are, what they show, their files.

    forest-<task>.svg         differences to ReLU with intervals and verdicts
    curves-<task>.svg         training loss of ReLU and the best rows
    lab-field.svg             the lab's log-ratios against those of real networks
    cost.svg                  quality against training time, with the Pareto front
    critical-difference.svg   mean ranks over tasks, and which of them cannot be told apart
    tau.svg                   Kendall's tau between tasks

The same records give the same bytes. matplotlib is imported where something is drawn; what can be drawn is known
without it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench.evidence import Evidence
from bench.figures_parts import slug
from bench.figures_points import cost_svg, costed, lab_field_svg, placed
from bench.figures_ranks import blocks, correlated, critical_difference_svg, tau_svg
from bench.figures_tasks import curved, curves_svg, forest_svg, judged_rows

Drawer = Callable[[], bytes]

CAPTIONS = {
    "lab-field": "Mean log-ratio to ReLU on the lab's synthetic problems against that on real networks, one point an "
    "activation with 95 % intervals; up and to the right is better, and functions that are not pointwise have a marker "
    "of their own.",
    "cost": "Mean log-ratio to ReLU against training time as a multiple of ReLU's, with 95 % intervals; the stepped "
    "line is the Pareto front, which no other ranked activation beats in both.",
    "critical-difference": "Mean ranks over tasks, those of the lab left out and every other one counting once; a bar "
    "joins activations that the Nemenyi test at 5 % cannot tell apart (after Friedman's test, Demšar 2006), and where "
    "Friedman's test finds nothing the bar joins all.",
    "tau": "Kendall's tau between the orders of the activations on every two tasks, +1 the same and −1 the opposite; "
    "bold where the 95 % interval excludes 0, and lines part the field from the lab.",
}
TASK_CAPTIONS = {
    "forest": "Paired differences to ReLU on {task} with 95 % intervals, better to the right; the shaded region counts "
    "as no different, and the marker's shape and the word at the right give the verdict, which is corrected for all "
    "tests of the board, as the intervals are not.",
    "curves": "Training loss on {task} over the share of training done: ReLU and the best rows, the mean over seeds "
    "with a band from the lowest seed to the highest.",
}


def drawable(evidence: Evidence) -> tuple[str, ...]:
    """Names of the pictures for which there is something to draw.

    Learning curves are among them only where the records were loaded with their curves.
    """
    return tuple(_drawers(evidence))


def draw(evidence: Evidence, folder: Path) -> list[Path]:
    """Draw every drawable picture into the folder, which is made, and return the files in the order of `drawable`."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, drawer in _drawers(evidence).items():
        (folder / name).write_bytes(drawer())
        paths.append(folder / name)
    return paths


def picture(name: str, evidence: Evidence) -> bytes:
    """One drawable picture as the bytes of its file.

    Raises:
        KeyError: the board has no such picture.
    """
    return _drawers(evidence)[name]()


def caption(name: str) -> str:
    """What a picture shows, as one plain sentence; also its text for those who cannot see it."""
    stem = name.removesuffix(".svg")
    if stem in CAPTIONS:
        return CAPTIONS[stem]
    kind, _, task = stem.partition("-")
    return TASK_CAPTIONS[kind].format(task=task)


def of_task(task: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the names that are pictures of this task."""
    return tuple(name for name in (f"{kind}-{slug(task)}.svg" for kind in TASK_CAPTIONS) if name in names)


def is_ours(name: str) -> bool:
    """Whether a file of this name is a picture of some board."""
    stem, _, ending = name.rpartition(".")
    return ending == "svg" and (stem in CAPTIONS or stem.startswith(tuple(f"{kind}-" for kind in TASK_CAPTIONS)))


def _drawers(evidence: Evidence) -> dict[str, Drawer]:
    """How each drawable picture is drawn: those of the whole board first, then those of its tasks."""
    found: dict[str, Drawer] = {}
    if placed(evidence):
        found["lab-field.svg"] = partial(lab_field_svg, evidence)
    if costed(evidence):
        found["cost.svg"] = partial(cost_svg, evidence)
    if blocks(evidence) is not None:
        found["critical-difference.svg"] = partial(critical_difference_svg, evidence)
    if correlated(evidence):
        found["tau.svg"] = partial(tau_svg, evidence)
    for task in evidence.tasks:
        if judged_rows(task):
            found[f"forest-{slug(task.table.task.name)}.svg"] = partial(forest_svg, task)
    for table in evidence.board.tables:
        if curved(table):
            found[f"curves-{slug(table.task.name)}.svg"] = partial(curves_svg, table)
    return found
