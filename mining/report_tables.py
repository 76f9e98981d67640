"""The sections of the report, each from the findings to Markdown."""

from __future__ import annotations

import math
import re
import statistics
from collections import Counter
from collections.abc import Sequence

from mining.behaviour import describe
from mining.findings import FAIR, Findings
from mining.luck import CHANCE
from mining.population import Slot
from mining.report_head import maker
from mining.report_text import block, change, code, count_of, duration, markdown, signed
from mining.sealed import SHIFTS
from mining.verdict import LEVEL, Estimate

SHOWN = 10
"""Rows of the table of best functions, and of frequent reasons for a rejection."""
CONTROL = "gelu × 2.5"
"""The row of a GELU whose output is greater."""
CAPTIONS = {
    "curves.png": "The best functions of one number beside ReLU and GELU, and their derivatives; "
    "functions that look at several numbers have no curve",
    "lineage.png": "Ancestry of the best function: time runs downward, the thick line follows first parents",
    "progress.png": "Fitness of every evaluation on the cheap rung; the band is GELU under other seeds, mean ± 1 sd",
    "rungs.png": "The same functions on the cheap and on the deep rung",
}
HOW_TO_READ = (
    "A fitness is the log10 of a function's out-of-distribution loss over ReLU's, trained on the same points from the "
    "same weights, averaged over problems, seeds and families. Lower is better, 0 is ReLU, "
    f"{-0.1:+.1f} is a {change(-0.1)}.\n"
)


def picture(name: str, drawn: Sequence[str]) -> str:
    """A picture with its caption; empty where there is none."""
    return f"![{CAPTIONS[name]}]({name})\n\n{CAPTIONS[name]}.\n" if name in drawn else ""


def best_functions(findings: Findings) -> str:
    """The best functions, GELU beside them, and what was known before."""
    families = findings.settings.families
    rows = [
        [rank, code(findings.label(slot)), slot.proposal.proposer, *_rungs_of(findings, slot.hash, families),
         slot.proposal.graph.flops if slot.proposal.graph else "–", describe(slot.niche) if slot.niche else "–"]
        for rank, slot in enumerate(findings.best[:SHOWN], 1)
    ]  # fmt: skip
    gelu = findings.references["gelu"]
    slot = findings.by_hash.get(gelu.hash)
    does = describe(slot.niche) if slot and slot.niche else "–"
    rows.append(["–", "`gelu`", "known", *_rungs_of(findings, gelu.hash, families), gelu.flops, does])
    head = ["Rank", "Function", "Made by", "Cheap", "Deep", "Fresh seeds", *families, "FLOPs", "What it does"]
    final = findings.ladder["final"]
    return (
        f"## The best functions\n\n{markdown(head, rows)}\n"
        f"Ranked by the final rung, on {count_of(len(final.seeds), 'seed')} that neither the cheap nor the deep one "
        "has; functions that were not trained there stand behind, by the deep rung. Families as on the last rung "
        f"reached. The first of {count_of(len(findings.confirmed), 'confirmed function')} still looks a little better "
        f"than it is, because it is the first: the next table is free of that.\n{_rediscovered(findings)}"
    )


def _rediscovered(findings: Findings) -> str:
    """Known functions that the search made again, each once; empty where there are none."""
    first: dict[str, int] = {}
    for slot in findings.trained:
        name = findings.rediscovered.get(slot.hash or "")
        if name is not None:
            first.setdefault(name, slot.generation)
    told = ", ".join(f"{code(name)} (generation {generation})" for name, generation in first.items())
    return f"\nRediscovered, and no finds: {told}.\n" if told else ""


def _rungs_of(findings: Findings, found: str | None, families: Sequence[str]) -> list[str]:
    scores = [findings.fitness(found, rung) for rung in ("cheap", "deep", "final")]
    last = [findings.evaluations.get((found or "", findings.ladder[rung].name)) for rung in ("final", "deep", "cheap")]
    shown = next((evaluation.families for evaluation in last if evaluation is not None), {})
    return [*map(signed, scores), *(signed(shown.get(family)) for family in families)]


def shifts(findings: Findings) -> str:
    """Validation and sealed shift of everything that was opened."""
    if not findings.opened:
        return ""
    searched = findings.settings.families
    families = next(iter(findings.opened.values())).families
    labels = {graph.hash: name for name, graph in findings.references.items()}
    found = [slot for slot in findings.best if slot.hash in findings.opened and slot.hash not in labels]
    known = {slot.hash or "": findings.label(slot) for slot in found} | labels
    rows = [
        [code(label), *(_mean_and_half(Estimate.of(findings.opened[h], shift, chosen))
                        for chosen in ([f for f in families if f in searched], *([f] for f in families))
                        for shift in SHIFTS)]
        for h, label in known.items() if h in findings.opened
    ]  # fmt: skip
    titles = ["searched families", *(f if f in searched else f"{f} (held out)" for f in families)]
    head = ["Function", *(f"{title}, {shift}" for title in titles for shift in SHIFTS)]
    return (
        f"## Validation and sealed shift\n\n{markdown(head, rows)}\n"
        f"Mean ± half of the {100 * LEVEL:.0f} % t interval over problems that no rung uses "
        f"({_counts(findings)}), each the mean over {count_of(len(findings.report_seeds), 'seed')} that nothing else "
        "used. Intervals are those of one function beside ReLU: two functions are compared by problem, as above. "
        f"{_control(findings)}Found functions first, in the order of the table above, then known ones; ReLU is 0 by "
        "definition.\n"
    )


def _counts(findings: Findings) -> str:
    """How many problems each family has."""
    shown = next(iter(findings.opened.values())).ratios[SHIFTS[0]]
    return ", ".join(f"{len(by_problem)} {family}" for family, by_problem in shown.items())


def _control(findings: Findings) -> str:
    if CONTROL not in findings.references:
        return ""
    return (
        f"{code(CONTROL)} is GELU with a greater output: as training is short, output scale alone can lower a loss, "
        "and what this row has below GELU's comes from nothing else. "
    )


def _mean_and_half(estimate: Estimate) -> str:
    spread = f" ± {estimate.half:.3f}" if math.isfinite(estimate.half) else ""
    return f"{signed(estimate.mean)}{spread}"


def sources(findings: Findings) -> str:
    """Source, rationale and lineage of the functions that were opened, or of the best three where none was."""
    chosen = [slot for slot in findings.best if slot.hash in findings.opened] or findings.best[:3]
    parts = [_source(findings, slot, place) for place, slot in enumerate(chosen, 1)]
    return "\n".join(["## Where they come from\n", *parts]) if parts else ""


def _source(findings: Findings, slot: Slot, place: int) -> str:
    parts = [f"### {place}. {code(findings.label(slot))}\n", block(slot.proposal.source, "python")]
    if slot.proposal.rationale.strip():
        parts += ["Rationale, in the proposer's words:\n", block(slot.proposal.rationale, "text")]
    return "\n".join([*parts, "Lineage, along first parents:\n", *_lineage(findings, slot), ""])


def _lineage(findings: Findings, slot: Slot) -> list[str]:
    return [f"{number}. {_step(findings, one)}" for number, one in enumerate(findings.chain(slot.hash), 1)]


def _step(findings: Findings, slot: Slot) -> str:
    scores = [
        f"{rung} {signed(f)}" for rung in ("cheap", "deep") if (f := findings.fitness(slot.hash, rung)) is not None
    ]
    if slot.generation == 0:
        return f"start: {code(findings.label(slot))} ({', '.join(scores)})"
    others = [findings.by_hash[parent] for parent in slot.proposal.parents[1:] if parent in findings.by_hash]
    second = "".join(f", with {code(findings.label(other, 60))}" for other in others)
    operation = code(slot.proposal.operation) or "new"
    return f"{maker(slot)}: {operation}{second} gives {code(findings.label(slot))} ({', '.join(scores)})"


def luck(findings: Findings) -> str:
    """Copies of GELU on the cheap rung, and the best of as many as the search tried."""
    copies = findings.luck
    if not copies.fitness:
        return ""
    count = len(findings.trained)
    rows = [[len(copies.fitness), signed(copies.mean), f"{copies.sd:.3f}", signed(min(copies.fitness)), count,
             signed(copies.expected_best(count)), signed(copies.reach(count))]]  # fmt: skip
    head = ["Copies", "Mean", "Standard deviation", "Best", "Evaluations, N", "Expected best of N", "Reach of N"]
    return (
        f"## What luck alone would give\n\n{markdown(head, rows)}\n"
        "GELU on the cheap rung, each copy with seeds of its own and beside ReLU on the same seeds. The best of N is "
        "expected at mean + sd · Φ⁻¹(0.625 / (N + 0.25)), Blom's approximation under a normal law, and less far off "
        "where the N share seeds, as in a search. Below the reach, "
        f"mean + sd · √(1 + 1/K) · t⁻¹({CHANCE:g} / N) for K copies, falls the best of N in at most "
        f"{100 * CHANCE:g} % of the searches that try nothing but GELU.\n"
    )


def proposers(findings: Findings) -> str:
    """Proposers beside each other after the same number of evaluations."""
    equal = findings.equal
    rows = []
    for row in findings.proposers:
        first = row.fitness[:equal] if equal and len(row.fitness) >= equal else []
        share = [f"{100 * count / row.proposals:.0f} %" if row.proposals else "–" for count in row.rejected.values()]
        rows.append([row.name, row.proposals, len(row.fitness), *share, signed(min(first, default=math.nan)),
                     signed(statistics.median(first) if first else math.nan)])  # fmt: skip
    stages = findings.proposers[0].rejected if findings.proposers else {}
    head = ["Proposer", "Proposals", "Evaluations", *(f"Rejected by {stage}" for stage in stages),
            f"Best of the first {equal}", f"Median of the first {equal}"]  # fmt: skip
    luckiest = findings.luck.expected_best(equal)
    null = f" The best of {equal} copies of GELU would be expected at {signed(luckiest)}."
    return (
        f"## Proposers at equal evaluations\n\n{markdown(head, rows)}\n"
        f"Fitness on the cheap rung.{'' if math.isnan(luckiest) else null} A proposer with fewer than {FAIR} "
        "evaluations is left out. Proposers of one search breed from one population, so each also profits from what "
        "the others found; searches with one proposer each and the same seed compare them apart.\n"
    )


def rungs(findings: Findings) -> str:
    """The ladder, and whether its rungs agree."""
    ladder = [
        [role, rung.problems, ", ".join(map(str, rung.seeds)), f"{rung.steps:,}",
         "the function" if rung.exact else "a table of it, where it is pointwise"]
        for role, rung in findings.ladder.items()
    ]  # fmt: skip
    pairs = [("cheap", "deep"), ("deep", "final"), ("cheap", "final")]
    found = [(first, second, findings.correlation(first, second)) for first, second in pairs]
    rows = [[first, second, "–" if math.isnan(c.tau) else f"{c.tau:+.2f}", c.n] for first, second, c in found]
    return (
        f"## Do the rungs agree?\n\n{markdown(['Rung', 'Problems', 'Seeds', 'Steps', 'Trained'], ladder)}\n"
        f"{markdown(['Rung', 'Beside', 'Kendall tau', 'Functions'], rows)}\n"
        "Rank correlation of the same functions on two rungs: 1 is the same order, 0 none. Mostly the best of a rung "
        "climb to the next, which makes these lower than they would be over all functions.\n"
    )


def rejections(findings: Findings) -> str:
    """Why proposals were not trained, the most frequent reasons first."""
    counted = Counter((slot.stage, _kind(slot.reason or "")) for slot in findings.slots if slot.stage is not None)
    if not counted:
        return "## Rejections\n\nNo proposal was rejected.\n"
    total = sum(counted.values())
    ordered = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    rows = [[stage, count, code(reason, 160)] for (stage, reason), count in ordered[:SHOWN]]
    stages = Counter(slot.stage for slot in findings.slots if slot.stage is not None)
    by_stage = ", ".join(f"{stages[stage]:,} by the {stage}" for stage in sorted(stages, key=str))
    return (
        f"## Rejections\n\n{total:,} of {count_of(len(findings.slots), 'proposal')} were not trained: {by_stage}. The "
        f"most frequent reasons, with `n` for numbers:\n\n{markdown(['Stage', 'Count', 'Reason'], rows)}"
    )


def _kind(reason: str) -> str:
    """A reason without the numbers and hashes that differ from case to case."""
    reason = re.sub(r"\b(?=\w*\d)[0-9a-f]{16}\b", "…", reason)
    return re.sub(r"(?<![\w.])-?\d+(\.\d+)?(e[+-]?\d+)?(?!\w)", "n", reason)


def run(findings: Findings) -> str:
    """Settings and cost."""
    settings = findings.settings
    cost = findings.cpu_seconds
    rows: list[tuple[str, object]] = [
        ("seed", settings.seed),
        ("proposers", ", ".join(f"{name} (weight {weight:g})" for name, weight in settings.proposers)),
        ("start", ", ".join(settings.start)),
        ("families searched", ", ".join(settings.families)),
        ("FLOPs an element, at most", settings.flops),
        ("functions of whole tensors", "refused" if settings.pointwise else "allowed"),
        ("generation", f"{settings.generation_size} proposals, on one of {count_of(settings.islands, 'island')}"),
        ("generations", f"{findings.generations:,}"),
        ("evaluations", f"{len(findings.trained):,}, and {len(settings.start):,} of the start"),
        ("wall time of the search", duration(findings.seconds)),
        ("core time of training", duration(sum(cost.values()))),
        *((f"core time, {name}", duration(seconds)) for name, seconds in cost.items()),
    ]
    return f"## The run\n\n{markdown(['What', 'Value'], rows)}"


def openings(findings: Findings) -> str:
    """Every look at the sealed shift."""
    if not findings.openings:
        return "## Openings of the sealed shift\n\nIt was not opened.\n"
    opened = {o.hash for o in findings.openings}
    labels = {h: findings.label(slot) for h, slot in findings.by_hash.items() if h in opened}
    labels |= {graph.hash: name for name, graph in findings.references.items()}
    rows = [
        [number, o.at, o.reason, code(labels.get(o.hash, o.hash)), _span(o.seeds)]
        for number, o in enumerate(findings.openings, 1)
    ]
    looked = len(opened - {graph.hash for graph in findings.references.values()})
    return (
        f"## Openings of the sealed shift\n\n{markdown(['', 'When', 'Why', 'Function', 'Seeds'], rows)}\n"
        f"Opened for {count_of(looked, 'function')} beside the known ones; the more, the less each result is worth.\n"
    )


def _span(seeds: Sequence[int]) -> str:
    """`1000–1007`, or the seeds one by one."""
    if len(seeds) > 2 and list(seeds) == list(range(seeds[0], seeds[0] + len(seeds))):
        return f"{seeds[0]}–{seeds[-1]}"
    return ", ".join(map(str, seeds))
