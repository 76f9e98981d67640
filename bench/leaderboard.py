"""Render records as `leaderboard.md`: the same records give the same bytes, on any machine and any day."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from bench import clrs, describe
from bench.compare import BASELINE, Row
from bench.evidence import Evidence, gather
from bench.judge import SIGNS, Judgement, TaskJudgement, counted
from bench.leaderboard_task import difference_cell, head_of, score_cell, task_section
from bench.leaderboard_transfer import transfer_section
from bench.overall import Overall
from bench.store import Loaded
from bench.tables import inert, markdown, number

INTRODUCTION = """\
# Leaderboard

How well activation functions do when they replace ReLU in known networks on known benchmarks: does a function
generalise, what does it cost, how sure are we? This file is rendered from the records and from nothing else; every
record holds its score, its curves, the function's graph and source, the audit of the injection, versions, hardware
and commit. `docs/protocol.md` gives the reason for each choice.

## How to read it

* **A cell** is one training run: a task, an activation, a seed and a recipe. The same seed means the same initial
  weights and the same order of data for every activation, so differences to ReLU are **paired by seed**; how much of
  their scatter that takes off, which may be little, stands under each task's table.
  `94.10 ± 0.12 (3)` is mean ± standard deviation over 3 seeds; `+0.41 [+0.10, +0.72]` is a mean difference and its own
  95 % interval, over seeds and not over other test examples. It is over the seeds that a row shares with ReLU, which
  differ between rows, so it need not be the gap between two mean scores.
* **Verdicts**: ▲ better and ▼ worse than ReLU (t tests, corrected by Holm over the whole board: where nothing differs
  and the seeds were planned before anything was seen, any ▲ or ▼ at all shows on at most one board in twenty), = no
  different (the whole interval lies within the region of equivalence, which is too small a difference to matter), ? not
  enough seeds to say (always below 5 pairs; above, the interval may exclude 0 and the correction still ask for more), ✕
  failed (a cell ended without a score).
* **Field** is the mean log-ratio to ReLU over the families of tasks: +0.05 is a score about 5 % above ReLU's, counted
  from the level of a guess. **Lab** is the same for the synthetic lab, where functions are mined; the two are never
  averaged. A **rank** is 1 + the number of rows that are better beyond chance, so several rows may share one. Only
  activations with a score on every task that counts and no failed cell are ranked, and only beside a ReLU that has all
  of them; `1?` is a row with too few pairs for any test, so that none could be shown to be better. Tasks that less
  than half of the regular activations were run on, or learn, count for no rank and for no verdict in the ranking, and
  "At a glance" names them; regular are those with 5 pairs on at least half of the tasks on which any has as many.
* **Cost** is a ratio to ReLU on the same kind of machine and day, one kind for all pairs of a row and, where it can be,
  for all rows of a task: processor time of the training for cells on a CPU, time by the clock on a GPU; peak memory of
  the whole process on a CPU, of the GPU otherwise (molhiv: of a GPU alone; CLRS-30: none). Compilation does not count;
  the earlier records of CLRS-30 hold it and have no ratio of time. The ranking's are means over the tasks of the field,
  families alike, that make the largest table of tasks and rows without a gap; "At a glance" names them, and a row that
  lacks one has no mean. `1.28 (2)` is the median of two pairs of cells. Where there are few, where cells are short as
  in the lab, and for memory on a CPU, read it as a size: cells of one function scatter.
  ◆ marks what no other row beats in both quality and time, by means alone: a row with few seeds may owe it to luck.
* **Profiles** (`smoke`, `cpu`, `small`, `paper`) are budgets, and **tracks** say whether the data is the real
  benchmark or an embedded stand-in. Neither ever shares a table with another. Only `paper` follows published
  protocols, where a task has one; there its ReLU row is held against the published number.
* **Re-tuned** columns come from runs of their own, in which each of the activations shown there, ReLU too, had its
  learning rate chosen from the same grid by validation. They never mix with the fixed recipe, and the correction of
  their verdicts goes over the re-tuned rows alone.
* **Resolves** is the difference that so many pairs show with 80 % power at the strictest step of the correction, once
  all rows have pairs enough to be tested; until then p is corrected for fewer tests and shows somewhat less.
* `†` marks a mined function on a task whose data chose it: read it on the other tasks.
* **Seeds** says which rows were run on which seeds: rows of few pairs may stand beside other cells of ReLU.
* **Repeat** names the command for all rows of a task; it also trains the seeds that some rows lack. For one row leave
  the other names out, and keep `relu`.
* **Failures** are results: `diverged` is a training that became non-finite, and no such run has a score.
"""


def render(loaded: Loaded, local: bool = False, figures: str = "") -> str:
    """The whole board of some records as Markdown; see `lay_out`. Curves are needed for pictures of them alone."""
    return lay_out(gather(loaded.records), loaded.damaged, local, figures)


def lay_out(boards: Sequence[Evidence], damaged: Sequence[str], local: bool = False, figures: str = "") -> str:
    """The whole board as Markdown.

    Args:
        damaged: one sentence a file that was refused.
        local: the records are a user's own.
        figures: folder of the pictures as the text should name it, empty for a text without pictures.
    """
    parts = [INTRODUCTION]
    if local:
        parts.append("These records are local: nobody has published them.\n")
    if not boards:
        parts.append("There are no records yet: `bench run` makes some, `bench publish` puts them here.\n")
    for evidence in boards:
        parts.extend(_board(evidence, figures))
    if damaged:
        parts.append("## Refused files\n")
        parts.append("".join(f"* {inert(sentence)}\n" for sentence in damaged))
    return "\n".join(parts)


def ranking_table(evidence: Evidence) -> str:
    """The ranking of one board; empty where nothing can be ranked."""
    if not evidence.ranked:
        return ""
    tuned = _by_graph(evidence.tuned) if evidence.tuned and evidence.all_tuned else {}
    head = [
        "rank",
        "activation",
        "field",
        "lab",
        "worst task",
        "verdicts",
        "time",
        "memory",
        "FLOPs an element",
        "◆",
        "pointwise",
        "diverged",
    ]
    rows = [_ranking_row(evidence, row) for row in evidence.ranked]
    if tuned:
        head += ["field, re-tuned", "lab, re-tuned"]
        for cells, row in zip(rows, evidence.ranked, strict=True):
            cells += _means(tuned.get(evidence.facts[row.label].graph_hash))
    return markdown(head, rows)


def unranked(evidence: Evidence) -> list[str]:
    """One line for each activation that is not ranked, with what is missing."""
    return [f"{row.label}: {'; '.join(row.gaps)}" for row in evidence.overall if row.rank is None and row.gaps]


def _ranking_row(evidence: Evidence, row: Overall) -> list[object]:
    cost, facts = evidence.costs[row.label], evidence.facts[row.label]
    verdicts = counted(evidence.counting, row.label)
    worst = f"{row.worst[0]} {row.worst[1]:+.3f}" if row.worst and row.label != BASELINE else ""
    return [
        row.place,
        row.label,
        *_means(row),
        worst,
        " ".join(f"{sign}{verdicts[verdict]}" for verdict, sign in SIGNS.items() if verdicts[verdict]),
        f"{cost.time:.2f}" if cost.time is not None else "",
        f"{cost.memory:.2f}" if cost.memory is not None else "",
        f"{cost.flops:g}" if cost.flops is not None else "",
        "◆" if cost.frontier else "",
        "yes" if facts.pointwise else "no",
        f"{row.diverged:.0%}",
    ]


def _board(evidence: Evidence, figures: str) -> Iterable[str]:
    board = evidence.board
    yield f"## {describe.title(evidence, '`')}\n"
    yield "### At a glance\n"
    yield "".join(f"* {inert(line)}\n" for line in describe.glance(evidence))
    yield "### Ranking\n"
    yield ranking_table(evidence) or "Nothing can be ranked.\n"
    mined = {label: facts.mined_on for label, facts in evidence.facts.items() if facts.mined_on}
    if mined:
        yield "".join(f"* {label} was mined on {', '.join(found)}.\n" for label, found in mined.items())
    missing = unranked(evidence)
    if missing:
        yield "Not ranked:\n"
        yield "".join(f"* {inert(line)}\n" for line in missing)
    pictures = _pictures(evidence, figures)
    if "" in pictures:
        yield pictures[""]
    yield "### Differences to ReLU\n"
    yield _matrix(evidence, lambda task, row: difference_cell(task.by_label.get(row), task.table))
    yield "### Scores\n"
    yield _matrix(evidence, lambda task, row: score_cell(_row(task.by_label.get(row)), task.table))
    algorithms = sum(table.task.family == clrs.FAMILY for table in board.tables)
    if 0 < algorithms < clrs.ALGORITHMS:
        yield (
            f"CLRS-30: {algorithms} of {clrs.ALGORITHMS} algorithms were run, so there is no mean over all of them to "
            "hold against a published one.\n"
        )
    yield "### Tasks\n"
    yield _task_table(evidence)
    for table in board.tables:
        yield from task_section(evidence, evidence.by_task[table.task.name])
        if table.task.name in pictures:
            yield pictures[table.task.name]
    yield from transfer_section(evidence)
    yield from _failures(evidence)
    yield "### What it was run on\n"
    records = [record for table in board.tables for record in table.records]
    yield "".join(f"* {inert(line)}\n" for line in describe.ran_on(records))


def _matrix(evidence: Evidence, cell: Callable[[TaskJudgement, str], str]) -> str:
    """A table of activations by tasks."""
    rows = [[row.label, *(cell(task, row.label) for task in evidence.columns)] for row in evidence.overall]
    return markdown(["activation", *(head_of(task.table) for task in evidence.columns)], rows)


def _task_table(evidence: Evidence) -> str:
    """A row a task: ReLU's score, the published one, what was and can be told."""
    rows = []
    for task in evidence.tasks:
        metric, relu = task.table.task.metric, task.table.by_label.get(BASELINE)
        reference = task.table.task.reference
        rows.append(
            [
                head_of(task.table),
                score_cell(relu, task.table),
                number(reference.value, metric) if reference else "",
                describe.anchor(task.table)[0],
                describe.pairs_of(task),
                number(task.resolution, metric) if task.resolution == task.resolution else "",
                f"±{number(task.margin, metric)}" if task.margin is not None else "",
            ]
        )
    head = ["task", "ReLU", "published", "anchored", "pairs", "resolves", "no different within"]
    return markdown(head, rows)


def _pictures(evidence: Evidence, figures: str) -> dict[str, str]:
    """Links to the pictures of each task by its name, and to those of the whole board by no name."""
    if not figures:
        return {}
    from bench.figures import caption, drawable, of_task

    names = drawable(evidence)
    shown = {table.task.name: of_task(table.task.name, names) for table in evidence.board.tables}
    own = {name for held in shown.values() for name in held}
    shown[""] = tuple(name for name in names if name not in own)
    return {
        task: "\n".join(f"![{caption(name)}]({figures}/{evidence.folder}/{name})\n" for name in held)
        for task, held in shown.items()
        if held
    }


def _failures(evidence: Evidence) -> Iterator[str]:
    failed = describe.failures(evidence.board)
    if failed:
        yield "### Failures\n"
        rows = [
            [
                record.task.name,
                record.activation.name,
                record.seed,
                record.outcome.replace("_", " "),
                inert(record.reason),
            ]
            for record in failed
        ]
        yield markdown(["task", "activation", "seed", "outcome", "reason"], rows)


def _row(judgement: Judgement | None) -> Row | None:
    return judgement.row if judgement else None


def _by_graph(evidence: Evidence) -> dict[str, Overall]:
    """The rows of a board by their functions: names may carry a part of the hash on one board and none on another."""
    return {evidence.facts[row.label].graph_hash: row for row in evidence.overall}


def _means(row: Overall | None) -> list[str]:
    """Mean log-ratio to ReLU over the field, and over the lab."""
    found = (row.field, row.lab) if row is not None else (None, None)
    zero = row is not None and row.label == BASELINE
    return ["" if one is None else "0" if zero else str(one) for one in found]
