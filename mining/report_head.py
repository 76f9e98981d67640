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
    seeds = count_of(verdict.comparisons[0].difference.n, "seed")
    least = max(verdict.comparisons, key=lambda c: c.difference.high)
    if verdict.found:
        first = (
            f"**Found:** {who} beats ReLU and GELU on the validation shift and on the sealed shift, on {seeds} "
            f"that nothing else used. The least of the four leads is {_interval(least.difference)}, a "
            f"{change(least.difference.mean)}, over {TITLES[least.reference]} on the {least.shift} shift."
        )
    else:
        short = "; ".join(
            f"{TITLES[c.reference]} on the {c.shift} shift ({_cause(c)})" for c in verdict.comparisons if not c.beats
        )
        first = f"**Not found:** the best confirmed function, {who}, does not beat {short}, on {seeds}."
    return "\n".join([first + "\n", _comparisons(verdict), _null(findings) + "\n"])


def _cause(comparison: Comparison) -> str:
    if not math.isfinite(comparison.difference.mean):
        return "a training was not finite"
    return f"{comparison.word}: {_interval(comparison.difference)}"


def _interval(estimate: Estimate) -> str:
    if not math.isfinite(estimate.low):
        return f"{signed(estimate.mean)}, no interval from {count_of(estimate.n, 'seed')}"
    return f"{signed(estimate.mean)}, {100 * LEVEL:.0f} % interval {signed(estimate.low)} to {signed(estimate.high)}"


def _comparisons(verdict: Verdict) -> str:
    rows = [
        [families, TITLES[c.reference], c.shift, signed(c.difference.mean), signed(c.difference.low),
         signed(c.difference.high), c.difference.n, change(c.difference.mean), c.word]
        for families, compared in (("searched", verdict.comparisons), ("held out", verdict.held_out))
        for c in compared
    ]  # fmt: skip
    head = ["Families", "Beside", "Shift", "Difference", "from", "to", "Seeds", "In words", "Verdict"]
    return (
        f"{markdown(head, rows)}\n"
        f"Differences of mean log10 ratios, paired by seed, with {100 * LEVEL:.0f} % t intervals over the seeds; "
        '"better" where the whole interval is below 0. The function was chosen by the final rung, before it was '
        "opened on other seeds and problems. A find must be better in every searched row; families that were held "
        "out are reported and decide nothing.\n"
    )


def _null(findings: Findings) -> str:
    """What luck would have given, beside what the search gave."""
    count = len(findings.found)
    expected, reach = findings.luck.expected_best(count), findings.luck.reach(count)
    fitness = [f for slot in findings.found if (f := findings.fitness(slot.hash, "cheap")) is not None]
    best = min(fitness, default=math.nan)
    if math.isnan(expected) or math.isnan(best):
        return "What luck alone would give cannot be said: it takes two copies of GELU and one evaluation."
    word = "no better than luck"
    if best < expected:
        word = "beyond the reach of luck" if best < reach else "better than luck's mean and within its reach"
    return (
        f"**By luck alone** the best of {count:,} copies of GELU, one for each evaluation, would be expected at "
        f"{signed(expected)} on the cheap rung, and in at most {100 * CHANCE:g} % of such searches below "
        f"{signed(reach)}. The best that this search saw there is {signed(best)}: {word}. On fresh seeds the luckiest "
        "copy is GELU again, and its difference to GELU is 0."
    )


def maker(slot: Slot) -> str:
    """Who made a function, and when."""
    return f"{slot.proposal.proposer}, generation {slot.generation}"
