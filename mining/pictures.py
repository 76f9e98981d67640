"""The pictures of the report: curves, progress, agreement of the rungs, ancestry of the best function.

Imports matplotlib when called, and never opens a window.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from mining.findings import Findings
from mining.population import Slot
from mining.style import COLOURS, DASHES, GREY, INK, canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from activations import Graph

MARKERS = ("o", "s", "D", "v", "P", "X")
CURVES = 3
"""Found functions in the picture of curves."""
REACH = 6.0
MOST_ANCESTORS = 18
SHOWN = 0.8
"""Share of the functions that a picture of their fitness must hold; a few are often worse by far than all others."""
SIGNS = 44
"""Characters of a formula in a picture."""


def drawable(findings: Findings) -> tuple[str, ...]:
    """Names of the pictures for which there is something to draw."""
    there = {
        "curves.png": bool(_curved(findings)),
        "progress.png": len(findings.trained) > 1,
        "rungs.png": len(_finite_pairs(findings)) > 1,
        "lineage.png": bool(findings.best),
    }
    return tuple(name for name, enough in there.items() if enough)


def draw(name: str, findings: Findings, folder: Path) -> Path:
    """Draw one picture into the folder and return its path."""
    drawers: dict[str, Callable[[Findings, Path], None]] = {
        "curves.png": _draw_curves,
        "progress.png": _draw_progress,
        "rungs.png": _draw_rungs,
        "lineage.png": _draw_lineage,
    }
    drawers[name](findings, folder / name)
    return folder / name


@contextmanager
def _figure(path: Path, width: float, height: float) -> Iterator[Figure]:
    """A figure in inches, saved when the block ends; matplotlib's settings are as before afterwards."""
    with canvas(width, height, {"figure.dpi": 130}) as figure:
        yield figure
        figure.savefig(path, metadata={"Software": None})


def _draw_curves(findings: Findings, path: Path) -> None:
    import numpy as np

    from mining.sample import values_and_slopes

    x = np.linspace(-REACH, REACH, 1201)
    with _figure(path, 10, 5) as figure:
        axes = figure.subplots(1, 2, sharex=True)
        for label, graph, look in _lines(findings):
            sample = values_and_slopes(graph, x)
            for one, numbers in zip(axes, sample, strict=True):
                one.plot(x, numbers, label=label, **look)
        for one, title in zip(axes, ("f(x)", "f'(x)"), strict=True):
            one.set(xlabel="x", title=title)
            _fit(one)
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=1 if len(max(labels, key=len)) > 30 else 3)


def _lines(findings: Findings) -> Iterator[tuple[str, Graph, dict[str, Any]]]:
    """What is drawn and how: known functions thin and grey below, the best ones on top of them."""
    for name, dash in (("relu", "solid"), ("gelu", (0, (4, 2)))):
        yield name, findings.references[name], {"color": GREY, "linestyle": dash, "linewidth": 1.3}
    for place, (rank, slot) in enumerate(_curved(findings)):
        look: dict[str, Any] = {"color": COLOURS[place], "linestyle": DASHES[place], "linewidth": 2.0}
        yield f"{rank}. {findings.label(slot, 70)}", slot.member.graph, look


def _curved(findings: Findings) -> list[tuple[int, Slot]]:
    """The best functions whose value depends on one number alone, with their ranks; others have no curve."""
    ranked = enumerate(findings.best, 1)
    return [(rank, slot) for rank, slot in ranked if slot.member.graph.pointwise][:CURVES]


def _fit(axes: Axes) -> None:
    """Cut off what shoots up at the edges, so that the middle can be seen."""
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, -2 * REACH), min(high, 2 * REACH))


def _draw_progress(findings: Findings, path: Path) -> None:
    fitness = [findings.fitness(slot.hash, "cheap") for slot in findings.trained]
    numbers = [math.inf if value is None else value for value in fitness]
    finite = sorted(value for value in numbers if math.isfinite(value))
    with _figure(path, 10, 5) as figure:
        axes = figure.subplots()
        axes.set(xlabel="evaluation", ylabel="fitness on the cheap rung (lower is better)")
        if finite:
            _scatter_progress(axes, findings, numbers, _ceiling(finite, findings))
        _draw_luck(axes, findings, len(numbers))
        axes.axhline(0, color=GREY, linewidth=1, label="ReLU")
        axes.set_xlim(0, len(numbers) + 1)
        figure.legend(loc="outside lower center", ncols=4)


def _ceiling(finite: Sequence[float], findings: Findings) -> float:
    """Where the picture ends: above most of the functions, above ReLU and GELU."""
    most = finite[math.ceil(SHOWN * len(finite)) - 1]
    known = [value for value in (0.0, findings.luck.mean) if math.isfinite(value)]
    top = max(most, *known)
    return top + 0.1 * (top - finite[0]) + 1e-3


def _scatter_progress(axes: Axes, findings: Findings, numbers: Sequence[float], ceiling: float) -> None:
    """A point for each evaluation by its proposer, those above the ceiling at it; the best and the median so far."""
    for place, row in enumerate(findings.proposers):
        own = [i for i, slot in enumerate(findings.trained) if slot.proposal.proposer == row.name]
        inside = [i for i in own if numbers[i] <= ceiling]
        look: dict[str, Any] = {
            "color": COLOURS[place % len(COLOURS)],
            "marker": MARKERS[place % len(MARKERS)],
            "label": row.name,
        }
        axes.scatter(
            [i + 1 for i in inside], [numbers[i] for i in inside], s=18, alpha=0.75, linewidths=0, zorder=3, **look
        )
    above = [i + 1 for i, value in enumerate(numbers) if value > ceiling]
    if above:
        axes.scatter(above, [ceiling] * len(above), s=22, color=INK, marker=10, label="above, or not finite")
    places = range(1, len(numbers) + 1)
    axes.step(places, list(accumulate(numbers, min)), where="post", color=INK, linewidth=2, label="best so far")
    middle = [value if value <= ceiling else math.nan for value in _medians(numbers)]
    axes.plot(places, middle, color=INK, linewidth=1.5, linestyle=DASHES[1], label="median so far")
    axes.set_ylim(top=ceiling + 0.02 * (ceiling - min(numbers)))


def _medians(numbers: Sequence[float]) -> Iterator[float]:
    """The median of the first number, of the first two, and so on; the lower one of two middles."""
    ordered: list[float] = []
    for number in numbers:
        insort(ordered, number)
        yield ordered[(len(ordered) - 1) // 2]


def _draw_luck(axes: Axes, findings: Findings, count: int) -> None:
    """GELU under other seeds as a band, and the best of as many copies of it as there were evaluations."""
    mean, sd = findings.luck.mean, findings.luck.sd
    if not math.isfinite(sd):
        return
    axes.axhspan(mean - sd, mean + sd, color="#f0e442", alpha=0.35, linewidth=0, zorder=0)
    axes.axhline(mean, color="#8a6d00", linewidth=1.2, linestyle=DASHES[3], label="GELU, mean ± sd")
    places = sorted({round(count ** (i / 60)) for i in range(61)})
    axes.plot(places, [findings.luck.expected_best(n) for n in places], color="#8a6d00", linewidth=1.5,
              linestyle=DASHES[2], label="best of as many GELUs")  # fmt: skip


def _finite_pairs(findings: Findings) -> list[tuple[float, float]]:
    return [pair for pair in findings.pairs("cheap", "deep") if all(map(math.isfinite, pair))]


def _draw_rungs(findings: Findings, path: Path) -> None:
    pairs = _finite_pairs(findings)
    found = findings.correlation("cheap", "deep")
    top = _ceiling(sorted(map(max, pairs)), findings)
    inside = [pair for pair in pairs if max(pair) <= top]
    low = min(map(min, inside)) - 0.02 * (top - min(map(min, inside)))
    with _figure(path, 5.5, 5.5) as figure:
        axes = figure.subplots()
        axes.plot([low, top], [low, top], color=GREY, linewidth=1, linestyle=DASHES[1], label="equal")
        cheap, deep = zip(*inside, strict=True)
        axes.scatter(cheap, deep, s=24, color=COLOURS[0], alpha=0.7, linewidths=0, label="a function")
        gelu = findings.references["gelu"].hash
        known = findings.fitness(gelu, "cheap"), findings.fitness(gelu, "deep")
        if known[0] is not None and known[1] is not None:
            axes.scatter(known[0], known[1], s=70, color=COLOURS[1], marker="D", label="GELU")
        axes.set(
            xlabel="fitness on the cheap rung", ylabel="fitness on the deep rung", xlim=(low, top), ylim=(low, top)
        )
        outside = f"; {found.n - len(inside)} lie outside" if found.n > len(inside) else ""
        axes.set_title(f"Kendall tau {found.tau:+.2f}, {found.n} functions{outside}", fontsize=10)
        axes.legend()


def _draw_lineage(findings: Findings, path: Path) -> None:
    """One function a line, oldest first; lines to the right of the chain of first parents are other ancestors."""
    shown, lanes, more = _ancestors(findings)
    rows = {slot.hash: row for row, slot in enumerate(shown)}
    with _figure(path, 10, 0.5 + 0.36 * (len(shown) + bool(more))) as figure:
        axes = figure.subplots()
        axes.set(xlim=(-0.5, 12), ylim=(len(shown) - 0.4 + bool(more), -0.6))
        axes.axis("off")
        start = max(lanes.values()) + 0.8
        for slot in shown:
            _draw_edges(axes, slot, rows, lanes)
            row, first = rows[slot.hash], lanes[slot.hash] == 0
            axes.plot(lanes[slot.hash], row, marker="o" if first else "s", color=COLOURS[0 if first else 1], zorder=3)
            axes.text(start, row, _caption(findings, slot), va="center", fontsize=8.5, color=INK)
        if more:
            axes.text(start, len(shown), f"and {more} earlier ones", va="center", fontsize=8.5, color=INK)


def _draw_edges(axes: Axes, slot: Slot, rows: dict[str | None, int], lanes: dict[str | None, int]) -> None:
    for place, parent in enumerate(slot.proposal.parents):
        if parent in rows:
            chain = place == 0 and lanes[slot.hash] == 0
            ends = [lanes[parent], lanes[slot.hash]], [rows[parent], rows[slot.hash]]
            axes.plot(*ends, color=COLOURS[0] if chain else GREY, linewidth=3 if chain else 1,
                      linestyle="solid" if chain else DASHES[1], zorder=1)  # fmt: skip


def _caption(findings: Findings, slot: Slot) -> str:
    fitness = findings.fitness(slot.hash, "deep")
    rung = "cheap" if fitness is None else "deep"
    value = findings.fitness(slot.hash, rung)
    score = "" if value is None else f"   {rung} {value:+.3f}"
    formula = findings.label(slot, SIGNS)
    if slot.generation == 0:
        return f"start: {formula}{score}"
    operation = shorten(slot.proposal.operation, SIGNS, placeholder=" …") or "new"
    return f"{slot.generation} {slot.proposal.proposer}: {operation}  →  {formula}{score}"


def _ancestors(findings: Findings) -> tuple[list[Slot], dict[str | None, int], int]:
    """The best function and its nearest ancestors, oldest first; the lane of each, the chain's is 0; how many more."""
    chain = findings.chain(findings.best[0].hash)
    near: list[Slot] = list(reversed(chain))
    waiting = list(near)
    while waiting:
        for parent in waiting.pop(0).proposal.parents:
            slot = findings.by_hash.get(parent)
            if slot is not None and slot not in near:
                near.append(slot)
                waiting.append(slot)
    shown = sorted(near[:MOST_ANCESTORS], key=lambda slot: (slot.generation, slot.slot))
    lanes: dict[str | None, int] = {slot.hash: 0 for slot in chain}
    side = 0
    for slot in shown:
        if slot.hash not in lanes:
            side = side % 3 + 1
            lanes[slot.hash] = side
    return shown, lanes, len(near) - len(shown)
