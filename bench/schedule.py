"""What a user may ask of a run beside its cells: to race the functions, and to be done within a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from bench import provenance
from bench.devices import Lane, gpu_name
from bench.estimate import Kind
from bench.plan import Cell
from bench.queue import Rule
from bench.race import Race
from bench.records import Record
from bench.tables import count_of
from bench.value import TimeLimit


class Schedule:
    """Racing and a time limit, in the terms of the runner.

    Args:
        cells: everything that is planned, recorded cells among it.
        records: what was recorded earlier under the profile; looked at only where something is asked for.
        race: whether functions that are clearly worse than ReLU get no further seeds.
        seconds: what the run may take; None for no limit.
        kind: of the machine that cells run on; None where that is not known.
    """

    def __init__(
        self,
        cells: Iterable[Cell],
        records: Callable[[], Iterable[Record]],
        race: bool,
        seconds: float | None,
        kind: Kind | None,
    ) -> None:
        self._race = Race(cells) if race else None
        self._limit = None if seconds is None else TimeLimit(seconds, kind=kind)
        self.rules: list[Rule] = [rule for rule in (self._race, self._limit) if rule is not None]
        self.marks: Mapping[str, float] = {} if self._race is None else {"race": self._race.alpha}
        """What every record of the run is marked with."""
        for record in records() if self.rules else ():
            for rule in self.rules:
                rule.observe(record)

    @property
    def seconds_left(self) -> float | None:
        """None for no limit."""
        return None if self._limit is None else self._limit.left

    def shortest(self, waiting: Sequence[Cell]) -> float | None:
        """Seconds of the shortest limit that would start one of the cells, as far as is known."""
        if self._limit is None:
            return None
        return self._limit.shortest(waiting if self._race is None else self._race.admit(waiting))

    def bounded(self, wanted: Callable[[Cell], int]) -> Callable[[Cell], int]:
        """How many seeds one program may train, if `wanted` are worthwhile: no more than can end in time, and no more
        than the race would let start one after the other."""

        def number(cell: Cell) -> int:
            most = wanted(cell)
            if self._race is not None and most > 1:
                most = min(most, self._race.ahead(cell))
            return most if self._limit is None or most == 1 else self._limit.affordable(cell, most)

        return number

    def stopped(self, waiting: Sequence[Cell]) -> list[str]:
        """One sentence for each function that gets no further seeds on a task."""
        held: Counter[tuple[str, str]] = Counter()
        sentences: dict[tuple[str, str], str] = {}
        for cell in waiting:
            found = self._race and self._race.stopped(cell.task.name, cell.activation.graph.hash)
            if found:
                row = cell.task.name, cell.activation.name
                held[row] += 1
                sentences[row] = found.sentence
        return [
            f"{task} {name} is stopped: {sentence}; {count_of(held[task, name], 'cell')} spared"
            for (task, name), sentence in sentences.items()
        ]

    def spared(self, waiting: Sequence[Cell]) -> int:
        """How many of the waiting cells are not to be run."""
        return 0 if self._race is None else len(waiting) - len(self._race.admit(waiting))


def kind_of(lane: Lane) -> Kind | None:
    """The kind of this machine; None where the GPU's name cannot be had."""
    if lane.device == "cpu":
        return Kind(provenance.cpu_name(), "", lane.threads)
    name = gpu_name(lane.environment["CUDA_VISIBLE_DEVICES"])
    return Kind(provenance.cpu_name(), name, 0) if name else None
