"""The records under `results/` replayed, for `racing.py`: what racing would have stopped, what a time limit reckons."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import permutations
from typing import Any

import numpy as np
from simulated import ROOT

from bench.compare import BASELINE, Row, make_boards
from bench.estimate import SLACK, Kind
from bench.judge import TaskJudgement, judge
from bench.race import FIRST_LOOK, SPARED, Terms, first_stop, key_of
from bench.store import Store

Table = tuple[str, Sequence[str], list[list[object]]]
"""Title, head and rows."""
SEED = 20_260_101
MOST_ORDERS = 720
"""Of the seeds of a row."""
LAXER = (1, 5, 10)
"""Levels that are tried, in those asked for."""


@dataclass(frozen=True)
class Raced:
    """A row of a published board that racing could have stopped."""

    board: str
    judged: TaskJudgement
    row: Row

    @property
    def pairs(self) -> dict[int, tuple[float, float]]:
        """Score of the function and of ReLU by seed, so that higher is better."""
        sign = Terms.of(self.judged.table.task).sign
        relu = self.judged.table.by_label[BASELINE].scores
        return {seed: (sign * score, sign * relu[seed]) for seed, score in self.row.scores.items() if seed in relu}

    @property
    def margin(self) -> float:
        """The region of equivalence."""
        return Terms.of(self.judged.table.task).margin

    @property
    def verdict(self) -> str:
        """The board's, with all seeds."""
        return str(self.judged.by_label[self.row.label].verdict)

    @property
    def looks_worse(self) -> bool:
        """Whether the interval of all seeds, adjusted for nothing, lies on ReLU's side of 0."""
        sign, estimate = Terms.of(self.judged.table.task).sign, self.judged.by_label[self.row.label].difference
        return estimate is not None and max(sign * estimate.low, sign * estimate.high) < 0

    def seconds(self, after: int = 0) -> float:
        """Training time, of the seeds behind so many pairs."""
        late = sorted(self.pairs)[after:]
        return math.fsum(record.times.train or 0 for record in self.row.records if record.seed in late)


@cache
def raced() -> list[Raced]:
    """Every row of the published boards with seeds to spare."""
    records = Store(ROOT / "results").load(curves=False).records
    return [
        Raced(board.profile, judged, row)
        for board in make_boards(records)
        for judged in judge(board)
        for row in judged.table.rows
        if row.label not in SPARED and row.complete and len(row.scores) > FIRST_LOOK
    ]


def replay(draws: int, alpha: float) -> Table:
    """The rows that would have been stopped, by ascending seed, at the level and at laxer ones."""
    rows: list[list[object]] = []
    for share in (factor * alpha for factor in LAXER):
        saved = seconds = 0.0
        stopped = 0
        for one in raced():
            seconds += one.seconds()
            pairs = [pair for _, pair in sorted(one.pairs.items())]
            after = first_stop(pairs, one.margin, share)
            if after is None or after == len(pairs):
                continue
            stopped += 1
            saved += one.seconds(after)
            rows.append([f"{share:g}", *_stopped_row(one, pairs, after)])
        total = [f"**{stopped} of {len(raced())} rows**", "", "", "", ""]
        rows.append([f"{share:g}", *total, f"{saved:,.0f} of {seconds:,.0f} ({percent(saved / seconds)} %)", ""])
    columns = ["level", "row", "seeds", "stopped after", "difference then", "with all seeds", "training s saved"]
    return "Replay of `results/`, by ascending seed", [*columns, "verdict with all seeds"], rows


def _stopped_row(one: Raced, pairs: Sequence[tuple[float, float]], after: int) -> list[object]:
    table, sign = one.judged.table, Terms.of(one.judged.table.task).sign
    then, all_of_them = (sign * math.fsum(a - b for a, b in part) / len(part) for part in (pairs[:after], pairs))
    name = f"{one.board}: {one.row.label} on {table.task.name}"
    return [
        name, len(pairs), after, f"{then:+.3g}", f"{all_of_them:+.3g} {table.task.metric.unit}",
        f"{one.seconds(after):,.0f}", one.verdict,
    ]  # fmt: skip


def orders(draws: int, alpha: float) -> Table:
    """The same over every order of the seeds."""
    rows: list[list[object]] = []
    kinds: Mapping[str, Callable[[Raced], bool]] = {
        "called worse by the board": lambda one: one.verdict == "worse",
        "not called so, but its interval lies below ReLU": lambda one: one.verdict != "worse" and one.looks_worse,
        "neither": lambda one: not one.looks_worse,
    }
    for share in (factor * alpha for factor in LAXER):
        for name, belongs in kinds.items():
            members = [one for one in raced() if belongs(one)]
            stops = [stop for one in members for stop in every_order(one, share)]
            saved = [1 - after / total for after, total in stops]
            caught = sum(after < total for after, total in stops) / len(stops)
            rows.append([f"{share:g}", name, len(members), len(stops), percent(caught), percent(float(np.mean(saved)))])
    columns = ["level", "row, with all its seeds", "rows", "orders", "stopped, %", "seeds saved, %"]
    return "Replay of `results/`, in every order of the seeds", columns, rows


def every_order(one: Raced, alpha: float) -> Iterator[tuple[int, int]]:
    """After how many of how many pairs the row is stopped, order by order; of many seeds a sample of their orders."""
    pairs, rng = list(one.pairs.values()), np.random.default_rng(SEED)
    orders: Iterable[Sequence[tuple[float, float]]] = permutations(pairs)
    if math.factorial(len(pairs)) > MOST_ORDERS:
        orders = ([pairs[place] for place in rng.permutation(len(pairs))] for _ in range(MOST_ORDERS))
    for order in orders:
        yield first_stop(order, one.margin, alpha) or len(pairs), len(pairs)


def times(draws: int, alpha: float) -> Table:
    """Recorded cells that took longer than a time limit would have reckoned with, from those before them."""
    cells: dict[object, list[tuple[str, float]]] = defaultdict(list)
    for record in Store(ROOT / "results").load(curves=False).records:
        if record.score is not None:
            place = key_of(record), record.activation.graph_hash, Kind.of(record.machine)
            cells[place].append((record.started_at, record.times.total + record.times.startup))
    over: dict[int, list[list[bool]]] = defaultdict(list)
    for taken in cells.values():
        seconds = [value for _, value in sorted(taken)]
        for n in range(1, len(seconds)):
            known = seconds[:n]
            bounds = (float(np.median(known)), *(factor * max(known) for factor in (1, SLACK, 1.5, 2)))
            over[min(n, 4)].append([seconds[n] > bound for bound in bounds])
    rows: list[list[object]] = [
        [f"{n} or more" if n == 4 else n, len(found), *(percent(float(share)) for share in np.mean(found, axis=0))]
        for n, found in sorted(over.items())
    ]
    columns = ["earlier cells of the kind", "cells", "their median", "their longest", f"{SLACK:g} × longest (ours)"]
    columns += ["1.5 × longest", "2 × longest"]
    title = "Recorded cells that took longer than …, %, on cores that were shared with other work"
    return title, columns, rows


def percent(share: float | np.floating[Any], places: int = 1) -> str:
    """`95.1`."""
    return f"{100 * float(share):.{places}f}"
