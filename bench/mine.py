"""`bench mine`: sets a search up from what the user asked for, runs it under a live display, ends with its report."""

from __future__ import annotations

import dataclasses
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from bench.devices import lanes
from bench.errors import UsageError, unknown
from bench.mine_display import choose_display
from bench.mine_setup import LAB, Hunt, Say, fitness_of, jailed, proposer_of, settings_of
from bench.run import stop_signals
from bench.session import INTERRUPTED
from bench.store import LOCAL, MINING, Store

if TYPE_CHECKING:
    from mining.candidate import Proposer
    from mining.population import Population
    from mining.settings import Settings

POPULATION = "population.sqlite"


def hunt(asked: Hunt) -> int:
    """Run the search and write its report; returns the exit status as `bench run` does.

    Raises:
        UsageError: an option makes no sense.
        mining.population.PopulationError: the run exists with other settings.
        mining.jail.SandboxUnavailable: the jail cannot be as strong as was required.
    """
    from mining.judge import Judge
    from mining.population import Population
    from mining.screen import Limits
    from mining.search import Search
    from mining.settings import Budget
    from mining.workers import Workers

    settings = settings_of(asked)
    places = lanes(asked.device, asked.workers)
    make, rungs = fitness_of(settings, asked.data, places[0].device)
    settings = dataclasses.replace(settings, ladder=rungs.words)
    folder = run_folder(asked.results, asked.run or default_name(settings))
    Store(asked.results / LOCAL).check_writable()
    budget = Budget(asked.evaluations, None if asked.hours is None else asked.hours * 3600)
    with ExitStack() as held:
        display = held.enter_context(choose_display(folder.name, asked.evaluations, asked.hours))
        trace = held.enter_context(jailed(asked, display.say))
        workers = held.enter_context(Workers(make, environments=[place.environment for place in places]))
        limits = Limits(flops=settings.flops, allow_nonpointwise=not settings.pointwise)
        proposers = {name: proposer_of(name, asked, limits, folder) for name, _ in settings.proposers}
        population = held.enter_context(Population(folder / POPULATION))  # last: a refused option leaves no run behind
        search = Search(population, settings, proposers, workers, Judge(limits, trace), rungs, display.show)
        with stop_signals(lambda: setattr(budget, "stop", True)):
            ended = search.run(budget)
        display.say(f"{ended}: {search.status().evaluations} evaluations, in {folder}")
        _tell_usage(proposers.get("llm"), display.say)
        if budget.stop:
            display.say("the same command goes on from here")
            return INTERRUPTED
    if asked.top and settings.fitness == LAB:
        report(asked.results, folder.name, asked.top, asked.workers)
    return 0


def report(results: Path, name: str, top: int, workers: int | None) -> None:
    """Measure what a run's report lacks, and write it.

    Raises:
        UsageError: there is no such run.
        mining.population.PopulationError: the run holds no search yet.
    """
    from mining.population import Population
    from mining.report import measure, write_report
    from mining.workers import Workers

    folder = existing_run(results, name)
    places = lanes("cpu", workers)
    with ExitStack() as held:
        population = held.enter_context(Population(folder / POPULATION))
        make, _ = fitness_of(lab_settings(population), None, "cpu")
        pool = held.enter_context(Workers(make, environments=[place.environment for place in places]))
        measure(population, pool, top, say=_say, processes=len(places))
        print(f"{name}: report in {write_report(folder, population)}")


def lab_settings(population: Population) -> Settings:
    """The settings of a search in the lab.

    Raises:
        UsageError: it was no search in the lab, whose shifts a report opens.
        mining.population.PopulationError: the population holds no search yet.
    """
    from mining.population import PopulationError
    from mining.settings import Settings

    text = population.fact("settings")
    if text is None:
        raise PopulationError(f"{population.path.parent.name} holds no search yet: begin one with `bench mine`")
    settings = Settings.from_json(text)
    if settings.fitness != LAB:
        raise UsageError(
            f"{population.path.parent.name} searched by {settings.fitness}: reports and promotion are for the lab; "
            "put its functions into the suite with `bench try` or `@register`"
        )
    return settings


def promote(results: Path, name: str, top: int, home: Path | None, workers: int | None) -> int:
    """Write the best functions of a run as source files that survive fresh seeds and problems; 1 where none did.

    Raises:
        UsageError: there is no such run.
        mining.population.PopulationError: the run holds nothing to promote.
    """
    from activations import GraphError
    from mining.population import Population
    from mining.promote import HOME, measure, write

    written = 0
    with Population(existing_run(results, name) / POPULATION) as population:
        lab_settings(population)
        for promotion in measure(population, top, processes=len(lanes("cpu", workers)), say=_say):
            fitness = promotion.fitness
            said = (
                f"{promotion.name}: {fitness.mean:+.3f} ({fitness.low:+.3f} to {fitness.high:+.3f}) "
                f"on {fitness.n} problems that the search never used"
            )
            if not promotion.survives:
                print(f"{said}, not promoted: it cannot be told from ReLU")
                continue
            try:
                print(f"{said}, written to {write(promotion, home or HOME)}")
            except GraphError as error:
                print(f"{said}, not promoted: {error}")
            else:
                written += 1
    return 0 if written else 1


def _tell_usage(proposer: Proposer | None, say: Say) -> None:
    """What the language model was asked and what went wrong with it."""
    from mining.llm import LlmProposer

    if isinstance(proposer, LlmProposer):
        say(proposer.usage.summary())
        if proposer.exhausted:
            say(f"nothing more is asked: {proposer.exhausted}")


def run_folder(results: Path, name: str) -> Path:
    """Where a run lives.

    Raises:
        UsageError: the name cannot be a folder's.
    """
    if not name or any(sign in name for sign in "/\\") or name.startswith("."):
        raise UsageError(f"{name!r} cannot name a run: use letters, digits and '-'")
    return results / LOCAL / MINING / name


def existing_run(results: Path, name: str) -> Path:
    """The folder of a run that is there.

    Raises:
        UsageError: there is none of this name.
    """
    home = results / LOCAL / MINING
    known = sorted(path.parent.name for path in home.glob(f"*/{POPULATION}")) if home.is_dir() else []
    if name not in known:
        if known:
            raise unknown("run", name, known)
        raise UsageError("there is no run yet: `bench mine --evaluations 300` makes one")
    return home / name


def default_name(settings: Settings) -> str:
    """`genetic-s0`, or the names of several proposers joined."""
    return f"{'-'.join(name for name, _ in settings.proposers)}-s{settings.seed}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
