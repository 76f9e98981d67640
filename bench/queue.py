"""Cells that wait for a lane, and which of them a free lane gets: alone, or with other seeds in one program."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from bench.plan import Cell
from bench.records import Record


@dataclass(frozen=True)
class Job:
    """Cells that one program trains: they differ in their seeds alone."""

    cells: tuple[Cell, ...]
    """In the order of their seeds; mostly one."""

    @property
    def task(self) -> str:
        """Name of their task."""
        return self.cells[0].task.name

    @property
    def label(self) -> str:
        """Short name for the screen."""
        seeds = ", ".join(str(cell.seed) for cell in self.cells)
        return self.cells[0].titled(f"{'seed' if len(self.cells) == 1 else 'seeds'} {seeds}")


class Rule(Protocol):
    """Says which of the waiting cells may be started now."""

    ordered: bool
    """Whether the order that `admit` gives goes before keeping a lane at its task."""

    def admit(self, cells: Sequence[Cell]) -> list[Cell]:
        """Those that may be started, the most urgent first; the others go on waiting."""
        ...

    def observe(self, record: Record) -> None:
        """A cell has ended, now or earlier."""
        ...


class Queue:
    """Cells in the order of the plan, handed out job by job."""

    def __init__(
        self, cells: Iterable[Cell], together: Callable[[Cell], int] = lambda cell: 1, rules: Sequence[Rule] = ()
    ) -> None:
        """`together` gives the number of seeds that one program should train of a cell's task."""
        self._cells = list(cells)
        self._together = together
        self._rules = rules
        self._alone: set[str] = set()
        self._longest: dict[str, float] = {}
        """By task, seconds of the longest program that has ended."""

    def __len__(self) -> int:
        return len(self._cells)

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Those that wait."""
        return tuple(self._cells)

    def take(self, task: str | None, running: Collection[str]) -> Job | None:
        """The next job for a lane whose worker serves `task`, while others run the tasks `running`; None for none.

        Where no rule gives an order: a cell of the lane's own task, else of one that nobody runs, else of the one with
        the longest cells so far, so that what fills the last gaps is short; the first in the plan among equals.
        """
        cells: Sequence[Cell] = self._cells
        for rule in self._rules:
            cells = rule.admit(cells)
        if not cells:
            return None
        first = cells[0] if any(rule.ordered for rule in self._rules) else self._at_home(cells, task, running)
        most = 1 if first.id in self._alone else max(1, self._together(first))
        chosen = [first, *islice(self._beside(first, cells), most - 1)]
        taken = {cell.id for cell in chosen}
        self._cells = [cell for cell in self._cells if cell.id not in taken]
        return Job(tuple(sorted(chosen, key=lambda cell: cell.seed)))

    def put_back(self, cells: Sequence[Cell], alone: bool) -> None:
        """Let cells wait again, before all others; `alone`: each is to have a program of its own."""
        self._cells[:0] = cells
        if alone:
            self._alone |= {cell.id for cell in cells}

    def drop(self, task: str) -> int:
        """Leave out the cells of a task; how many those were."""
        before = len(self._cells)
        self._cells = [cell for cell in self._cells if cell.task.name != task]
        return before - len(self._cells)

    def observe(self, record: Record) -> None:
        """Tell the rules of a cell that has ended."""
        task, times = record.task.name, record.times
        self._longest[task] = max(self._longest.get(task, 0.0), times.total * times.together)
        for rule in self._rules:
            rule.observe(record)

    def _beside(self, first: Cell, cells: Iterable[Cell]) -> Iterator[Cell]:
        """The others that differ from a cell in their seeds alone."""
        program = _program(first)
        for cell in cells:
            if cell is not first and cell.id not in self._alone and _program(cell) == program:
                yield cell

    def _at_home(self, cells: Sequence[Cell], task: str | None, running: Collection[str]) -> Cell:
        for wanted in (lambda cell: cell.task.name == task, lambda cell: cell.task.name not in running):
            for cell in cells:
                if wanted(cell):
                    return cell
        return max(cells, key=lambda cell: self._longest.get(cell.task.name, 0.0))


def _program(cell: Cell) -> tuple[object, ...]:
    return cell.task.name, cell.activation.graph.hash, cell.profile, sorted(cell.overrides.items())
