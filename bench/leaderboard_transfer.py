"""The leaderboard's report on transfer: rank correlations, what picking on one task costs, kinds of functions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench import describe
from bench.compare import LAB
from bench.evidence import Evidence
from bench.inference import Correlation
from bench.tables import markdown
from bench.transfer import Pick, Transfer

MOST_TASKS = 12
"""Tasks whose pairs are all listed; above this, families alone."""


def transfer_section(evidence: Evidence) -> Iterator[str]:
    """The report, or nothing where there are too few tasks or functions."""
    found = evidence.transfer
    if found is None:
        return
    yield "### Transfer\n"
    yield "".join(f"* {note}\n" for note in describe.transfer_notes(evidence))
    yield from _correlations(evidence, found)
    yield "**Picked on one task, judged on the others** (of the field; log-ratios to ReLU):\n"
    yield _picks(found.picked_on_one)
    if found.left_one_out:
        yield "**Picked on all tasks of the field but one, judged on that one**:\n"
        yield _picks(found.left_one_out)
    if found.kinds:
        yield f"**{describe.KINDS}**:\n"
        yield _kinds(found)


def _correlations(evidence: Evidence, found: Transfer) -> Iterator[str]:
    tasks = {table.task.name for table in evidence.board.tables}
    pairs = [(pair, one) for pair, one in found.between.items() if not set(pair) <= tasks]
    if pairs:
        yield "**Kendall's tau between families** (95 % interval):\n"
        yield markdown(["first", "second", "tau", "functions"], [_pair(*pair, one) for pair, one in pairs])
    if len(tasks) <= MOST_TASKS:
        names = [table.task.name for table in evidence.board.tables]
        rows = [[a, *(_cell(found, a, b) for b in names)] for a in names]
        yield "**Kendall's tau between tasks** (95 % interval):\n"
        yield markdown(["", *names], rows)


def _pair(first: str, second: str, one: Correlation) -> list[object]:
    return [first.removeprefix("family "), second.removeprefix("family "), str(one), one.n]


def _cell(found: Transfer, a: str, b: str) -> str:
    one = found.between.get((a, b)) or found.between.get((b, a))
    return str(one) if one else ""


def _picks(picks: Sequence[Pick]) -> str:
    rows = [
        [
            pick.picked_on,
            pick.function,
            pick.tasks,
            f"{pick.gain:+.3f}",
            pick.best,
            f"{pick.regret:.3f}",
            f"{pick.worst[0]} {pick.worst[1]:+.3f}",
        ]
        for pick in picks
    ]
    return markdown(["picked on", "function", "tasks", "gain there", "best there", "regret", "worst task"], rows)


def _kinds(found: Transfer) -> str:
    rows = [
        [kind.name, "yes" if kind.pointwise else "no", f"{kind.lab:+.3f}", f"{kind.field:+.3f}"] for kind in found.kinds
    ]
    return markdown(["function", "pointwise", LAB, "field"], rows)
