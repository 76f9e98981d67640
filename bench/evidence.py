"""Everything that the records say of one board, worked out once: what the leaderboard, its pictures and pages show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from bench import clrs
from bench.compare import Board, make_boards
from bench.cost import Cost, costs
from bench.judge import TaskJudgement, judge
from bench.overall import Overall, rank_board
from bench.profiles import PROFILES, TUNED, base_of
from bench.records import ActivationFacts, Record
from bench.transfer import Transfer, transfer

MOST_ALGORITHMS = 6
"""CLRS-30 algorithms that get columns of their own in a table of many tasks, while there is no mean over all."""


@dataclass(frozen=True)
class Evidence:
    """A board, judged."""

    board: Board
    tasks: tuple[TaskJudgement, ...]
    """Every task; last the mean over CLRS-30, where it is formed."""
    overall: tuple[Overall, ...]
    """Every activation, the ranked ones first."""
    costs: dict[str, Cost]
    transfer: Transfer | None
    tuned: Evidence | None = None
    """The same profile with the learning rate re-tuned, a board of its own with a ReLU of its own."""

    @property
    def all_tuned(self) -> bool:
        """Whether the learning rate was re-tuned on every task that counts, so that their means can be compared."""
        tuned = {table.task.name for table in self.tuned.board.core} if self.tuned else set()
        return tuned == {table.task.name for table in self.board.core}

    @property
    def folder(self) -> str:
        """Name for a folder of what belongs to this board alone."""
        return f"{self.board.profile}-{self.board.track}"

    @property
    def own(self) -> tuple[TaskJudgement, ...]:
        """The tasks that were run, without the mean over CLRS-30."""
        return self.tasks[: len(self.board.tables)]

    @cached_property
    def counting(self) -> tuple[TaskJudgement, ...]:
        """Of `own` those that count for ranks."""
        return tuple(task for task in self.own if task.table in self.board.core)

    @cached_property
    def by_task(self) -> dict[str, TaskJudgement]:
        """Judgements by name of the task."""
        return {task.table.task.name: task for task in self.tasks}

    @cached_property
    def facts(self) -> dict[str, ActivationFacts]:
        """What the records state about each activation."""
        return {row.label: row.records[0].activation for table in self.board.tables for row in table.rows}

    @cached_property
    def ranked(self) -> tuple[Overall, ...]:
        """The activations that have a rank."""
        return tuple(row for row in self.overall if row.rank is not None)

    @cached_property
    def columns(self) -> tuple[TaskJudgement, ...]:
        """The tasks with a column in a table of many: for CLRS-30 its mean, or its algorithms while they are few."""
        algorithms = [task for task in self.own if task.table.task.family == clrs.FAMILY]
        others = [task for task in self.own if task.table.task.family != clrs.FAMILY]
        mean = self.tasks[len(self.own) :]
        if mean:
            return (*others, *mean)
        return (*others, *algorithms) if len(algorithms) <= MOST_ALGORITHMS else tuple(others)


def gather(records: Iterable[Record]) -> list[Evidence]:
    """One `Evidence` a board, the published protocol first, then smaller budgets; real before stand-in. A re-tuned
    board hangs on the one of the fixed recipe, where there is one."""
    found = {(board.profile, board.track): _weigh(board) for board in make_boards(records)}
    for profile, track in sorted(found):
        fixed = (base_of(profile), track)
        if profile.endswith(TUNED) and fixed in found:
            found[fixed] = replace(found[fixed], tuned=found.pop((profile, track)))
    return sorted(found.values(), key=_order)


def flat(boards: Sequence[Evidence]) -> list[Evidence]:
    """Every board, a re-tuned one behind the one that it hangs on."""
    return [one for evidence in boards for one in (evidence, evidence.tuned) if one is not None]


def _weigh(board: Board) -> Evidence:
    overall = rank_board(board)
    return Evidence(board, judge(board), overall, costs(board, overall), transfer(board))


def _order(evidence: Evidence) -> tuple[int, str, str]:
    known = list(PROFILES)
    profile, track = evidence.board.profile, evidence.board.track
    base = base_of(profile)
    return (-known.index(base) if base in known else 1, profile, track)
