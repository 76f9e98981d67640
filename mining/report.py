"""The report of a search: first what it must train, then the text, which is only read from the population.

    measure(population, workers)
    write_report(folder, population)

`measure` confirms the best functions on fresh seeds, measures luck, and opens the sealed shift, for a few functions
and on seeds that nothing else uses; each opening is logged, and one that is there already is not repeated. `render`
trains nothing and tells no time of its own: the same population gives the same bytes.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from activations import Graph, get
from activations.graph import Node
from mining import report_tables as tables
from mining.catalogue import catalogue_name, rediscovered
from mining.findings import Findings, formula, read_findings, write_protocol
from mining.luck import COPIES, FIRST_SEED, measure_luck
from mining.pictures import draw, drawable
from mining.population import Population, PopulationError, Slot
from mining.report_head import headline
from mining.report_tables import CONTROL
from mining.sealed import Clock, Say, Score, open_sealed, utc_now
from mining.settings import RUNGS, Evaluate, Job, Rungs
from mining.verdict import give_verdict

COMPARED = ("relu", "gelu", "gelu-sine", "gelu-sinc-perturbation", "turbulent")
"""Known functions whose sealed shift is opened beside the found ones."""
RIVALS = ("relu", "gelu")
"""What a find must beat, besides the best function that its search started from."""
LOUD = Graph((Node("gelu_erf", ("x",)), Node("mul", ("v0", 2.5))), ("v1",))
"""GELU with a greater output: as training is short, that alone can lower a loss."""
NAME = "report.md"


@dataclass(frozen=True)
class Plan:
    """How much a report trains."""

    confirmed: int = 5
    """Best functions of the deep rung that are trained on the final one, where they were not yet."""
    copies: int = COPIES
    """Trainings of GELU that measure luck."""
    seeds: tuple[int, ...] = tuple(range(1000, 1004))
    """For the openings; no rung and no copy may use them. Few, as problems differ more than seeds."""


def measure(
    population: Population,
    evaluate: Evaluate,
    opened: int = 3,
    rungs: Rungs = RUNGS,
    plan: Plan | None = None,
    score: Score | None = None,
    now: Clock = utc_now,
    say: Say = lambda text: None,
    processes: int = 1,
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
        processes: how many openings are trained at a time; it changes no number.

    Raises:
        ValueError: the seeds of the openings are used by a rung or by the copies that measure luck.
        mining.population.PopulationError: the population holds no search.
    """
    plan = plan or Plan()
    _check_seeds(plan, rungs)
    if population.fact("settings") is None:
        raise PopulationError(f"{population.path} holds no search yet: begin one with `bench mine`.")
    slots = population.slots()
    references, rivals = _references(population, slots, rungs)
    write_protocol(population, rungs, references, rivals, _rediscovered(slots), plan.seeds)
    say("confirming the best functions on fresh seeds")
    _confirm(population, evaluate, references["gelu"], rungs, max(plan.confirmed, opened))
    say("measuring luck")
    measure_luck(population, evaluate, references["gelu"], rungs.cheap, plan.copies)
    found = [slot.member.graph for slot in read_findings(population).confirmed[:opened]]
    wanted = references | {f"{place}. {formula(graph)}": graph for place, graph in enumerate(found, 1)}
    open_sealed(population, wanted, plan.seeds, "report", processes, score, now, say)


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
    draft.write_text(_text(findings, pictures), encoding="utf-8")
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
        tables.shifts(findings),
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


def _references(
    population: Population, slots: Sequence[Slot], rungs: Rungs
) -> tuple[dict[str, Graph], tuple[str, ...]]:
    """Known functions to be opened, and the names of those that a find must beat: among them the best function of the
    start by the deep rung, so that a search shows nothing by standing still.
    """
    references = {name: get(name).graph for name in COMPARED} | {CONTROL: LOUD}
    deep = {e.hash: e.fitness for e in population.evaluations() if e.rung == rungs.deep.name}
    start = [
        s.member for s in slots if s.generation == 0 and s.scored and math.isfinite(deep.get(s.hash or "", math.inf))
    ]
    best = min(start, key=lambda member: (deep[member.hash], member.hash), default=None)
    if best is None or best.hash in {references[name].hash for name in RIVALS}:
        return references, RIVALS
    name = catalogue_name(best.graph) or formula(best.graph)
    return references | {name: best.graph}, (*RIVALS, name)


def _rediscovered(slots: Sequence[Slot]) -> dict[str, str]:
    """Functions that were not of the start and are known by a name, by hash."""
    trained = {slot.member.hash: slot.member.graph for slot in slots if slot.generation > 0 and slot.scored}
    names = {found: rediscovered(graph) for found, graph in trained.items()}
    return {found: name for found, name in names.items() if name is not None}


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
            if evaluation is not None:
                population.add_evaluation(evaluation)
