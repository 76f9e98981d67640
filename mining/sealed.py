"""The one door to the sealed shift: each look is logged in the population, and a look that is logged is not repeated.

What a look shows is kept by problem and by seed. Functions differ far more from problem to problem than from seed to
seed, so it is the problems that tell whether a lead is more than chance.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from activations import Graph, get
from mining.candidate import BASELINE
from mining.population import Opening, Population

if TYPE_CHECKING:
    from mining.fitness_report import ReportScore

SHIFTS = ("validation", "sealed")

Score = Callable[[Graph, tuple[int, ...]], "ReportScore"]
"""Opens the sealed shift for one function on these seeds and gives its losses: `mining.fitness_report.report_losses`.
It must survive pickling where several processes share the work."""
Clock = Callable[[], str]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Opened:
    """What the sealed opening of one function showed."""

    hash: str
    seeds: tuple[int, ...]
    ratios: Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]]
    """Shift, family, problem to the log10 ratio to ReLU's loss under each seed."""

    @property
    def families(self) -> list[str]:
        """Every family that was measured."""
        return list(self.ratios[SHIFTS[0]])

    def by_problem(self, shift: str, family: str) -> dict[str, float]:
        """The mean over seeds on each problem."""
        return {name: statistics.fmean(ratios) for name, ratios in self.ratios[shift][family].items()}


def utc_now() -> str:
    """The time, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def open_sealed(
    population: Population,
    wanted: Mapping[str, Graph],
    seeds: tuple[int, ...],
    reason: str,
    processes: int = 1,
    score: Score | None = None,
    now: Clock = utc_now,
    say: Say = lambda text: None,
) -> list[Opened]:
    """Look at the sealed shift for some functions and log each look; an earlier look on the same seeds is read instead.

    Args:
        population: keeps the log.
        wanted: functions, each under what it is called to whoever waits.
        seeds: those of the trainings.
        reason: `report` or `promote`.
        processes: how many functions are trained at a time; it changes no number.
        score: the lab's own unless a test replaces it.
        now: what the time of a look is taken from.
        say: told what is waited for; a look takes a core most of a minute.
    """
    known = _looks(population, seeds)
    missing: dict[str, tuple[str, Graph]] = {}
    for label, graph in wanted.items():
        if graph.hash not in known:
            missing.setdefault(graph.hash, (label, graph))
    if missing:
        if score is None:
            from mining.fitness_report import report_losses

            score = report_losses
        baseline = get(BASELINE).graph
        others = [(label, graph) for found, (label, graph) in missing.items() if found != baseline.hash]
        with _spread(processes) as spread:
            arriving = spread(partial(_look, score, seeds), [baseline, *(graph for _, graph in others)])
            say(f"opening the sealed shift for {BASELINE}")  # whose losses every ratio needs, logged before or not
            relu, cpu = next(arriving)
            if baseline.hash not in known:
                _log(population, baseline, seeds, reason, relu.beside(relu), cpu, now)
            for label, graph in others:
                say(f"opening the sealed shift for {label}")
                losses, cpu = next(arriving)
                _log(population, graph, seeds, reason, losses.beside(relu), cpu, now)
        known = _looks(population, seeds)
    return [known[graph.hash] for graph in wanted.values()]


def is_measurement(opening: Opening) -> bool:
    """Whether an opening holds numbers by problem and seed; earlier versions kept them by seed alone, which says too
    little, and are passed over.
    """
    return "cpu_seconds" in opening.result and all(_by_problem(opening.result.get(shift)) for shift in SHIFTS)


def read_opening(opening: Opening) -> Opened:
    """The numbers of an opening for which `is_measurement` holds."""
    return Opened(opening.hash, opening.seeds, {shift: opening.result[shift] for shift in SHIFTS})


def _by_problem(families: Any) -> bool:
    return (
        isinstance(families, dict)
        and bool(families)
        and all(isinstance(family, dict) and family for family in families.values())
        and all(isinstance(ratios, list) and ratios for family in families.values() for ratios in family.values())
    )


def _looks(population: Population, seeds: tuple[int, ...]) -> dict[str, Opened]:
    """What was seen on these seeds, by hash."""
    return {o.hash: read_opening(o) for o in population.openings() if o.seeds == seeds and is_measurement(o)}


def _look(score: Score, seeds: tuple[int, ...], graph: Graph) -> tuple[ReportScore, float]:
    """The losses, and the processor time that they took."""
    from tasks.stopwatch import Stopwatch

    with Stopwatch() as watch:
        found = score(graph, seeds)
    return found, watch.cpu


def _log(
    population: Population,
    graph: Graph,
    seeds: tuple[int, ...],
    reason: str,
    found: ReportScore,
    cpu_seconds: float,
    now: Clock,
) -> None:
    shifts = dict(zip(SHIFTS, (found.validation, found.sealed), strict=True))
    population.add_opening(Opening(now(), reason, graph.hash, seeds, {**shifts, "cpu_seconds": cpu_seconds}))


@contextmanager
def _spread(processes: int) -> Iterator[Callable[..., Iterator[Any]]]:
    """A `map` over this process or over several others, which are ended where the block is left early."""
    if processes < 2:
        yield map
        return
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _prepare)
    try:
        yield pool.map
    finally:
        for process in list((pool._processes or {}).values()):
            process.kill()
        pool.shutdown(wait=True, cancel_futures=True)


def _prepare() -> None:
    """A process leaves signals of the terminal to its parent, and ends when that ends."""
    import signal
    import threading

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    import multiprocessing
    import os

    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
