"""One call of `bench run`: from what the user asked for to records, a rendered board and an exit status."""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.describe import weights
from bench.devices import Lane, lanes
from bench.errors import UsageError
from bench.estimate import parse_duration
from bench.evidence import flat, gather
from bench.groups import choose
from bench.leaderboard import ranking_table, unranked
from bench.plan import Cell, make_plan, parse_seeds, recipe_of, select
from bench.pool import Conditions, Engine, Local
from bench.profiles import Profile, get_profile
from bench.progress import choose_display
from bench.publish import write_board
from bench.records import Record
from bench.run import Runner, Summary
from bench.schedule import Schedule, kind_of
from bench.store import LOCAL, Store
from bench.tables import count_of
from tasks.base import Task

if TYPE_CHECKING:
    from activations import Activation

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells give it."""


@dataclass(frozen=True)
class Request:
    """What the user asked for; what is left empty comes from the profile."""

    profile: str
    tasks: Sequence[str]
    activations: Sequence[str]
    seeds: str | None
    data: Path
    device: str | None
    workers: int | None
    plugins: tuple[Path, ...]
    results: Path
    timeout: float | None
    retry_failed: bool
    skip_published: bool = False
    together: int | None = None
    """Seeds that one program trains; None for as many as the task says are worthwhile."""
    fuse: bool | None = None
    """Whether injected functions get fused kernels; None for on a GPU."""
    engine: str = "local"
    """Where cells run: `local` or `ray`."""
    ray_address: str | None = None
    gpu_share: float = 1.0
    race: bool = False
    """Whether functions that are clearly worse than ReLU get no further seeds."""
    time_limit: str | None = None
    """As the user wrote it; None for no limit."""


def run_session(request: Request) -> int:
    """Plan, run, render; returns the exit status: 0, 1 where a cell failed or was skipped, 130 after Ctrl-C."""
    profile = get_profile(request.profile)
    published, store = Store(request.results), Store(request.results / LOCAL)
    store.check_writable()
    chosen = choose_tasks(request.tasks or profile.tasks, profile.name)
    functions = choose_activations(request.activations or profile.activations)
    seeds, timeout = seeds_of(request, profile), timeout_of(request, profile)
    limit = None if request.time_limit is None else parse_duration(request.time_limit)
    ready, absent = with_data(chosen, request.data)
    plan = make_plan(profile.name, [task.spec for task in ready], functions, seeds)
    for sentence in (*plan.refused, *plan.twins):
        _say(sentence)
    cells = plan.cells
    if request.skip_published:
        cells = tuple(
            cell for cell in cells if published.find(cell.profile, cell.task.name, cell.seed, cell.id) is None
        )
    fuse = fuse_of(request, device_of(request, profile))
    conditions = Conditions(request.data, request.plugins, timeout, store.logs, store.programs, fuse)
    engine, places = engine_of(request, profile, conditions)
    _say(f"{count_of(len(cells), 'cell')} under profile {profile.name}, {len(places)} at a time on {places[0].device}")
    kind = kind_of(places[0]) if request.engine == "local" else None
    schedule = Schedule(plan.cells, lambda: recorded(profile.name, published, store), request.race, limit, kind)
    summary = execute(request, cells, engine, places[0], store, schedule)
    show_boards(store, profile.name)
    write_board(request.results, local=True, output=None)
    if summary.interrupted:
        return stopped()
    return 1 if summary.failed or absent or plan.refused else 0


def execute(
    request: Request, cells: Sequence[Cell], engine: Engine, lane: Lane, store: Store, schedule: Schedule
) -> Summary:
    """Run what the store does not hold yet, and say what came of it."""
    runner = Runner(
        store,
        engine,
        choose_display(),
        together=schedule.bounded(seeds_at_once(request, lane)),
        rules=schedule.rules,
        marks=schedule.marks,
        retry_failed=request.retry_failed,
        limit=schedule.seconds_left,
    )
    summary = runner.run(cells)
    spared = schedule.spared(summary.waiting)
    for sentence in schedule.stopped(summary.waiting):
        _say(sentence)
    report(summary, spared)
    if request.time_limit is not None and summary.left > spared and not summary.interrupted:
        _say(f"No further cell fits into {request.time_limit}; {_go_on(summary, schedule, request.time_limit)}.")
    if summary.failed_earlier:
        _say(f"{count_of(summary.failed_earlier, 'cell')} failed earlier; --retry-failed runs such cells again.")
    return summary


def _go_on(summary: Summary, schedule: Schedule, limit: str) -> str:
    """What to do where a time limit left cells."""
    if summary.recorded:
        return "the same command goes on with the rest"
    shortest = schedule.shortest(summary.waiting)
    if shortest is not None and shortest <= parse_duration(limit):
        shortest = None  # it was started, and took longer than anybody had seen
    return f"a longer limit starts some{'' if shortest is None else f', from about {math.ceil(shortest)}s on'}"


def recorded(profile: str, *stores: Store) -> list[Record]:
    """The records of a profile."""
    held = [record for store in stores for record in store.load(curves=False).records]
    return [record for record in held if record.profile == profile]


def engine_of(request: Request, profile: Profile, conditions: Conditions) -> tuple[Engine, Sequence[Lane]]:
    """What runs the cells, and the lanes that it has for now.

    Raises:
        UsageError: there is no such engine, or it cannot run what was asked for.
    """
    device = device_of(request, profile)
    if request.engine == "local":
        if request.ray_address is not None or request.gpu_share != 1:
            raise UsageError("--ray-address and --gpu-share are for --engine ray: add it, or leave them out")
        places = lanes(device, request.workers)
        return Local(places, conditions), places
    if request.engine != "ray":
        raise UsageError(f"--engine is local or ray, not {request.engine!r}")
    from bench.ray_cluster import Cluster
    from bench.ray_engine import RayEngine

    engine = RayEngine(Cluster(request.ray_address, device, request.workers, request.gpu_share), conditions)
    return engine, [engine.lane] * engine.wanted


def device_of(request: Request, profile: Profile) -> str:
    """The device that was asked for, or the profile's."""
    return profile.device if request.device is None else request.device


def fuse_of(request: Request, device: str) -> bool:
    """Whether functions are fused: as asked for, else on a GPU, where cells are long enough to pay for compiling."""
    return device != "cpu" if request.fuse is None else request.fuse


def seeds_at_once(request: Request, lane: Lane) -> Callable[[Cell], int]:
    """How many seeds of a cell's task one program trains on such a lane.

    Raises:
        UsageError: what was asked for is not above 0.
    """
    asked = request.together
    if asked is not None and asked < 1:
        raise UsageError(f"--together is a number of seeds above 0, not {asked}")

    def number(cell: Cell) -> int:
        import tasks

        task = tasks.get(cell.task.name)
        if not isinstance(task, tasks.SeedBatched):
            return 1
        return task.seeds_together(lane.device) if asked is None else asked

    return number


def seeds_of(request: Request, profile: Profile) -> tuple[int, ...]:
    """The seeds that were asked for, or the profile's.

    Raises:
        UsageError: they are no seeds.
    """
    return profile.seeds if request.seeds is None else parse_seeds(request.seeds)


def timeout_of(request: Request, profile: Profile) -> float:
    """Seconds that a cell may take.

    Raises:
        UsageError: what was asked for is not above 0.
    """
    if request.timeout is None:
        return profile.timeout
    if request.timeout <= 0:
        raise UsageError(f"--timeout is a number of seconds above 0, not {request.timeout:g}")
    return request.timeout


def choose_tasks(wanted: Sequence[str], profile: str) -> list[Task]:
    """The tasks of these names, and those with a recipe for the profile that match a pattern.

    Raises:
        tasks.UnknownTask, UsageError: a name or pattern that nothing has, or a named task without such a recipe.
    """
    import tasks

    able = [name for name in tasks.names() if profile in tasks.get(name).spec.recipes]
    chosen = [tasks.get(name) for name in select("task", wanted, able, lambda name: tasks.get(name).spec.name)]
    for task in chosen:
        recipe_of(task.spec, profile)
    return chosen


def choose_activations(wanted: Sequence[str]) -> list[Activation]:
    """The activations of these names, aliases, patterns or groups.

    Raises:
        activations.UnknownActivation, UsageError: a name or pattern that nothing has.
    """
    import activations

    names = choose(wanted, activations.names(), lambda name: activations.get(name).name)
    return [activations.get(name) for name in names]


def with_data(chosen: Sequence[Task], data: Path) -> tuple[list[Task], dict[str, str]]:
    """The tasks whose data is there, and for the others, which are told of, the sentence that says what is missing."""
    folder = data if data.is_dir() else None
    status = {task.spec.name: task.data_status(folder) for task in chosen}
    ready = [task for task in chosen if status[task.spec.name].present]
    absent = {name: found.reason for name, found in status.items() if not found.present}
    for name, reason in absent.items():
        _say(f"skipped {name}: {reason}")
    return ready, absent


def show_boards(store: Store, profile: str) -> None:
    """Print the rankings of this profile's own records."""
    for evidence in flat(gather(store.load(curves=False).records)):
        board = evidence.board
        if board.profile == profile:
            print(f"\nProfile {board.profile}, track {board.track}: log-ratios to ReLU with 95 % intervals\n")
            print(ranking_table(evidence) or "nothing can be ranked yet\n")
            for line in unranked(evidence):
                print(f"not ranked: {line}")
            for line in weights(board):
                print(line)


def stopped() -> int:
    """Say how to go on; returns the exit status."""
    _say(f"Stopped; every finished cell is recorded. To go on: {shlex.join(['bench', *sys.argv[1:]])}")
    return INTERRUPTED


def report(summary: Summary, spared: int = 0) -> None:
    """Say in one line what was done, and in one more each thing that is in the way; `spared` cells need no run."""
    parts = [f"{count_of(len(summary.recorded), 'cell')} recorded", f"{summary.earlier} were there already"]
    if summary.unwritten:
        parts.append(f"{summary.unwritten} trained but could not be written")
    if summary.elsewhere:
        parts.append(f"{summary.elsewhere} are being run by another `bench run`")
    if summary.left > spared:
        parts.append(f"{summary.left - spared} are left")
    _say("; ".join(parts) + ".")
    if summary.unrecorded:
        _say(f"No further cell was started: {summary.unrecorded}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
