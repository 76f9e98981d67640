"""What goes on the first page: for each board its ranking, its verdicts by task, its tasks, and what is missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench import describe
from bench.compare import BASELINE
from bench.evidence import Evidence
from bench.judge import SIGNS, TaskJudgement, counted
from bench.leaderboard import unranked
from bench.overall import Overall
from bench.records import Record
from bench.site import words
from bench.site.assets import file_name
from bench.site.cells import MISSING, Cell, Column, Line, Table, minus, number, order, sign
from bench.site.pictures import Picture
from bench.site.transfer import transfer_tables
from bench.tables import number as metric_number

Href = Callable[[Record], str]
"""The page of a record's activation."""


@dataclass(frozen=True)
class BoardView:
    """One board as the first page shows it."""

    id: str
    title: str
    sentences: Sequence[str]
    ranking: Table
    gaps: Sequence[str]
    """What keeps activations out of the ranking."""
    matrix: Table
    tasks: Table
    transfer: Sequence[Table]
    transfer_notes: Sequence[str]
    pictures: Sequence[Picture]
    failures: Table | None
    ran_on: Sequence[str]


def task_page(evidence: Evidence, task: TaskJudgement) -> str:
    """Path of a task's page in the site."""
    return f"tasks/{file_name(evidence.board.profile, evidence.board.track, task.table.task.name)}"


def view(evidence: Evidence, pictures: Sequence[Picture], href: Href) -> BoardView:
    """Everything that the first page says of a board."""
    board, place = evidence.board, evidence.folder
    records = [record for table in board.tables for record in table.records]
    pages = {row.label: href(row.records[0]) for table in board.tables for row in table.rows}
    return BoardView(
        id=place,
        title=describe.title(evidence),
        sentences=list(describe.glance(evidence)),
        ranking=_ranking(evidence, pages, place),
        gaps=unranked(evidence),
        matrix=_matrix(evidence, pages, place),
        tasks=_tasks(evidence, place),
        transfer=transfer_tables(evidence, place),
        transfer_notes=list(describe.transfer_notes(evidence)),
        pictures=pictures,
        failures=words.failures(describe.failures(board), f"{place}-failures"),
        ran_on=describe.ran_on(records),
    )


def _ranking(evidence: Evidence, pages: dict[str, str], place: str) -> Table:
    columns = [
        Column("rank", "1 + the number of rows that are better beyond chance"),
        Column("activation", kind="text"),
        Column("field", "mean log-ratio to ReLU over real networks, 95 % interval", largest_first=True),
        Column("lab", "mean log-ratio to ReLU over the synthetic lab, 95 % interval", largest_first=True),
        Column("worst task", "smallest log-ratio to ReLU", "ordered", largest_first=True),
        *(Column(sign, f"tasks: {verdict}", largest_first=True) for verdict, sign in SIGNS.items()),
        Column("time", "training time over ReLU's"),
        Column("memory", "peak memory over ReLU's"),
        Column("FLOPs an element", "floating-point operations"),
        Column("◆", "no other row is as good and as fast", "ordered", largest_first=True),
        Column("diverged", "share of its runs"),
        Column("pointwise", kind="text"),
        Column("origin", kind="text"),
        Column("mined on", kind="text"),
    ]
    lines = [_ranking_line(evidence, row, pages[row.label]) for row in evidence.overall]
    return Table(f"{place}-ranking", f"Ranking: {describe.title(evidence)}", columns, lines, heading=1, filters=True)


def _ranking_line(evidence: Evidence, row: Overall, page: str) -> Line:
    verdicts, cost, baseline = counted(evidence.counting, row.label), evidence.costs[row.label], row.label == BASELINE
    known = evidence.facts[row.label]
    cells = [
        Cell(row.place, order(row.rank), kind="number") if row.rank else Cell(MISSING, "", words="not ranked"),
        Cell(row.label, href=page),
        Cell("0", "0.0", kind="number") if baseline and row.field else words.estimate(row.field),
        Cell("0", "0.0", kind="number") if baseline and row.lab else words.estimate(row.lab),
        _worst(row),
        *(_count(verdicts[verdict], baseline, verdict) for verdict in SIGNS),
        number(cost.time, ".2f"),
        number(cost.memory, ".2f"),
        number(cost.flops, ",g"),
        Cell("◆", "1", words="on the front", kind="mark") if cost.frontier else Cell("", "", kind="mark"),
        number(row.diverged, ".0%"),
        Cell("yes" if known.pointwise else "no"),
        Cell(known.origin),
        Cell(", ".join(known.mined_on)),
    ]
    given = {
        task.table.task.name: task.by_label[row.label].verdict for task in evidence.own if row.label in task.by_label
    }
    return Line(cells, {task: verdict for task, verdict in given.items() if verdict}, known.pointwise, known.origin)


def _worst(row: Overall) -> Cell:
    if row.worst is None or row.label == BASELINE:
        return Cell(MISSING, "", words="missing", kind="missing")
    task, value = row.worst
    return Cell(f"{minus(f'{value:+.3f}')} {task}", order(value))


def _count(count: int, baseline: bool, verdict: str) -> Cell:
    if baseline:
        return Cell("", "", kind="number")
    return Cell(str(count), order(count), kind=f"number {verdict.replace(' ', '-')}" if count else "number missing")


def _matrix(evidence: Evidence, pages: dict[str, str], place: str) -> Table:
    """Activations by tasks: the sign of each verdict."""
    lines = []
    for row in evidence.overall:
        cells = [Cell(row.label, href=pages[row.label])]
        for task in evidence.tasks:
            judged = task.by_label.get(row.label)
            cells.append(sign(judged.verdict, short=True) if judged else Cell(MISSING, "", words="not run"))
        lines.append(Line(cells))
    columns = [
        Column("activation", kind="text"),
        *(Column(task.table.task.name, kind="ordered") for task in evidence.tasks),
    ]
    caption = f"Verdicts by task: {describe.title(evidence)}"
    return Table(f"{place}-verdicts", caption, columns, lines, heading=0, sorted_by=None)


def _tasks(evidence: Evidence, place: str) -> Table:
    """A row a task: ReLU's score, the published one, what was and can be told."""
    columns = [
        Column("task", kind="text"),
        Column("metric", kind="text"),
        Column("ReLU", "mean ± standard deviation (seeds)"),
        Column("published", "score of ReLU in the publication"),
        Column("anchored", "whether ReLU reaches the published score", kind="text"),
        Column("pairs", "pairs with ReLU that a row has"),
        Column("resolves", "smallest difference that the most pairs show with 80 % power"),
        Column("no different within", "region of equivalence"),
    ]
    lines = []
    for task in evidence.tasks:
        table, metric = task.table, task.table.task.metric
        reference, margin = table.task.reference, task.margin
        cells = [
            Cell(table.task.name, href=task_page(evidence, task)),
            Cell(words.metric_head(task)),
            words.score(table.by_label.get(BASELINE), table),
            words.resolved(reference.value if reference else float("nan"), metric),
            Cell(describe.anchor(table)[0]),
            Cell(describe.pairs_of(task), order(task.pairs[1]), kind="number"),
            words.resolved(task.resolution, metric),
            Cell(MISSING, "", words="none", kind="missing")
            if margin is None
            else Cell(f"±{metric_number(margin, metric)}", order(margin), kind="number"),
        ]
        lines.append(Line(cells))
    return Table(f"{place}-tasks", f"Tasks: {describe.title(evidence)}", columns, lines, sorted_by=None)
