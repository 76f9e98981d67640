"""Render records as `leaderboard.md`: the same records give the same bytes, on any machine and any day."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence

from bench.compare import (
    BASELINE,
    CLRS_ALGORITHMS,
    CLRS_FAMILY,
    Board,
    Row,
    TaskTable,
    built_in_names,
    clrs_mean,
    make_boards,
)
from bench.profiles import PROFILES
from bench.records import MetricFacts, Record
from bench.store import Loaded
from bench.tables import count_of, escape, markdown, number, signed, with_spread

INTRODUCTION = """\
# Leaderboard

How well activation functions do when they replace ReLU in known networks on known benchmarks.
This file is rendered from the records and from nothing else; every record holds its score, its curves, the function's
graph and source, the audit of the injection, versions, hardware and commit.

## How to read it

* **A cell** is one training run: a task, an activation, a seed and a recipe. The same seed means the same initial
  weights and the same order of data for every activation, so differences to ReLU are **paired by seed**.
* `94.10 ± 0.12 (3)` is mean ± standard deviation over 3 seeds; `(1)` has no deviation. `+0.41 ± 0.10 (3)` is the
  mean difference to ReLU over 3 pairs, with the deviation of the differences. A few seeds prove little: a difference
  that is not several times its deviation may well be luck.
* **The rank** orders activations within each task by their mean difference to ReLU, ties sharing the mean of their
  places; the mean rank is taken over the tasks of a family, then over families (our choice). Only activations that
  have a score on every task of the board, and no failed cell, are ranked; the others stand below, with what is missing.
* **Profiles** (`smoke`, `cpu`, `small`, `paper`) are budgets, and **tracks** say whether the data is the real
  benchmark or an embedded stand-in. The two never share a table. Only `paper` follows the published protocols; there
  each task's ReLU row is held against its published number.
* **Sites** are the activation functions in the network: `17 / 0` means that 17 were swapped and none was left.
* **Training time** is a median over seeds of the ratio to ReLU's on the same kind of machine: processor time for cells
  on a CPU, time by the clock for cells on a GPU.
* `†` marks the score of a mined function on a task whose data chose it: read it on the other tasks.
* **Failures** are results: `diverged` is a training that became non-finite, and no such run has a score.
"""


def render(loaded: Loaded, local: bool = False) -> str:
    """The whole board as Markdown; `local` says that the records are a user's own."""
    parts = [INTRODUCTION]
    if local:
        parts.append("These records are local: nobody has published them.\n")
    boards = sorted(make_boards(loaded.records), key=_board_order)
    if not boards:
        parts.append("There are no records yet: `bench run` makes some, `bench publish` puts them here.\n")
    for board in boards:
        parts.extend(_board(board))
    if loaded.damaged:
        parts.append("## Refused files\n")
        parts.append("".join(f"* {escape(sentence)}\n" for sentence in loaded.damaged))
    return "\n".join(parts)


def ranking_table(board: Board) -> str:
    """The ranking of one board: rank, mean rank and the difference to ReLU on each task."""
    columns = _columns(board)
    rows = []
    for place, label, mean in _places(board):
        cells = [_difference(table.by_label.get(label), table.task.metric) for table in columns]
        rows.append([place, label, f"{mean:.2f}", *cells])
    return markdown(["rank", "activation", "mean rank", *(_head(table) for table in columns)], rows)


def unranked(board: Board) -> list[str]:
    """One line for each activation that is not ranked, with what is missing."""
    return [f"{label}: {'; '.join(gaps)}" for label in board.labels if (gaps := board.gaps(label))]


def _board(board: Board) -> Iterable[str]:
    yield f"## Profile `{board.profile}`, {_track(board.track)}\n"
    if board.profile in PROFILES:
        yield f"Budget: {PROFILES[board.profile].summary}.\n"
    if board.track == "stand-in":
        yield "**Stand-in data**: these numbers say that the machinery works, and nothing about the real benchmark.\n"
    yield "### Ranking\n"
    yield "Difference to ReLU, paired by seed: mean ± standard deviation (pairs).\n"
    yield ranking_table(board) if board.mean_ranks else "No activation has a score on every task of this board.\n"
    missing = unranked(board)
    if missing:
        yield "Not ranked:\n"
        yield "".join(f"* {escape(line)}\n" for line in missing)
    yield "### Scores\n"
    yield "Mean ± standard deviation (seeds).\n"
    yield _scores(board)
    algorithms = sum(table.task.family == CLRS_FAMILY for table in board.tables)
    if 0 < algorithms < CLRS_ALGORITHMS:
        yield f"CLRS-30: {algorithms} of {CLRS_ALGORITHMS} algorithms were run, so no mean over them is formed.\n"
    for table in board.tables:
        yield from _task(table)
    yield from _failures(board)
    yield from _provenance(board)


def _columns(board: Board) -> list[TaskTable]:
    """The tables that get a column: every task, but for CLRS-30 its mean, or its algorithms where they are few."""
    columns = [table for table in board.tables if table.task.family != CLRS_FAMILY]
    algorithms = [table for table in board.tables if table.task.family == CLRS_FAMILY]
    mean = clrs_mean(board)
    if mean is not None:
        return [*columns, mean]
    return [*columns, *algorithms] if len(algorithms) <= 4 else columns


def _places(board: Board) -> list[tuple[int, str, float]]:
    """Rank, label and mean rank; equal means share a rank."""
    means = list(board.mean_ranks.items())
    return [(1 + sum(other < mean for _, other in means), label, mean) for label, mean in means]


def _scores(board: Board) -> str:
    columns = _columns(board)
    ranked = list(board.mean_ranks)
    labels = ranked + [label for label in board.labels if label not in ranked]
    rows = [[label, *(_score(table.by_label.get(label), table.task.metric) for table in columns)] for label in labels]
    return markdown(["activation", *(_head(table) for table in columns)], rows)


def _task(table: TaskTable) -> Iterable[str]:
    task, metric = table.task, table.task.metric
    yield f"### {task.name}\n"
    yield "\n".join(_facts(table)) + "\n"
    yield markdown(
        [
            "activation",
            "score",
            "difference to ReLU",
            "range",
            "training time / ReLU",
            "swapped / left",
            "parameters",
            "failed",
        ],
        [_row(row, metric) for row in table.rows],
    )
    if table.outdated:
        yield f"{count_of(table.outdated, 'record')} of other versions or recipes of this task left out.\n"


def _row(row: Row, metric: MetricFacts) -> list[object]:
    audits = sorted({f"{r.injection.swapped} / {r.injection.left}" for r in row.records if r.injection})
    sizes = sorted({r.parameters for r in row.records if r.parameters is not None})
    score = row.score
    return [
        row.label,
        _score(row, metric),
        _difference(row, metric),
        f"{number(score.low, metric)} to {number(score.high, metric)}" if score and score.n > 1 else "",
        f"{row.time_ratio:.2f}" if row.time_ratio is not None else "",
        ", ".join(audits),
        ", ".join(f"{size:,}" for size in sizes),
        f"{len(row.failures)} of {len(row.records)}" if row.failures else "",
    ]


def _facts(table: TaskTable) -> list[str]:
    task, metric = table.task, table.task.metric
    unit = "" if metric.unit in metric.name else f" in {escape(metric.unit)}"
    direction = "higher is better" if metric.higher_is_better else "lower is better"
    chance = f"; chance level {number(metric.chance, metric)}" if metric.chance is not None else ""
    lines = [
        f"{escape(task.title)}\n",
        f"* Metric: {escape(metric.name)}{unit}, {direction}{chance}.",
        f"* Data: {escape(task.dataset)} ({escape(task.dataset_source)}); {_checksums(table.records)}",
        f"* Network: {escape(task.model.rstrip('.'))}. {count_of(task.sites, 'site')}: {escape(task.site_rule)}",
        f"* Recipe: {', '.join(f'{name} {_plain(value)}' for name, value in json.loads(table.recipe).items())}.",
        f"* {_anchor(table)}",
    ]
    notes = sorted({note for record in table.records for note in record.notes})
    lines += [f"* Note: {escape(note)}" for note in notes]
    return [*lines, f"* Repeat: `{_command(table)}`"]


def _anchor(table: TaskTable) -> str:
    """Whether ReLU reaches the published number, as a sentence."""
    reference, metric = table.task.reference, table.task.metric
    if reference is None:
        return "Anchor: there is no published number for this network and protocol."
    published = f"{number(reference.value, metric)} ({escape(reference.source)})"
    if table.profile != "paper":
        return f"Anchor: not the published protocol; that gives ReLU {published}."
    relu = table.by_label.get(BASELINE)
    if relu is None or relu.score is None or relu.failures:
        return f"Anchor: **not anchored**, ReLU has no complete score here; published: {published}."
    inside = reference.low <= relu.score.mean <= reference.high
    verdict = "anchored" if inside else "**not anchored**"
    bounds = f"{number(reference.low, metric)} to {number(reference.high, metric)}"
    score = with_spread(relu.score, metric)
    return f"Anchor: {verdict}, ReLU scores {score}, accepted is {bounds}; published: {published}."


def _checksums(records: Sequence[Record]) -> str:
    found = sorted({f"{name} {digest}" for record in records for name, digest in record.dataset.items()})
    if not found:
        return "generated from a seed, nothing to verify."
    shown = ", ".join(f"`{escape(entry)}`" for entry in found[:8])
    return f"verified: {shown}{f' and {len(found) - 8} more' if len(found) > 8 else ''}."


def _command(table: TaskTable) -> str:
    names = sorted({record.activation.name for record in table.records})
    seeds = sorted({record.seed for record in table.records})
    return (
        f"bench run --profile {table.profile} --tasks {table.task.name} "
        f"--activations {','.join(names)} --seeds {','.join(map(str, seeds))}"
        f"{' --data DIR' if any(record.dataset for record in table.records) else ''}"
        f"{'' if built_in_names().issuperset(names) else ' --plugin FILE'}"
    )


def _failures(board: Board) -> Iterable[str]:
    failed = [record for table in board.tables for row in table.rows for record in row.failures]
    if not failed:
        return
    yield "### Failures\n"
    rows = [
        [record.task.name, record.activation.name, record.seed, record.outcome.replace("_", " "), record.reason]
        for record in failed
    ]
    yield markdown(["task", "activation", "seed", "outcome", "reason"], rows)


def _provenance(board: Board) -> Iterable[str]:
    records = [record for table in board.tables for record in table.records]
    yield "### What it was run on\n"
    machines = Counter(_machine(record) for record in records)
    versions = Counter(", ".join(f"{name} {text}" for name, text in record.versions.items()) for record in records)
    commits = Counter(_commit(record) for record in records)
    lines = [
        f"* {escape(text)}: {count_of(count, 'cell')}"
        for held in (machines, versions, commits)
        for text, count in sorted(held.items())
    ]
    yield "\n".join(lines) + "\n"


def _machine(record: Record) -> str:
    machine = record.machine
    place = machine.gpu if machine.gpu else f"{machine.cpu}, {machine.threads} of {machine.cores} cores a cell"
    return f"{place} (memory {machine.memory_gib:g} GiB)"


def _commit(record: Record) -> str:
    if record.commit is None:
        return "not run from a checkout"
    return f"commit {record.commit[:12]}{' with local changes' if record.dirty else ''}"


def _score(row: Row | None, metric: MetricFacts) -> str:
    if row is None:
        return "missing"
    failed = f", {len(row.failures)} failed" if row.failures else ""
    return with_spread(row.score, metric) + _mark(row) + failed if row.score else "failed"


def _difference(row: Row | None, metric: MetricFacts) -> str:
    if row is None or row.difference is None:
        return ""
    return "0" if row.label == BASELINE else signed(row.difference, metric) + _mark(row)


def _mark(row: Row) -> str:
    """A dagger where the task's own data chose the function."""
    return " †" if any(record.task.name in record.activation.mined_on for record in row.records) else ""


def _head(table: TaskTable) -> str:
    arrow = "↑" if table.task.metric.higher_is_better else "↓"
    return f"{table.task.name} ({table.task.metric.unit} {arrow})"


def _plain(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _track(track: str) -> str:
    return "real benchmarks" if track == "real" else "stand-ins"


def _board_order(board: Board) -> tuple[int, str, str]:
    """The published protocol first, then smaller budgets; real before stand-in."""
    known = list(PROFILES)
    place = -known.index(board.profile) if board.profile in known else 1
    return (place, board.profile, board.track)
