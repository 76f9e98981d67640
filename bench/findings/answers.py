"""The three answers in words: what the paper says, a sentence or two on what a board says, and its tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bench import describe
from bench.compare import BASELINE, LAB
from bench.evidence import Evidence
from bench.findings.collapse import KEPT, Fate, OnTask, State, fates
from bench.findings.outside import AGGREGATES, PUBLISHED, RETUNED, Contrast, Outside, outside
from bench.findings.predict import Prediction, predict
from bench.inference import FEWEST_PAIRS, Correlation
from bench.leaderboard_task import head_of
from bench.tables import count_of, digits, markdown

MOST_TASKS = 12
"""Tasks that get columns of their own in a table of functions."""


@dataclass(frozen=True)
class Answer:
    """What one board says to a question."""

    sentence: str
    tables: str


@dataclass(frozen=True)
class Question:
    """One question: what it is called in short, what the paper says, what stands above its answers, and who answers."""

    short: str
    claim: str
    text: str
    answer: Callable[[Evidence], Answer | None]
    """None where a board's records say nothing to it."""


def _listed(place: str) -> str:
    """What the paper has for each function."""
    return ", ".join(f"{value:g} for {name}" for name, value in PUBLISHED[place].items())


PERIODIC = f"""\
## 1. Do periodic perturbations of GELU beat ReLU and GELU out of distribution?

**The paper:** yes. CLRS-30 mean score {_listed("field")};
lab loss out of distribution {_listed(LAB)}.
The column `the paper` is the log-ratio of its numbers and no target: in the field they are means over all 30 algorithms
of CLRS-30 and nothing else; its lab losses seem to be plain means over problems, ours are geometric ones. A table of
the lab says what the plain mean and the median would make of the same cells, and what came out with re-tuned learning
rates, where all of its tasks that count have them.

**Here:** the mean log-ratio over the tasks that are tested outside of what they were trained on: in the field molecules
(scaffolds that training never saw) and CLRS-30 (longer inputs), in the lab the sealed shift of the inputs. t tests of
that mean, Holm over all comparisons of a profile, so that an interval may exclude 0 and its verdict be "cannot tell".
Tasks with fewer than {FEWEST_PAIRS} pairs are shown and do not count. Where a function lost a cell its comparisons have
failed: the tasks that are left would flatter it.
"""

STATISTICS = f"""\
## 2. Do functions that look at statistics of a batch or of features collapse in the field?

**The paper:** yes. Turbulent and FISG win in its lab and fail on images, some out of memory; pointwise functions
transfer.

**Here:** a function has collapsed (✕) on a task if its training diverged or ran out of memory, or if it keeps less than
{100 * KEPT:g} % of ReLU's skill (its score counted from the level of a guess), beyond chance: one-sided paired t tests,
Holm over the tasks of a function. It has held its ground (✓) if it keeps more, beyond chance. Everything else is open
(?), and always so below {FEWEST_PAIRS} pairs. The {100 * KEPT:g} % and the rule are our choice. Counted are functions
with {FEWEST_PAIRS} pairs or broken trainings on every task. The two kinds are not tested against each other: functions
of either kind are too few for that. Cells: log-ratio to ReLU, its 95 % interval, pairs. Initialisation and learning
rate are those made for ReLU. FISG and the chaotic wave look along the last axis of a tensor: channels in the lab, in
graph networks and in CLRS-30, but the width of the map in our image networks, where FISG does nothing at all to maps
one or two wide. What they do on images is no test of what the paper says of them there.
"""

PREDICTS = """\
## 3. Does the order in the lab predict the order in the field?

**The paper:** functions are mined in the lab in the hope that it does; its best of the lab by far, Turbulent, failed in
the field. No correlation is reported.

**Here:** Kendall's tau between the mean log-ratios to ReLU in the lab and in the field, over the functions that are
complete on every task that counts, as on the board; its interval is over functions, as if they had been drawn at
random. A task that ReLU hardly learns while others learn counts, but ratios to it are large: the answer is given
without it, too, and stands only where both agree. To learn a task of the lab is to do better there than the mean of the
training targets: where few do, the order is one of who is wrong by less. Since such tasks may turn the order of the lab
over, the answer has to stand with them, too. The second table leaves out every task in turn, and kinds of functions,
among which there are near copies of each other; nothing in it is corrected for the number of its rows. Beside the mean
of the lab's best stand, in brackets, the lowest and the highest that it is without some one task, and what it is with
the scores of re-tuned learning rates, its own and ReLU's, on the tasks that have them. Initialisation and learning rate
are otherwise those made for ReLU, in the field for every function.
"""


def periodic(evidence: Evidence) -> Answer | None:
    """Question 1."""
    found = outside(evidence.board, evidence.tuned.board if evidence.tuned else None)
    if found is None:
        return None
    sentences = [_place(found, place) for place in ("field", LAB)]
    tables = [_contrasts(found), _by_task(found), *_by_aggregate(found), *_about_the_rates(evidence, found)]
    if found.left_out:
        tables.append(f"Left out: {'; '.join(found.left_out)}.\n")
    return Answer(" ".join(sentence for sentence in sentences if sentence), "\n".join(tables))


def _place(found: Outside, place: str) -> str:
    """What the comparisons in the field, or in the lab, say."""
    held = [contrast for contrast in found.contrasts if contrast.place == place]
    if not held:
        return ""
    told = [one for one in held if one.verdict in ("better", "worse")]
    failed = [one for one in held if one.verdict == "failed"]
    said = [f"{one.function} is {one.verdict} than {one.other} ({one.mean}{_unlike(one)})" for one in told]
    said += [f"{one.function} against {one.other} failed on {', '.join(one.failed)}" for one in failed]
    for verdict, words in (
        ("cannot tell", "we cannot tell {} of {} from 0"),
        ("not tested", f"{{}} of {{}} are not tested for want of {FEWEST_PAIRS} pairs on any task"),
    ):
        count = sum(one.verdict == verdict for one in held)
        if count:
            said.append(words.format(count, count_of(len(held), "comparison")))
    return f"In the {place} {'; '.join(said)}."


def _unlike(one: Contrast) -> str:
    return f"; not told by the {' nor by the '.join(one.unlike)}" if one.unlike else ""


def _contrasts(found: Outside) -> str:
    rows = [
        [
            one.place,
            one.function,
            one.other,
            one.mean or "",
            "" if one.published is None else f"{one.published:+.3f}",
            "" if math.isnan(one.p) else f"{one.p:.2g}",
            len(one.counted),
            min((task.pairs for task in one.counted), default=0),
            _in_words(one),
        ]
        for one in found.contrasts
    ]
    numbers = ["mean log-ratio", "the paper", "p (Holm)", "tasks", "fewest pairs"]
    return markdown(["place", "function", "against", *numbers, "verdict"], rows)


def _in_words(one: Contrast) -> str:
    return f"failed on {', '.join(one.failed)}" if one.failed else one.verdict


def _by_task(found: Outside) -> str:
    """Differences in scores, a row a task and a column a comparison; not tested one by one."""
    columns = list(dict.fromkeys((one.function, one.other) for one in found.contrasts))
    cells = {
        (task.table.task.name, one.function, one.other): (
            f"{task.score.text(digits(task.table.task.metric))} ({task.pairs})"
        )
        for one in found.contrasts
        for task in one.tasks
    }
    tables = {task.table.task.name: task.table for one in found.contrasts for task in one.tasks}
    rows = [[head_of(table), *(cells.get((name, *column), "") for column in columns)] for name, table in tables.items()]
    return markdown(["difference in score", *(f"{function} − {other}" for function, other in columns)], rows)


def _by_aggregate(found: Outside) -> list[str]:
    """The comparisons of the lab, a column for each other way to make a mean of them; nothing without any."""
    held = [one for one in found.contrasts if one.otherwise]
    names = [name for name in (*AGGREGATES, RETUNED) if any(name in one.otherwise for one in held)]
    rows = [[one.function, one.other, one.mean or "", *(one.otherwise.get(name, "") for name in names)] for one in held]
    head = ["function", "against", "geometric mean (the score)", *names]
    titles = []
    if any(name in AGGREGATES for name in names):
        titles.append("by other means over its problems")
    if RETUNED in names:
        titles.append("with each function's learning rate re-tuned")
    return [f"{LAB.capitalize()}, {' and '.join(titles)}:\n\n{markdown(head, rows)}"] if rows else []


def _about_the_rates(evidence: Evidence, found: Outside) -> list[str]:
    """What to know of the column of re-tuned rates; nothing without it."""
    if evidence.tuned is None or not any(RETUNED in one.otherwise for one in found.contrasts):
        return []
    in_it = {task.table.task.name for one in found.contrasts if RETUNED in one.otherwise for task in one.counted}
    compared = {name for one in found.contrasts for name in (one.function, one.other)}
    tables = [table for table in evidence.tuned.board.tables if table.task.name in in_it]
    only = [replace(table, rows=tuple(row for row in table.rows if row.label in compared)) for table in tables]
    said = f"Re-tuned: {FEWEST_PAIRS} pairs or more a task. {describe.beyond_the_grid(only)}".rstrip()
    return [f"{said}\n"]


def statistics(evidence: Evidence) -> Answer | None:
    """Question 2."""
    found = fates(evidence)
    special = [fate for fate in found if not fate.pointwise]
    if not special:
        return None
    plain = [fate for fate in found if fate.pointwise]
    sentence = f"{_kind('Not pointwise', special)} {_kind('Pointwise', plain)}".rstrip()
    met = {one.task for fate in found for one in fate.tasks}
    tasks = [table.task.name for table in evidence.board.tables if table.task.name in met]
    columns = tasks if len(tasks) <= MOST_TASKS else []
    rows = [
        [
            fate.function,
            "yes" if fate.pointwise else "no",
            fate.state.value,
            *(estimate or "" for estimate in (fate.lab, fate.field)),
            *(_fate_cell({one.task: one for one in fate.tasks}.get(task)) for task in columns),
        ]
        for fate in found
    ]
    table = markdown(["function", "pointwise", "in all", LAB, "field", *columns], rows)
    board = evidence.board
    weak = [table.task.name for table in board.tables if board.hardly_learned(table) and table.task.family != LAB]
    return Answer(
        sentence, table + (f"\nLeft out, since few functions learn them: {', '.join(weak)}.\n" if weak else "")
    )


def _kind(noun: str, held: Sequence[Fate]) -> str:
    """How many functions of a kind collapsed, held their ground, or are open, of those that were tried often enough; of
    the others those that have collapsed already are named, and not counted."""
    if not held:
        return ""
    judged = [fate for fate in held if fate.judged]
    rest = [fate for fate in held if not fate.judged]
    early = [fate for fate in rest if fate.collapsed]
    said = []
    if judged:
        states = [fate.state for fate in judged]
        said.append(
            f"{states.count(State.COLLAPSED)} of {count_of(len(judged), 'function')} collapsed somewhere in the "
            f"field{_where(judged)}, {states.count(State.HELD)} held on every task, {states.count(State.OPEN)} open"
        )
    if rest:
        more = " more" if judged else ""
        named = f", of which {len(early)} collapsed so far{_where(early)}" if early else ""
        said.append(f"{len(rest)}{more} cannot be counted, for want of pairs{named}")
    return f"{noun}: {'. '.join(said)}."


def _where(held: Sequence[Fate]) -> str:
    """Who collapsed, and on which tasks, in brackets; empty if nobody did."""
    down = "; ".join(f"{fate.function} on {', '.join(fate.collapsed)}" for fate in held if fate.collapsed)
    return f" ({down})" if down else ""


def _fate_cell(one: OnTask | None) -> str:
    if one is None:
        return ""
    value = f"{one.ratio} ({one.pairs})" if one.ratio else f"no better than a guess ({one.pairs})" if one.pairs else ""
    lost = f"{count_of(one.broke_down, 'training')} broke down" if one.broke_down else ""
    failed = f"{count_of(one.failed, 'cell')} failed" if one.failed else ""
    return f"{one.state.value} {', '.join(part for part in (value, lost, failed) if part)}"


def predicts(evidence: Evidence) -> Answer | None:
    """Question 3."""
    found = predict(evidence.board, evidence.tuned.board if evidence.tuned else None)
    if found is None:
        return None
    weak = ", ".join(found.weak)
    sentence = f"{_verdict(found)}: tau {found.tau} over {found.tau.n} functions"
    if found.without_weak is not None:
        sentence += f", {found.without_weak} without {weak}, which ReLU hardly learns"
    whole = f"with {', '.join(found.whole_lab)}"
    more_columns = [f"{LAB}, {whole}"] if found.whole_lab else []
    if found.with_whole_lab is not None:
        sentence += f", {found.with_whole_lab} {whole}, where few are better than the training mean"
    sentence += f". {_pick(found)}"
    places = sorted(found.order, key=lambda one: (-one.field.value, one.function))
    rows = []
    for place, one in enumerate(found.order, start=1):
        zero, mark = one.function == BASELINE, " †" if evidence.facts[one.function].mined_on else ""
        shown = (one.lab, one.field, *(one.whole_lab for _ in more_columns))
        numbers = ("0" if zero else str(number or "") for number in shown)
        rows.append([place, 1 + places.index(one), one.function + mark, *numbers])
    head = ["place in the lab", "in the field", "function", LAB, "field", *more_columns]
    taus = [(f"{LAB} and field", found.tau)]
    if found.with_whole_lab is not None:
        taus.append((f"{LAB} and field, {whole}", found.with_whole_lab))
    taus += [(f"{LAB} and {name}", tau) for name, tau in found.families]
    taus += [(f"{LAB} and field, without {name}", tau) for name, tau in found.without]
    taus += [(f"{LAB} and field, {name}", tau) for name, tau in found.subsets]
    taus += [(f"even and odd seeds of the {name}", tau) for name, tau in found.halves]
    note = (
        f"{count_of(found.pairs, 'pair')} with ReLU is the least that a function has on a task. Even and odd seeds say "
        "how much of an order half of the seeds repeats: where that is little, little could be expected of a "
        "prediction.\n"
    )
    if any(evidence.facts[one.function].mined_on for one in found.order):
        note += "† the lab's own data chose this function: its place there flatters it.\n"
    orders = markdown(["orders", "Kendall's tau", "functions"], [[name, tau, tau.n] for name, tau in taus])
    return Answer(sentence, "\n".join((markdown(head, rows), orders, note)))


def _verdict(found: Prediction) -> str:
    if not found.learned:
        return "We cannot tell, since few functions learn any task of the field"
    if not found.solved:
        return "We cannot tell, since few functions are better than the training mean on any task of the lab"
    if math.isnan(found.tau.low):
        return "We cannot tell, the functions are too few"
    others = ((found.tau, found.without_weak, found.weak), (found.of_these, found.with_whole_lab, found.whole_lab))
    hangs_on = [name for one, two, tasks in others if one and two and _sign(one) != _sign(two) for name in tasks]
    if hangs_on:
        return f"We cannot tell, the answer hangs on {', '.join(hangs_on)}"
    return {1: "Yes, in part", -1: "No, the orders are opposed", 0: "We cannot tell"}[_sign(found.tau)]


def _sign(tau: Correlation) -> int:
    """1 or -1 where the whole interval lies on one side of 0."""
    return (tau.low > 0) - (tau.high < 0)


def _pick(found: Prediction) -> str:
    """What became of the function that is best in the lab."""
    chosen = found.order[0]
    best = max(found.order, key=lambda one: (one.field.value, one is chosen))
    behind = best.field.value - chosen.field.value
    rest = "and is the best there, too" if best is chosen else f"{behind:.3f} behind the best there, {best.function}"
    value = "0" if chosen.function == BASELINE else str(chosen.field)
    otherwise = [f"{mean} without {task}" for task, mean in found.pick_without]
    if found.pick_retuned:
        tasks, mean = found.pick_retuned
        otherwise.append(f"{mean} with the re-tuned rates of {', '.join(tasks)}")
    hangs = f" ({'; '.join(otherwise)})" if otherwise else ""
    return f"The best of the lab, {chosen.function}, has {value} in the field{hangs}, {rest}."


QUESTIONS = (
    Question("Do periodic perturbations of GELU beat ReLU and GELU out of distribution?", "yes", PERIODIC, periodic),
    Question("Do functions of batch or feature statistics collapse in the field?", "yes", STATISTICS, statistics),
    Question("Does the order in the lab predict that in the field?", "hoped", PREDICTS, predicts),
)
