"""`bench try`: a function that nobody has registered, beside ReLU and GELU on quick tasks, and an honest verdict."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.compare import TaskTable, make_table
from bench.devices import lanes
from bench.errors import UsageError
from bench.plan import Cell, make_plan, parse_seeds
from bench.pool import Conditions, Local
from bench.profiles import get_profile
from bench.progress import choose_display
from bench.run import Runner
from bench.session import INTERRUPTED, choose_tasks, report, with_data
from bench.store import LOCAL, TRIALS, Store
from bench.verdict import compare, comparison_table, score_table, sentence

if TYPE_CHECKING:
    from activations import Activation

BASELINES = ("relu", "gelu")
TASKS = ("lab-polynomials", "digits-resnet18", "molecules-gcn", "lab-feynman", "lab-harmonics")
"""Smoke tasks of about ten core-seconds a cell; those of CLRS-30 take several times as long (`--tasks` adds them)."""
PROFILE = "smoke"


@dataclass(frozen=True)
class Trial:
    """What the user asked for."""

    source: str
    """A Python file or an expression in x."""
    tasks: Sequence[str]
    seeds: str
    budget: float
    """Seconds after which no further cell is started."""
    data: Path
    workers: int | None
    plugins: tuple[Path, ...]
    results: Path


def attempt(trial: Trial) -> int:
    """Run the trial, print tables and a verdict; returns the exit status as `bench run` does.

    Raises:
        UsageError: the function is one of the baselines.
        activations.ExpressionError, activations.PluginError, activations.TraceError: the source gives no activation.
    """
    from activations import from_source, get

    candidate = from_source(trial.source)
    baselines = [get(name) for name in BASELINES]
    for baseline in baselines:
        if baseline.graph.hash == candidate.graph.hash:
            raise UsageError(f"{trial.source!r} is the same function as {baseline.name}: there is nothing to compare")
    store = Store(trial.results / LOCAL / TRIALS)
    store.check_writable()
    ready, absent = with_data(choose_tasks(trial.tasks or TASKS, PROFILE), trial.data)
    plan = make_plan(PROFILE, [task.spec for task in ready], [*baselines, candidate], parse_seeds(trial.seeds))
    conditions = Conditions(trial.data, trial.plugins, get_profile(PROFILE).timeout, store.logs, store.programs)
    engine = Local(lanes("cpu", trial.workers), conditions)
    runner = Runner(store, engine, choose_display(), stop_after=trial.budget)
    summary = runner.run(plan.cells)
    print(verdict(tables_of(store, plan.cells), baselines, candidate))
    report(summary)
    if summary.left and not summary.interrupted:
        print(f"The budget of {trial.budget:g} s is over; the same command goes on with the rest.", file=sys.stderr)
    if summary.interrupted:
        return INTERRUPTED
    return 1 if summary.failed or absent else 0


def tables_of(store: Store, cells: Sequence[Cell]) -> list[TaskTable]:
    """A table a task, of the records of these cells alone; tasks without a record have none."""
    paths = {store.find(cell.profile, cell.task.name, cell.seed, cell.id): cell for cell in cells}
    records = [store.read(path) for path in paths if path is not None]
    tasks = list(dict.fromkeys(cell.task.name for cell in cells))
    grouped = ([record for record in records if record.task.name == task] for task in tasks)
    return [make_table(held) for held in grouped if held]


def verdict(tables: Sequence[TaskTable], baselines: Sequence[Activation], candidate: Activation) -> str:
    """Scores, then differences and a verdict against each baseline."""
    if not tables:
        return "No cell was finished, so there is nothing to say yet."
    columns = [(activation.name, activation.graph.hash) for activation in (*baselines, candidate)]
    parts = [score_table(tables, columns)]
    for baseline in baselines:
        found = [compare(table, candidate.graph.hash, baseline.name, len(tables)) for table in tables]
        parts += [comparison_table(found, baseline.name), sentence(candidate.name, baseline.name, found) + "\n"]
    return "\n".join(parts)
