"""`docs/findings.md`: the questions and their answers, the anchors, and what an hour bought.

Every number and every verdict in it is worked out from the records; what is written by hand are the questions, the
claims and the words around the numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench import describe
from bench.compare import BASELINE
from bench.evidence import Evidence
from bench.findings.answers import QUESTIONS, Answer, Question
from bench.findings.hours import hours
from bench.leaderboard_task import score_cell
from bench.tables import digits, inert, markdown, number

INTRODUCTION = """\
# Findings

What {whose} records say to the questions that this suite was built for, beside what the papers claim. `bench
findings` renders this page from the records and from nothing else: every number, every verdict. The claims are those
of "Mining Generalizable Activation Functions" (arXiv 2602.05688), its numbers as secondary accounts give them; no
deviations over its seeds are known.

* A log-ratio of +0.05 is a score about 5 % above ReLU's, counted from the level of a guess (for CLRS-30 from 0); in the
  lab, a loss about 5 % below. Families of tasks weigh the same. Brackets are 95 % intervals, over seeds unless said
  otherwise, for these tasks as they are.
* The questions are the paper's. How they are answered (families, thresholds, tests) is our choice, and was fixed after
  the first records of profile `cpu` had been seen. Tests are corrected as each question says, the intervals are not;
  the leaderboard corrects over the whole board.
* "We cannot tell" is an answer: the seeds are too few, or the functions too alike. It never means "no difference".
* A task that fewer than half of the regular activations learn does not count, and is named; regular are those with 5
  pairs on at least half of the tasks on which any has as many.
* What a profile says holds for its budget. Only `paper` follows published protocols, where there are any.
* Each task's recipe, data, machine and the command that runs its cells again stand in the
  [leaderboard]({board}) under the task's name.
"""

HOURS = """\
## What an hour bought

A row a task and kind of worker: cells with a score, seconds a cell (a worker's start and what failed cells took are
spread over them), cells an hour of one worker, and the shares of that time in the training loop and in evaluations.
The rest is start, data, compilation (in CLRS-30's earlier records a part of the training loop) and writing. By the
clock, whatever else the machine did meanwhile.
"""

ANCHORS = """\
## Is anything reproduced?

ReLU's scores beside the published ones. A task is anchored only under the profile `paper`; elsewhere the gap is one of
budgets and of sizes (`cpu` tests some algorithms on shorter inputs), and says nothing about functions. What is accepted
as the published score is our choice where its source gives no deviation: the board names the source of each. It says
that the protocol is met, and is too wide to tell one function from another.
"""


def render_findings(boards: Iterable[Evidence], local: bool = False) -> str:
    """The page; stand-ins answer nothing, and re-tuned records have boards of their own on the leaderboard.

    Args:
        local: the records are the user's own, and the page lies beside their board.
    """
    whose, board = ("your own, unpublished", "leaderboard.md") if local else ("the published", "../leaderboard.md")
    real = [evidence for evidence in boards if evidence.board.track == "real"]
    answered = [
        (question, [(evidence, found) for evidence in real if (found := question.answer(evidence))])
        for question in QUESTIONS
    ]
    parts = [INTRODUCTION.format(whose=whose, board=board), "## In short\n", _summary(answered)]
    for question, answers in answered:
        parts.append(question.text)
        for evidence, answer in answers:
            parts += [f"### {describe.title(evidence, '`')}\n", f"**{answer.sentence}**\n", answer.tables]
        if not answers:
            parts.append("No records say anything to it yet.\n")
    parts += [ANCHORS, _anchors(real), HOURS, _hours(real)]
    return "\n".join(parts)


def _summary(answered: Sequence[tuple[Question, Sequence[tuple[Evidence, Answer]]]]) -> str:
    rows = [
        [question.short, question.claim, f"`{evidence.board.profile}`", answer.sentence]
        for question, answers in answered
        for evidence, answer in answers
    ]
    return markdown(["question", "the paper", "profile", "here"], rows) if rows else "There are no records yet.\n"


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
                    describe.accepted(table),
                    "" if gap is None else f"{gap:+.{digits(metric)}f}",
                    describe.anchor(table)[0],
                ]
            )
    return (
        markdown(["profile", "task", "ReLU", "published", "accepted", "gap", "anchored"], rows)
        if rows
        else "Nothing yet.\n"
    )


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
