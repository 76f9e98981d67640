"""`docs/findings.md`: the answers of `bench.findings` in sentences and tables, beside what the papers claim.

Every number and every verdict in it is worked out from the records; what is written here by hand are the questions, the
claims and the words around the numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bench import describe
from bench.compare import BASELINE
from bench.evidence import Evidence
from bench.findings import (
    KEPT,
    Fate,
    OnTask,
    OutOfDistribution,
    fates,
    hours,
    out_of_distribution,
    prediction,
)
from bench.inference import Correlation, Estimate
from bench.leaderboard_task import score_cell
from bench.overall import LAB
from bench.records import MetricFacts
from bench.tables import count_of, digits, inert, markdown, number

INTRODUCTION = """\
# Findings

What the published records say to the questions that this suite was built for, beside what the papers claim. `bench
findings` renders this page from the records and from nothing else: every number, every verdict. The claims are those
of "Mining Generalizable Activation Functions" (arXiv 2602.05688), its numbers as secondary accounts give them; no
deviations over its seeds are known.

* A log-ratio of +0.05 is a score about 5 % above ReLU's, counted from the level of a guess; in the lab, a loss about
  5 % below. Families of tasks weigh the same. Brackets are 95 % intervals over seeds for these tasks as they are.
* Tests are corrected by Holm within a question, since each was asked before looking; the leaderboard corrects over the
  whole board. Below 5 pairs nothing is tested.
* "We cannot tell" is an answer: the seeds are too few, or the functions too alike. It never means "no difference".
* What a profile says holds for its budget. Only `paper` follows the published protocols.
* Each task's recipe, data, machine and the command that runs its cells again stand in the
  [leaderboard](../leaderboard.md) under the task's name.
"""

PERIODIC = """\
## 1. Do periodic perturbations of GELU beat ReLU and GELU out of distribution?

**The paper:** yes. CLRS-30 mean score 0.887 for GELU-Sinc-Perturbation, 0.874 for GELU, 0.862 for ReLU; lab loss out of
distribution 54.7 for GELUSine, 68.7 for GELU-Sinc-Perturbation, 78.8 for GELU, 93.1 for ReLU.

**Here:** the mean log-ratio over the tasks that are tested outside of what they were trained on: in the field molecules
(scaffolds that training never saw) and CLRS-30 (longer inputs), in the lab the sealed shift of the inputs.
"""

STATISTICS = f"""\
## 2. Do functions that look at statistics of a batch or of features collapse in the field?

**The paper:** yes. Turbulent and FISG win in its lab and fail on images, some out of memory; pointwise functions
transfer.

**Here:** a function has collapsed on a task of the field if one of its cells ended without a score, if its mean is no
better than a guess, or if it keeps less than {100 * KEPT:g} % of ReLU's skill, beyond chance (one-sided t tests, Holm
over all functions and tasks). ✕ marks a collapse; behind an interval stands the number of pairs.
"""

PREDICTS = """\
## 3. Does the order in the lab predict the order in the field?

**The paper:** functions are mined in the lab in the hope that it does; its best of the lab by far, Turbulent, failed in
the field. No correlation is reported.

**Here:** Kendall's tau between the mean log-ratios to ReLU in the lab and in the field, over the functions that are
complete on every task that counts.
"""

HOURS = """\
## What an hour bought

A row a task and kind of worker: cells with a score, seconds a cell (a worker's start and what failed cells took are
spread over them), cells an hour of one worker, and the shares of that time in the training loop and in evaluations.
The rest is start, data, compilation and writing.
"""

ANCHORS = """\
## Is anything reproduced?

ReLU's scores beside the published ones. A task is anchored only under the profile `paper`; until then the gap says how
far the budget is from the published one, and nothing about functions.
"""


@dataclass(frozen=True)
class Question:
    """One question: what it is called in short, what stands above its answers, and who answers."""

    short: str
    claim: str
    text: str
    answer: Callable[[Evidence], tuple[str, str] | None]
    """On one board: a sentence or two, and tables; None where its records say nothing to it."""


def render_findings(boards: Iterable[Evidence]) -> str:
    """The page; stand-ins answer nothing, and re-tuned records have boards of their own on the leaderboard."""
    real = [evidence for evidence in boards if evidence.board.track == "real"]
    answered = [
        (question, [(evidence, found) for evidence in real if (found := question.answer(evidence))])
        for question in QUESTIONS
    ]
    parts = [INTRODUCTION, "## In short\n", _summary(answered)]
    for question, answers in answered:
        parts.append(question.text)
        for evidence, (sentence, tables) in answers:
            parts += [f"### {describe.title(evidence, '`')}\n", f"**{sentence}**\n", tables]
        if not answers:
            parts.append("No records say anything to it yet.\n")
    parts += [ANCHORS, _anchors(real), HOURS, _hours(real)]
    return "\n".join(parts)


def _summary(answered: Sequence[tuple[Question, Sequence[tuple[Evidence, tuple[str, str]]]]]) -> str:
    rows = [
        [question.short, question.claim, f"`{evidence.board.profile}`", sentence]
        for question, answers in answered
        for evidence, (sentence, _) in answers
    ]
    return markdown(["question", "the paper", "profile", "here"], rows) if rows else "There are no records yet.\n"


def _periodic(evidence: Evidence) -> tuple[str, str] | None:
    found = out_of_distribution(evidence.board)
    if found is None:
        return None
    sentences = [_place(found, place) for place in ("field", LAB)]
    tables = [_contrasts(found), _by_task(found)]
    if found.left_out:
        tables.append("Left out: " + "; ".join(found.left_out) + ".\n")
    return " ".join(sentence for sentence in sentences if sentence), "\n".join(tables)


def _place(found: OutOfDistribution, place: str) -> str:
    """What the contrasts of the field, or of the lab, say."""
    held = [contrast for contrast in found.contrasts if contrast.place == place]
    told = [contrast for contrast in held if contrast.told]
    where = "In the lab" if place == LAB else "In the field"
    if not held:
        return ""
    if not told:
        return f"{where} we cannot tell: none of {count_of(len(held), 'comparison')} differs beyond chance."
    said = "; ".join(
        f"{one.function} is {'better' if one.told > 0 else 'worse'} than {one.other} ({one.mean})" for one in told
    )
    rest = count_of(len(held) - len(told), "other comparison")
    return f"{where} {said}{f'; {rest} cannot be told' if len(told) < len(held) else ''}."


def _contrasts(found: OutOfDistribution) -> str:
    words = {1: "better", -1: "worse", 0: "cannot tell"}
    rows = [
        [
            one.place,
            one.function,
            one.other,
            one.mean or "",
            "" if math.isnan(one.p) else f"{one.p:.2g}",
            len(one.tasks),
            one.pairs,
            words[one.told],
        ]
        for one in found.contrasts
    ]
    head = ["place", "function", "against", "mean log-ratio", "p (Holm)", "tasks", "fewest pairs", "verdict"]
    return markdown(head, rows)


def _by_task(found: OutOfDistribution) -> str:
    """Differences in scores, a row a task and a column a contrast; not tested one by one."""
    columns = {(one.function, one.other): None for one in found.contrasts}
    cells = {
        (table.task.name, one.function, one.other): f"{_in_units(difference, table.task.metric)} ({pairs})"
        for one in found.contrasts
        for table, difference, pairs in one.tasks
    }
    tables = {table.task.name: table for one in found.contrasts for table, _, _ in one.tasks}
    rows = [
        [
            f"{name} ({table.task.metric.unit} {'↑' if table.task.metric.higher_is_better else '↓'})",
            *(cells.get((name, *column), "") for column in columns),
        ]
        for name, table in tables.items()
    ]
    head = ["difference in score", *(f"{function} − {other}" for function, other in columns)]
    return markdown(head, rows)


def _in_units(difference: Estimate, metric: MetricFacts) -> str:
    return difference.text(digits(metric))


def _statistics(evidence: Evidence) -> tuple[str, str] | None:
    found = fates(evidence)
    special = [fate for fate in found if not fate.pointwise]
    if not special:
        return None
    plain = [fate for fate in found if fate.pointwise]
    sentence = f"{_collapsed(special, 'Not pointwise')} {_collapsed(plain, 'Pointwise')}"
    tasks = list(dict.fromkeys(one.task for fate in found for one in fate.tasks))
    rows = [
        [
            fate.function,
            "yes" if fate.pointwise else "no",
            fate.lab or "",
            fate.field or "",
            *(_fate_cell({one.task: one for one in fate.tasks}.get(task)) for task in tasks),
        ]
        for fate in found
    ]
    return sentence.rstrip(), markdown(["function", "pointwise", LAB, "field", *tasks], rows)


def _collapsed(held: Sequence[Fate], noun: str) -> str:
    """How many of some functions collapsed, and where."""
    judged = [fate for fate in held if fate.judged]
    if not held:
        return ""
    if not judged:
        return f"{noun}: none of {len(held)} has enough pairs with ReLU, so we cannot tell."
    down = [fate for fate in judged if fate.collapsed]
    where = "; ".join(f"{fate.function} on {', '.join(one.task for one in fate.collapsed)}" for fate in down)
    few = len(held) - len(judged)
    return (
        f"{noun}: {len(down)} of {len(held)} collapsed somewhere in the field{f' ({where})' if down else ''}"
        f"{f', and {few} cannot be judged for want of pairs' if few else ''}."
    )


def _fate_cell(one: OnTask | None) -> str:
    if one is None:
        return ""
    value = f"{one.ratio} ({one.pairs})" if one.ratio else "no better than a guess" if one.pairs else ""
    failed = f"{count_of(one.failed, 'cell')} failed" if one.failed else ""
    return f"{'✕ ' if one.collapsed else ''}{', '.join(part for part in (value, failed) if part)}"


def _predicts(evidence: Evidence) -> tuple[str, str] | None:
    found = prediction(evidence)
    if found is None or evidence.transfer is None:
        return None
    pick = next((pick for pick in evidence.transfer.picked_on_one if pick.picked_on == "the lab"), None)
    sentence = f"{_verdict(found.tau)} (tau {found.tau} over {found.tau.n} functions)."
    if found.learned:
        weak, without = found.learned
        sentence += f" Without {', '.join(weak)}, where ReLU hardly beats a guess, tau is {without}."
    if pick is not None:
        behind = f"lies {pick.regret:.3f} behind the best, {pick.best}" if pick.regret else "is the best there, too"
        sentence += f" The best of the lab, {pick.function}, has {pick.gain:+.3f} in the field and {behind}."
    places = {
        name: place
        for place, (name, _, _) in enumerate(sorted(found.order, key=lambda row: (-row[2].value, row[0])), start=1)
    }
    rows = [
        [place, places[name], name, *("0" if name == BASELINE else str(one) for one in (lab, field))]
        for place, (name, lab, field) in enumerate(found.order, start=1)
    ]
    taus = [(f"{LAB} and field", found.tau)]
    if found.learned:
        taus.append((f"{LAB} and field without {', '.join(found.learned[0])}", found.learned[1]))
    taus += [(f"{LAB} and {name}", one) for name, one in found.families]
    taus += [(f"even and odd seeds of the {name}", one) for name, one in found.halves]
    return sentence, "\n".join(
        (
            markdown(["place in the lab", "in the field", "function", LAB, "field"], rows),
            markdown(["orders", "Kendall's tau", "functions"], [[name, one, one.n] for name, one in taus]),
            "The last rows say what noise leaves of an order: where the even and the odd seeds of one place disagree, "
            "nothing could predict its order from these seeds.\n",
        )
    )


def _verdict(tau: Correlation) -> str:
    if math.isnan(tau.low):
        return "We cannot tell, the functions are too few"
    if tau.low > 0:
        return "Yes, in part"
    return "No: the orders are opposed" if tau.high < 0 else "We cannot tell"


def _anchors(boards: Sequence[Evidence]) -> str:
    rows = []
    for evidence in boards:
        for table in evidence.board.tables:
            reference, relu = table.task.reference, table.by_label.get(BASELINE)
            metric = table.task.metric
            gap = relu.score.mean - reference.value if reference and relu and relu.score else None
            rows.append(
                [
                    f"`{evidence.board.profile}`",
                    table.task.name,
                    f"{score_cell(relu, table)} {metric.unit}",
                    number(reference.value, metric) if reference else "",
                    "" if gap is None else f"{gap:+.{digits(metric)}f}",
                    describe.anchor(table)[0],
                ]
            )
    return markdown(["profile", "task", "ReLU", "published", "gap", "anchored"], rows) if rows else "Nothing yet.\n"


def _hours(boards: Sequence[Evidence]) -> str:
    rows = [
        [
            f"`{evidence.board.profile}`",
            one.task,
            inert(one.machine),
            one.cells,
            f"{one.seconds:.0f}",
            f"{one.an_hour:.1f}",
            f"{100 * one.training:.0f} %",
            f"{100 * one.testing:.0f} %",
        ]
        for evidence in boards
        for one in hours(evidence.board)
    ]
    head = ["profile", "task", "worker", "cells", "seconds a cell", "cells an hour", "training", "testing"]
    return markdown(head, rows) if rows else "Nothing yet.\n"


QUESTIONS = (
    Question("Do periodic perturbations of GELU beat ReLU and GELU out of distribution?", "yes", PERIODIC, _periodic),
    Question("Do functions of batch or feature statistics collapse in the field?", "yes", STATISTICS, _statistics),
    Question("Does the order in the lab predict that in the field?", "hoped", PREDICTS, _predicts),
)
