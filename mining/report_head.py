"""What the report says first: whether the search found anything, and what luck alone would have given."""

from __future__ import annotations

import math

from mining.findings import Findings
from mining.luck import CHANCE
from mining.population import Slot
from mining.report_text import change, code, count_of, markdown, signed
from mining.verdict import LEVEL, Comparison, Estimate, Verdict

TITLES = {"relu": "ReLU", "gelu": "GELU"}


def headline(findings: Findings, verdict: Verdict) -> str:
    """What was found, in a few sentences, each computed from the numbers."""
    if verdict.best is None:
        found = "**Nothing was found:** no function of the search was confirmed on fresh seeds."
        return f"{found}\n\n{_null(findings)}\n"
    who = f"{code(findings.label(verdict.best))} ({maker(verdict.best)})"
    if not verdict.comparisons:
        opened = f"**Nothing can be said yet:** the sealed shift of the best confirmed function, {who}, is not opened."
        return f"{opened}\n\n{_null(findings)}\n"
    on = f"on {count_of(verdict.comparisons[0].difference.n, 'problem')} that no rung uses"
    least = max(verdict.comparisons, key=lambda c: c.difference.high)
    if verdict.found:
        rivals = [title(name) for name in findings.rivals]
        first = (
            f"**Found:** {who} beats {', '.join(rivals[:-1])} and {rivals[-1]} on the validation shift and on the "
            f"sealed shift, {on}. The least of the {len(verdict.comparisons)} leads is {_interval(least.difference)}, "
            f"a {change(least.difference.mean)}, over {title(least.reference)} on the {least.shift} shift."
        )
    else:
        short = "; ".join(
            f"{title(c.reference)} on the {c.shift} shift ({_cause(c)})" for c in verdict.comparisons if not c.beats
        )
        first = f"**Not found:** the best confirmed function, {who}, does not beat {short}, {on}."
    return "\n".join([first + "\n", _comparisons(findings, verdict), _null(findings) + "\n"])


def title(name: str) -> str:
    """What a rival is called in a sentence."""
    return TITLES.get(name) or code(name)


def _cause(comparison: Comparison) -> str:
    if not math.isfinite(comparison.difference.mean):
        return "a training was not finite"
    return f"{comparison.word}: {_interval(comparison.difference)}"


def _interval(estimate: Estimate) -> str:
    if not math.isfinite(estimate.low):
        return f"{signed(estimate.mean)}, no interval from {count_of(estimate.n, 'problem')}"
    return f"{signed(estimate.mean)}, {100 * LEVEL:.0f} % interval {signed(estimate.low)} to {signed(estimate.high)}"


def _comparisons(findings: Findings, verdict: Verdict) -> str:
    rows = [
        [families, title(c.reference), c.shift, signed(c.difference.mean), signed(c.difference.low),
         signed(c.difference.high), c.difference.n, change(c.difference.mean), c.word]
        for families, compared in (("searched", verdict.comparisons), ("held out", verdict.held_out))
        for c in compared
    ]  # fmt: skip
    head = ["Families", "Beside", "Shift", "Difference", "from", "to", "Problems", "In words", "Verdict"]
    return (
        f"{markdown(head, rows)}\n"
        f"Differences of log10 ratios, paired by problem, each the mean over "
        f"{count_of(len(findings.report_seeds), 'seed')} that nothing else used; {100 * LEVEL:.0f} % t intervals over "
        'the problems of each family, families weighing the same; "better" where the whole interval is below 0. The '
        "function was chosen by the final rung, before it was opened on other seeds and problems. A find must be "
        f"better in every searched row{_of_the_start(findings)}; families that were held out are reported and decide "
        "nothing.\n"
    )


def _of_the_start(findings: Findings) -> str:
    """Why a rival that is neither ReLU nor GELU is one."""
    names = [title(name) for name in findings.rivals if name not in TITLES]
    return f", also than {names[0]}, the best function of the start by the deep rung" if names else ""


def _null(findings: Findings) -> str:
    """What luck would have given, beside what the search gave where it chose."""
    count = len(findings.trained)
    expected, reach = findings.luck.expected_best(count), findings.luck.reach(count)
    first = next(iter(findings.ranked("cheap")), None)
    best = findings.fitness(first.hash, "cheap") if first else None
    if math.isnan(expected) or first is None or best is None:
        return "What luck alone would give cannot be said: it takes two copies of GELU and one evaluation."
    word = "no better than luck"
    if best < expected:
        word = "beyond the reach of luck" if best < reach else "better than luck's mean and within its reach"
    return (
        f"**By luck alone** the best of {count:,} copies of GELU, one for each evaluation, would be expected at "
        f"{signed(expected)} on the cheap rung, and in at most {100 * CHANCE:g} % of such searches below "
        f"{signed(reach)}. The best that this search found is at {signed(best)} on the cheap rung, on its seeds and "
        f"problems, by which the search chose: {word}. {_confirmed(findings, first)} On fresh seeds the luckiest copy "
        "is GELU again, and its difference to GELU is 0."
    )


def _confirmed(findings: Findings, first: Slot) -> str:
    """What the first of the cheap rung showed where it was not chosen."""
    final = findings.fitness(first.hash, "final")
    if final is None:
        return "That function was not trained on the final rung."
    gelu = findings.fitness(findings.references["gelu"].hash, "final")
    beside = "" if gelu is None else f", where GELU is at {signed(gelu)}"
    return f"On the final rung, on fresh seeds, the same function is at {signed(final)}{beside}."


def maker(slot: Slot) -> str:
    """Who made a function, and when."""
    return f"{slot.proposal.proposer}, generation {slot.generation}"
