"""The order of cells by what they are worth, for a run that has only so much time.

In plain words:

1. **Anchors**: ReLU's first `FEWEST_PAIRS` seeds on every task with a published number, under the `paper` recipe.
2. **ReLU's first seed** on every other task, since every other cell is read against it.
3. **Rounds**: until every function has `FEWEST_PAIRS` pairs with ReLU, below which there is no verdict, one seed of
   everything, cheapest task first, and within a task ReLU first; then the next seed.
4. **The nearest to precise**: the row whose 95 % interval takes the fewest seconds more to become as narrow as the
   region of equivalence, were its scatter to stay as it is. Its seeds follow each other.
5. **Further rounds** of rows that still lack the fewest pairs.
6. What the planned seeds **cannot make precise**, the nearest first.
7. What **is precise**, or has no scatter at all.
8. Functions with a cell that **failed** for good: their verdict stays `failed`.

From the fewest pairs on, the scatter of a row decides and never its mean difference: seeds that went where a verdict is
about to be told would make the board's tests err several times as often as they promise, by choosing when to stop
looking (`benchmarks/ordering.py`).

A cell of ReLU that a pair lacks stands right before the first function's that needs it. Beyond that the plan's order
holds, so the same cells and records give the same order.
"""

from __future__ import annotations

import math
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import IntEnum
from functools import cache
from typing import NamedTuple

from bench.compare import BASELINE, Spread, paired
from bench.estimate import Costs, Kind, fits, seconds_needed
from bench.inference import ALPHA, FEWEST_PAIRS, half_width
from bench.judge import MARGINS
from bench.plan import Cell
from bench.profiles import base_of
from bench.race import Key, Ledger, key_of
from bench.records import Record

MOST_PAIRS = 10_000
"""An interval that takes more is out of reach."""


class Tier(IntEnum):
    """The steps of the order, as in the text above."""

    ANCHOR = 1
    BASELINE = 2
    ROUND = 3
    NEAREST = 4
    LATER_ROUND = 5
    OUT_OF_REACH = 6
    PRECISE = 7
    FAILED = 8


class Worth(NamedTuple):
    """What a cell is worth; the smallest goes first."""

    tier: Tier
    first: float
    """Round, or seconds until the row is precise."""
    second: float
    """Seconds of the task, or pairs until then."""
    task: int
    """Its place in the plan."""
    function: int
    """Its place in the plan, where the seeds of a function follow each other; 0 where those of a task do."""
    seed: int
    needs_relu: bool
    """False for ReLU itself, which goes before what needs it."""
    place: int
    """The cell's place in the plan."""


def order(cells: Sequence[Cell], ledger: Ledger, costs: Costs) -> list[Cell]:
    """The cells, most valuable first, by what is recorded."""
    worths = _Valuation(cells, ledger, costs).worths()
    return [cells[place] for place in sorted(worths, key=worths.__getitem__)]


def further_pairs(difference: Spread, margin: float) -> int | None:
    """How many more pairs it takes until the 95 % interval reaches no farther than `margin` to either side, if the
    scatter stays as it is; 0 where it reaches no farther now, None where `MOST_PAIRS` are too few or where there is no
    scatter."""
    if not difference.sd or margin <= 0:
        return None
    numbers = range(FEWEST_PAIRS, MOST_PAIRS + 1)
    sd = difference.sd
    needed = bisect_left(numbers, True, key=lambda n: half_width(sd / math.sqrt(n), n - 1, ALPHA) < margin)
    return None if needed == len(numbers) else max(0, numbers[needed] - difference.n)


class TimeLimit:
    """The rule of `--time-limit`: the most valuable cells that can still end in time, and none that cannot.

    Args:
        limit: seconds from now.
        records: what was recorded earlier under the profile.
        kind: of the machine that the cells will run on; None takes the times of all records as they are.
    """

    ordered = True
    """It gives the order."""

    def __init__(
        self,
        limit: float,
        records: Iterable[Record] = (),
        kind: Kind | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = limit
        self._clock = clock
        self._end = clock() + limit
        self._ledger = Ledger()
        self._costs = Costs(kind=kind)
        self._out_of_reach = 0
        """So many waiting cells were looked at and none fitted; with less time left and nothing learned, none will."""
        for record in records:
            self.observe(record)

    @property
    def left(self) -> float:
        """Seconds."""
        return self._end - self._clock()

    def observe(self, record: Record) -> None:
        """Take note of a cell that ended, now or earlier."""
        self._ledger.observe(record)
        self._costs.observe(record)
        self._out_of_reach = 0

    def admit(self, cells: Sequence[Cell]) -> list[Cell]:
        """Those that can still end in time, the most valuable first."""
        left = self.left
        if len(cells) <= self._out_of_reach:
            return []
        able = [cell for cell in cells if fits(cell, left, self._limit, self._costs)]
        self._out_of_reach = 0 if able else len(cells)
        return order(able, self._ledger, self._costs)

    def shortest(self, cells: Iterable[Cell]) -> float | None:
        """Seconds that a limit must have to start one of the cells; None where nobody knows how long they take."""
        known = (seconds_needed(cell, self._costs) for cell in cells)
        return min((seconds for seconds in known if seconds is not None), default=None)

    def affordable(self, cell: Cell, most: int) -> int:
        """How many seeds of a cell, up to `most`, one program can train in the time that is left; at least 1."""
        left = self.left
        return next((n for n in range(most, 1, -1) if fits(cell, left, self._limit, self._costs, n)), 1)


class _Valuation:
    """Every cell's worth, row by row: a function on a task."""

    def __init__(self, cells: Sequence[Cell], ledger: Ledger, costs: Costs) -> None:
        self._cells, self._ledger, self._costs = cells, ledger, costs
        self._keys = [key_of(cell) for cell in cells]
        rows: dict[tuple[Key, str], list[int]] = defaultdict(list)
        for place in sorted(range(len(cells)), key=lambda place: cells[place].seed):
            rows[self._keys[place], cells[place].activation.graph.hash].append(place)
        self._rows = dict(sorted(rows.items(), key=lambda row: min(row[1])))
        self._tasks = {key: number for number, key in enumerate(dict.fromkeys(key for key, _ in self._rows))}

    def worths(self) -> dict[int, Worth]:
        """By the cell's place in the plan."""
        found: dict[int, Worth] = {}
        for number, ((key, graph), places) in enumerate(self._rows.items()):
            if graph != _relu():
                found.update((worth.place, worth) for worth in self._of_function(key, graph, places, number))
        earliest: dict[tuple[Key, int], Worth] = {}
        for place, worth in found.items():
            pair = self._keys[place], worth.seed
            earliest[pair] = min(worth, earliest.get(pair, worth))
        for (key, graph), places in self._rows.items():
            if graph == _relu():
                found.update((worth.place, worth) for worth in self._of_relu(key, places, earliest))
        return found

    def _of_function(self, key: Key, graph: str, places: Sequence[int], number: int) -> Iterator[Worth]:
        own, task, cost = self._ledger.seeds(key, graph), self._tasks[key], self._cost(key)
        difference = paired(_scores(own), _scores(self._ledger.baseline(key)))
        pairs = 0 if difference is None else difference.n
        failed = any(score is not None and math.isnan(score) for score in own.values())
        if difference is not None and pairs >= FEWEST_PAIRS and not failed:
            tier, first, second = self._to_precise(key, places, difference)
        for turn, place in enumerate(places, start=pairs):
            seed = self._cells[place].seed
            if failed:
                yield Worth(Tier.FAILED, 0, 0, task, number, seed, True, place)
            elif pairs >= FEWEST_PAIRS:
                yield Worth(tier, first, second, task, number, seed, True, place)
            else:
                step = Tier.ROUND if turn < FEWEST_PAIRS else Tier.LATER_ROUND
                yield Worth(step, turn, cost, task, 0, seed, True, place)

    def _of_relu(self, key: Key, places: Sequence[int], earliest: Mapping[tuple[Key, int], Worth]) -> Iterator[Worth]:
        task, cost = self._tasks[key], self._cost(key)
        for turn, place in enumerate(places, start=len(_scores(self._ledger.baseline(key)))):
            cell = self._cells[place]
            anchor = cell.task.reference is not None and base_of(cell.profile) == "paper"
            if turn < FEWEST_PAIRS and (anchor or turn == 0):
                yield Worth(Tier.ANCHOR if anchor else Tier.BASELINE, turn, cost, task, 0, cell.seed, False, place)
                continue
            step = Tier.ROUND if turn < FEWEST_PAIRS else Tier.PRECISE
            own = Worth(step, turn, cost, task, 0, cell.seed, False, place)
            needed = earliest.get((key, cell.seed), own)
            yield min(own, needed._replace(needs_relu=False, place=place))

    def _to_precise(self, key: Key, places: Sequence[int], difference: Spread) -> tuple[Tier, float, float]:
        """The tier of a row that could have a verdict; seconds until it is precise, and pairs."""
        cell = self._cells[places[0]]
        if not difference.sd:
            return Tier.PRECISE, 0, 0
        further = further_pairs(difference, MARGINS.get(cell.task.family, 0.0))
        if further == 0:
            return Tier.PRECISE, 0, 0
        if further is None:
            return Tier.OUT_OF_REACH, math.inf, difference.n
        relu = self._ledger.baseline(key)
        lacking = sum(self._cells[place].seed not in relu for place in places[:further])
        own = self._costs.seconds(cell)
        seconds = math.inf if own is None else further * own.typical + (lacking * self._cost(key) if lacking else 0)
        return Tier.NEAREST if further <= len(places) else Tier.OUT_OF_REACH, seconds, further

    def _cost(self, key: Key) -> float:
        found = self._costs.of_task(key)
        return math.inf if found is None else found


def _scores(ended: Mapping[int, float | None]) -> dict[int, float]:
    return {seed: score for seed, score in ended.items() if score is not None and not math.isnan(score)}


@cache
def _relu() -> str:
    """Hash of ReLU; plans have traced their functions, so torch is loaded already."""
    from activations import get

    return get(BASELINE).graph.hash
