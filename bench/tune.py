"""`bench tune`: the learning rate of every activation is tuned anew, under one stated budget for all, then evaluated.

A recipe's learning rate was found on ReLU, so a fixed recipe may favour ReLU and whatever is like it. Here each
activation gets the rate that suits it best; the rules are in `bench.tuning`. Trials are cells in a folder of their own,
so a stopped call goes on where it was. Evaluations are recorded under the profile's name with `-tuned` behind it and
carry the evidence; they share no board with those of the fixed recipe.

Only the learning rate is tuned. The gain of the initialisation is not: He's gain of ReLU, or whatever the network has,
stays for every activation (our choice), and so do weight decay, schedule and budget.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.devices import Lane, lanes
from bench.errors import DamagedRecord, UsageError
from bench.plan import Cell, make_plan, parse_seeds
from bench.pool import Conditions, Local
from bench.profiles import TUNED, TUNING_SEEDS, Profile, base_of, get_profile
from bench.progress import choose_display
from bench.publish import write_board
from bench.records import RETRYABLE, Record
from bench.run import Runner, Summary
from bench.session import (
    Request,
    choose_activations,
    choose_tasks,
    device_of,
    fuse_of,
    report,
    seeds_at_once,
    seeds_of,
    show_boards,
    stopped,
    timeout_of,
    with_data,
)
from bench.store import LOCAL, TUNING, Store
from bench.tables import count_of, markdown
from bench.tuning import FACTORS, Choice, decide, make_grids, obstacle, with_rate
from tasks.base import Task


@dataclass(frozen=True)
class Workplace:
    """Where cells are run, and under which conditions."""

    lanes: Sequence[Lane]
    conditions: Conditions
    together: Callable[[Cell], int]
    retry_failed: bool

    def run(self, store: Store, cells: Sequence[Cell], what: str) -> Summary:
        """Run what the store does not hold yet, and say what came of it."""
        _say(f"{count_of(len(cells), what)}, {len(self.lanes)} at a time on {self.lanes[0].device}")
        runner = Runner(
            store,
            Local(self.lanes, self.conditions),
            choose_display(),
            together=self.together,
            retry_failed=self.retry_failed,
        )
        summary = runner.run(cells)
        report(summary)
        return summary


def tune(request: Request, tuning_seeds: str = TUNING_SEEDS) -> int:
    """Run trials, choose, evaluate, render; returns the exit status as `bench run` does.

    Raises:
        UsageError: no task can be tuned, or a seed is to serve for tuning and evaluation.
    """
    profile = get_profile(request.profile)
    seeds, trial_seeds = seeds_of(request, profile), parse_seeds(tuning_seeds)
    _keep_apart(seeds, trial_seeds)
    store, trials = Store(request.results / LOCAL), Store(request.results / LOCAL / TUNING)
    workplace = _workplace(request, profile, store)
    functions = choose_activations(request.activations or profile.activations)
    able, unable = tunable(choose_tasks(request.tasks or profile.tasks, profile.name), profile.name)
    ready, absent = with_data(able, request.data)
    specs = [task.spec for task in ready]
    plan = make_plan(profile.name, specs, functions, trial_seeds)
    for sentence in (*unable, *plan.refused, *plan.twins):
        _say(sentence)
    grids = make_grids(plan.cells)
    seed_by_seed = sorted(
        (cell for grid in grids for cell in grid.cells), key=lambda cell: trial_seeds.index(cell.seed)
    )
    tried = workplace.run(trials, seed_by_seed, "trial")
    choices = [decide(grid, lambda cell: recorded(trials, cell.profile, cell)) for grid in grids]
    show_choices(choices)
    if tried.interrupted:
        return stopped()
    cells = tuned_cells(choices, make_plan(profile.name, specs, functions, seeds).cells)
    spared = sum(adopt(cell, store, Store(request.results)) for cell in cells)
    if spared:
        _say(
            f"{count_of(spared, 'cell')} had been trained by the same recipe before, and were copied with the evidence"
        )
    evaluated = workplace.run(store, cells, "cell")
    show_boards(store, profile.name + TUNED)
    write_board(request.results, local=True, output=None)
    if evaluated.interrupted:
        return stopped()
    undecided = any(choice.tuning is None for choice in choices)
    return 1 if tried.failed or evaluated.failed or undecided or absent or unable or plan.refused else 0


def tunable(chosen: Sequence[Task], profile: str) -> tuple[list[Task], list[str]]:
    """The tasks whose learning rate can be tuned, and one sentence for each of the others.

    Raises:
        UsageError: there is none; the message is the first sentence.
    """
    found = {task.spec.name: obstacle(task.spec, profile) for task in chosen}
    able = [task for task in chosen if not found[task.spec.name]]
    unable = [sentence for sentence in found.values() if sentence]
    if unable and not able:
        raise UsageError(unable[0])
    return able, unable


def tuned_cells(choices: Sequence[Choice], cells: Sequence[Cell]) -> list[Cell]:
    """The cells of evaluation, each by the learning rate that was chosen for it; without those that have none."""
    chosen = {(choice.grid.task.name, choice.grid.activation.graph.hash): choice.tuning for choice in choices}
    tuned = []
    for cell in cells:
        tuning = chosen[cell.task.name, cell.activation.graph.hash]
        if tuning is not None:
            tuned.append(with_rate(cell, tuning.chosen, tuning=tuning))
    return tuned


def recorded(store: Store, profile: str, cell: Cell) -> Record | None:
    """The record of a cell under a profile; None where there is none, or a damaged one."""
    path = store.find(profile, cell.task.name, cell.seed, cell.id)
    try:
        return None if path is None else store.read(path)
    except DamagedRecord:
        return None


def adopt(cell: Cell, store: Store, published: Store) -> bool:
    """Record a tuned cell without training, where the same training was recorded on other evidence.

    That is so where the recipe's own learning rate was chosen and the fixed recipe was run before, or where a tuning
    under another budget chose the same. What the record says of machine, versions and commit stays as it was.
    """
    fixed = base_of(cell.profile)
    for home, profile in ((store, cell.profile), (store, fixed), (published, fixed)):
        record = recorded(home, profile, cell)
        if record is None or record.outcome in RETRYABLE:
            continue
        if record.tuning == cell.tuning:
            return False
        note = f"trained as a cell of profile {fixed}, whose learning rate was chosen"
        notes = record.notes if record.tuning is not None else (*record.notes, note)
        changes = {"profile": cell.profile, "tuning": cell.tuning, "notes": notes}
        store.write(Record.model_validate({**record.model_dump(), **changes}))
        return True
    return False


def show_choices(choices: Sequence[Choice]) -> None:
    """Print what was chosen on which evidence, and what could not be."""
    if not choices:
        return
    print(f"\nMean validation number over the tuning seeds by factor on the learning rate\n\n{choice_table(choices)}")
    for choice in choices:
        label = f"{choice.grid.task.name} {choice.grid.activation.name}"
        if choice.tuning is None:
            print(f"{label} is not evaluated: {choice.reason}")
        elif choice.at_edge:
            print(f"{label} chose the edge of the grid: a better learning rate may lie beyond it")


def choice_table(choices: Sequence[Choice]) -> str:
    """One row a task and activation: its validation number by factor, and the choice."""
    rows = []
    for choice in choices:
        selection, tuning = choice.grid.selection, choice.tuning
        means = [_shown(mean) for mean in choice.means] or [""] * len(FACTORS)
        arrow = "↑" if selection.higher_is_better else "↓"
        chosen = ("none", "") if tuning is None else (f"{tuning.chosen:g}", f"{tuning.base * tuning.chosen:g}")
        rows.append(
            [choice.grid.task.name, choice.grid.activation.name, f"{selection.metric} {arrow}", *means, *chosen]
        )
    head = ["task", "activation", "validated by", *(f"× {factor:g}" for factor in FACTORS), "chosen", "learning rate"]
    return markdown(head, rows)


def _shown(mean: float | None) -> str:
    if mean is None:
        return "diverged"
    return "" if math.isnan(mean) else f"{mean:.4g}"


def _workplace(request: Request, profile: Profile, store: Store) -> Workplace:
    device = device_of(request, profile)
    places = lanes(device, request.workers)
    store.check_writable()
    timeout = timeout_of(request, profile)
    fuse = fuse_of(request, device)
    conditions = Conditions(request.data, request.plugins, timeout, store.logs, store.programs, fuse)
    return Workplace(places, conditions, seeds_at_once(request, places[0]), request.retry_failed)


def _keep_apart(seeds: Sequence[int], tuning: Sequence[int]) -> None:
    shared = sorted(set(seeds) & set(tuning))
    if shared:
        words = ", ".join(map(str, shared))
        raise UsageError(
            f"seeds that choose a learning rate cannot test it: name others than {words} in --tuning-seeds"
        )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
