"""How long cells will take, from what recorded ones took, and which of them fit into the time that is left."""

from __future__ import annotations

import math
import re
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from bench.compare import RELU
from bench.errors import UsageError
from bench.plan import Cell
from bench.race import Key, key_of
from bench.records import Machine, Record

SLACK = 1.25
"""A cell is taken to need this many times the longest time seen of it. Our choice; `benchmarks/racing.py` counts how
many recorded cells took longer."""
UNKNOWN = 0.5
"""Share of the limit that must be left to start a cell of which nobody knows how long it takes. Our choice."""
_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?")


class Kind(NamedTuple):
    """Machines on which a cell takes about as long."""

    cpu: str
    gpu: str
    threads: int
    """Of a worker on a CPU; 0 on a GPU, where they hardly matter."""

    @staticmethod
    def of(machine: Machine) -> Kind:
        """That of the machine of a record."""
        return Kind(machine.cpu, machine.gpu, machine.threads if machine.device == "cpu" else 0)


class Seconds(NamedTuple):
    """Time of a cell in its worker, the start of a process included."""

    typical: float
    """Median."""
    longest: float


class Costs:
    """What cells took, from the records that have a score: others may have ended early.

    Args:
        kind: leave out the records of other kinds of machines; None takes all.
    """

    def __init__(self, records: Iterable[Record] = (), kind: Kind | None = None) -> None:
        self._kind = kind
        self._taken: dict[Key, dict[str, dict[int, list[float]]]] = defaultdict(dict)
        """Protocol, function, seeds in one program: seconds of that program."""
        self._relu: set[str] = set()
        self._found: dict[tuple[Key, str, int], Seconds | None] = {}
        self._ratios: dict[tuple[str, str], float] = {}
        for record in records:
            self.observe(record)

    def observe(self, record: Record) -> None:
        """Take note of a cell that ended."""
        if record.score is None or (self._kind is not None and Kind.of(record.machine) != self._kind):
            return
        graph, times = record.activation.graph_hash, record.times
        programs = self._taken[key_of(record)].setdefault(graph, defaultdict(list))
        programs[times.together].append((times.total + times.startup) * times.together)
        if record.activation.graph == RELU:
            self._relu.add(graph)
        self._found.clear()
        self._ratios.clear()

    def seconds(self, cell: Cell, seeds: int = 1) -> Seconds | None:
        """Of a program that trains so many seeds of a cell at once.

        From the same function on the same task by the same recipe. Else from ReLU there, or from the slowest function
        where ReLU is not known, times the largest ratio of this function to that one on any other task; of a function
        that is known nowhere, the largest ratio of any. None where nothing is known of the task by this recipe.
        """
        asked = key_of(cell), cell.activation.graph.hash, seeds
        if asked not in self._found:
            self._found[asked] = self._look(*asked)
        return self._found[asked]

    def _look(self, key: Key, graph: str, seeds: int) -> Seconds | None:
        known = self._taken.get(key)
        if not known:
            return None
        if graph in known:
            return _of_size(known[graph], seeds)
        reference = self._reference(known)
        if (graph, reference) not in self._ratios:
            self._ratios[graph, reference] = self._ratio(graph, reference)
        ratio, (typical, longest) = self._ratios[graph, reference], _of_size(known[reference], seeds)
        return Seconds(ratio * typical, ratio * longest)

    def of_task(self, key: Key) -> float | None:
        """Typical seconds of a cell with ReLU, or with the slowest function where ReLU is not known."""
        known = self._taken.get(key)
        return _a_seed(known[self._reference(known)]) if known else None

    def _reference(self, known: Mapping[str, Mapping[int, Sequence[float]]]) -> str:
        return max(known, key=lambda one: (one in self._relu, _a_seed(known[one]), one))

    def _ratio(self, graph: str, reference: str) -> float:
        """Largest ratio of a function's typical time to the reference's, else of any function's; at least 1, since it
        should be too long rather than too short."""
        own, any_of_all = [], [1.0]
        for known in self._taken.values():
            if reference in known:
                base = _a_seed(known[reference])
                ratios = {one: _a_seed(programs) / base for one, programs in known.items()}
                any_of_all.extend(ratios.values())
                if graph in ratios:
                    own.append(ratios[graph])
        return max(1.0, *own) if own else max(any_of_all)


def estimate(cell: Cell, costs: Costs, seeds: int = 1) -> float | None:
    """Seconds that a cell will take, typically; None where nobody knows. For several seeds in one program: of all."""
    found = costs.seconds(cell, seeds)
    return None if found is None else found.typical


def seconds_needed(cell: Cell, costs: Costs, seeds: int = 1) -> float | None:
    """Seconds that must be left to start a cell: the longest time seen, times `SLACK`; None where nobody knows."""
    found = costs.seconds(cell, seeds)
    return None if found is None else SLACK * found.longest


def fits(cell: Cell, left: float, limit: float, costs: Costs, seeds: int = 1) -> bool:
    """Whether a cell may be started with so many seconds left of the limit.

    A cell that is known may if what it needs is left. Of a cell that is not, it is the first of its kind that tells: it
    may while `UNKNOWN` of the limit is left.
    """
    seconds = seconds_needed(cell, costs, seeds)
    return left >= (UNKNOWN * limit if seconds is None else seconds)


def parse_duration(text: str) -> float:
    """Seconds of a duration written as `90s`, `30m`, `2h`, `1h30m`, or as a plain number of seconds.

    Raises:
        UsageError: something else is written there, or no time at all.
    """
    written = text.strip()
    match = _DURATION.fullmatch(written)
    if re.fullmatch(r"\d+(?:\.\d+)?", written):
        seconds = float(written)
    elif match and written:
        seconds = math.fsum(
            unit * float(part) for unit, part in zip((3600, 60, 1), match.groups(), strict=True) if part
        )
    else:
        raise UsageError(f"a time limit is written like 90s, 30m, 2h or 1h30m, not {text!r}")
    if not 0 < seconds < math.inf:
        raise UsageError(f"a time limit is longer than nothing and shorter than for ever, not {text!r}")
    return seconds


def _of_size(programs: Mapping[int, Sequence[float]], seeds: int = 1) -> Seconds:
    """Of a program of so many seeds: as recorded; else of the next larger one, or of as many of the largest as it
    takes."""
    larger = [size for size in programs if size >= seeds]
    size = min(larger) if larger else max(programs)
    times = math.ceil(seeds / size)
    return Seconds(times * statistics.median(programs[size]), times * max(programs[size]))


def _a_seed(programs: Mapping[int, Sequence[float]]) -> float:
    """Typical seconds of a seed in the smallest programs recorded: one alone, where there is such a one."""
    size = min(programs)
    return statistics.median(programs[size]) / size
