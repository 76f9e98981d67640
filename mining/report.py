"""The report of a search: first what it must train, then the text, which is only read from the population.

    measure(population, workers)
    write_report(folder, population)

`measure` confirms the best functions on fresh seeds, measures luck, and opens the sealed shift, for a few functions
and on seeds that nothing else uses; each opening is logged, and one that is there already is not repeated. `render`
trains nothing and tells no time of its own: the same population gives the same bytes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from activations import Graph, get
from mining import report_tables as tables
from mining.findings import (
    SHIFTS,
    Findings,
    Opened,
    formula,
    is_measurement,
    read_findings,
    read_opening,
    write_protocol,
)
from mining.luck import COPIES, FIRST_SEED, measure_luck
from mining.pictures import draw, drawable
from mining.population import Opening, Population, PopulationError
from mining.report_head import headline
from mining.settings import RUNGS, Evaluate, Job, Rungs
from mining.verdict import give_verdict

if TYPE_CHECKING:
    from mining.fitness_report import ReportScore

COMPARED = ("relu", "gelu", "gelu-sine", "gelu-sinc-perturbation", "turbulent")
"""Known functions whose sealed shift is opened beside the found ones."""
NAME = "report.md"

Score = Callable[[Graph, tuple[int, ...]], "ReportScore"]
"""Opens the sealed shift for one function on these seeds: `mining.fitness_report.report_score`."""
Clock = Callable[[], str]
Say = Callable[[str], None]


def utc_now() -> str:
    """The time, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class Plan:
    """How much a report trains."""

    confirmed: int = 5
    """Best functions of the deep rung that are trained on the final one, where they were not yet."""
    copies: int = COPIES
    """Trainings of GELU that measure luck."""
    seeds: tuple[int, ...] = tuple(range(1000, 1008))
    """For the openings; no rung and no copy may use them."""


def measure(
    population: Population,
    evaluate: Evaluate,
    opened: int = 3,
    rungs: Rungs = RUNGS,
    plan: Plan | None = None,
    score: Score | None = None,
    now: Clock = utc_now,
    say: Say = lambda text: None,
) -> None:
    """Train what the report lacks; what is there already costs nothing, so a killed one goes on where it was.

    Args:
        population: of a search that is not running.
        evaluate: trains on the rungs, such as `mining.workers.Workers`.
        opened: how many of the best functions are opened; they are chosen by the final rung.
        rungs: the ladder of the search.
        plan: how much is trained; the default is for a search of a night.
        score: opens the sealed shift; the lab's own unless a test replaces it.
        now: what an opening's time is taken from.
        say: told what is done next; an opening of the default plan takes a core most of a minute.

    Raises:
        ValueError: the seeds of the openings are used by a rung or by the copies that measure luck.
        mining.population.PopulationError: the population holds no search.
    """
    plan = plan or Plan()
    _check_seeds(plan, rungs)
    if population.fact("settings") is None:
        raise PopulationError(f"{population.path} holds no search yet: begin one with `bench mine`.")
    references = {name: get(name).graph for name in COMPARED}
    write_protocol(population, rungs, references, plan.seeds)
    say("confirming the best functions on fresh seeds")
    _confirm(population, evaluate, references["gelu"], rungs, max(plan.confirmed, opened))
    say("measuring luck")
    measure_luck(population, evaluate, references["gelu"], rungs.cheap, plan.copies)
    found = [slot.member.graph for slot in read_findings(population).confirmed[:opened]]
    for label, graph in [*references.items(), *((formula(graph), graph) for graph in found)]:
        say(f"opening the sealed shift for {label}")
        open_sealed(population, graph, plan.seeds, "report", score, now)


def open_sealed(
    population: Population,
    graph: Graph,
    seeds: tuple[int, ...],
    reason: str,
    score: Score | None = None,
    now: Clock = utc_now,
) -> Opened:
    """Look at the sealed shift for one function and log the look; an earlier look on the same seeds is read instead."""
    for opening in population.openings():
        if opening.hash == graph.hash and opening.seeds == seeds and is_measurement(opening):
            return read_opening(opening)
    if score is None:
        from mining.fitness_report import report_score

        score = report_score
    from tasks.stopwatch import Stopwatch

    with Stopwatch() as watch:
        found = score(graph, seeds)
    shifts = dict(zip(SHIFTS, (found.validation, found.sealed), strict=True))
    result: dict[str, Mapping[str, object] | float] = {
        shift: {family: list(ratios.by_seed) for family, ratios in families.items()}
        for shift, families in shifts.items()
    }
    opening = Opening(now(), reason, graph.hash, seeds, result | {"cpu_seconds": watch.cpu})
    population.add_opening(opening)
    return read_opening(opening)


def render(population: Population) -> str:
    """The report as Markdown; its pictures are those of `write_report`, named without a folder.

    Raises:
        mining.population.PopulationError: the population holds no search, or nothing was measured.
    """
    findings = read_findings(population)
    return _text(findings, drawable(findings))


def write_report(folder: Path, population: Population) -> Path:
    """Write `report.md` and its pictures into `folder`, replacing earlier ones, and return the report's path.

    Raises:
        mining.population.PopulationError: as `render`.
    """
    findings = read_findings(population)
    folder.mkdir(parents=True, exist_ok=True)
    pictures = drawable(findings)
    for picture in pictures:
        draw(picture, findings, folder)
    draft, path = folder / f".{NAME}", folder / NAME
    draft.write_text(_text(findings, pictures))
    draft.replace(path)
    return path


def _text(findings: Findings, pictures: tuple[str, ...]) -> str:
    verdict = give_verdict(findings)
    sections = [
        f"# Report of the search `{findings.run}`\n",
        headline(findings, verdict),
        tables.HOW_TO_READ,
        tables.best_functions(findings),
        tables.picture("curves.png", pictures),
        tables.shifts(findings, verdict),
        tables.sources(findings),
        tables.picture("lineage.png", pictures),
        tables.luck(findings),
        tables.picture("progress.png", pictures),
        tables.proposers(findings),
        tables.rungs(findings),
        tables.picture("rungs.png", pictures),
        tables.rejections(findings),
        tables.run(findings),
        tables.openings(findings),
    ]
    return "\n".join(section for section in sections if section)


def _check_seeds(plan: Plan, rungs: Rungs) -> None:
    used = {*rungs.cheap.seeds, *rungs.deep.seeds, *rungs.final.seeds}
    both = sorted({seed for seed in plan.seeds if seed in used or seed >= FIRST_SEED})
    if both:
        raise ValueError(f"the seeds {both} are used by a rung or by luck: open the sealed shift on others.")


def _confirm(population: Population, evaluate: Evaluate, gelu: Graph, rungs: Rungs, count: int) -> None:
    """Train the best of the deep rung on the final one, and GELU beside them."""
    findings = read_findings(population)
    best = findings.ranked("deep")[:count]
    graphs = {gelu.hash: gelu} | {slot.hash or "": slot.proposal.graph for slot in best}
    jobs = [
        Job(found, graph, rungs.final)
        for found, graph in graphs.items()
        if graph is not None and findings.fitness(found, "final") is None
    ]
    with contextlib.closing(evaluate(jobs)) as arriving:
        for evaluation in arriving:
            population.add_evaluation(evaluation)
