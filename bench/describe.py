"""What a table says of itself in words: its task, its anchor, how it is repeated, what it ran on. Plain text: whoever
shows it escapes it."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from bench.compare import BASELINE, LAB, Board, Row, TaskTable, built_in_names
from bench.cost import MEMORY, TIME, timed
from bench.evidence import Evidence
from bench.inference import FEWEST_FUNCTIONS, FEWEST_PAIRS
from bench.judge import TaskJudgement
from bench.profiles import PROFILES, TUNED, base_of
from bench.race import explain, stopped_rows
from bench.records import Record
from bench.tables import count_of, number, spans, with_spread

MOST_CHECKSUMS = 8
STAND_IN = "Stand-in data: these numbers say that the machinery works, and nothing about the real benchmark."
MOST_NAMED = 20
"""Rows that a sentence names."""
KINDS = (
    "Functions that look at the statistics of a batch or of features (not pointwise) beside pointwise ones, in the lab "
    "and in the field: log-ratios to ReLU, families weigh the same"
)
FEWEST_ANCHORING = 3
"""Seeds of ReLU below which its mean is not held against a published one: bands are made for means."""
MORE_PAIRS = (5, 10, 20)
"""Numbers of pairs for which a table says what they would show."""


def facts(table: TaskTable) -> Iterator[tuple[str, str]]:
    """What a reader must know of a task, each as a heading and a sentence."""
    task, metric = table.task, table.task.metric
    unit = "" if metric.unit in metric.name else f" in {metric.unit}"
    direction = "higher is better" if metric.higher_is_better else "lower is better"
    chance = f"; chance level {number(metric.chance, metric)}" if metric.chance is not None else ""
    recipe = json.loads(table.recipe).items()
    yield "Metric", f"{metric.name}{unit}, {direction}{chance}."
    yield "Data", f"{task.dataset} ({task.dataset_source}); {checksums(table.records)}"
    yield "Network", f"{task.model.rstrip('.')}. {count_of(task.sites, 'site')}: {task.site_rule}"
    yield "Recipe", f"{', '.join(f'{name} {_plain(value)}' for name, value in recipe)}."
    yield "Anchor", f"{anchor(table)[1]}."
    yield "Seeds", f"{seeds_of(table)}."
    for note in sorted({note for record in table.records for note in record.notes}):
        yield "Note", note
    if table.outdated:
        yield "Left out", f"{count_of(table.outdated, 'record')} of other versions or recipes of this task."


def seeds_of(table: TaskTable) -> str:
    """Which rows ran on which seeds, the commonest set first."""
    held: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for row in table.rows:
        held[tuple(sorted({record.seed for record in row.records}))].append(row.label)
    ordered = sorted(held.items(), key=lambda one: (-len(one[1]), one[0]))
    return "; ".join(f"{spans(seeds)} for {', '.join(labels)}" for seeds, labels in ordered)


def anchor(table: TaskTable) -> tuple[str, str]:
    """Whether ReLU reaches the published number: in a word or two, and in a sentence without its full stop."""
    reference, metric = table.task.reference, table.task.metric
    if reference is None:
        return "nothing published", "there is no published number for this network and protocol"
    published = f"{number(reference.value, metric)} ({reference.source})"
    if table.profile != "paper":
        return "other budget", f"not the published protocol; that gives ReLU {published}"
    relu = table.by_label.get(BASELINE)
    if relu is None or relu.score is None or relu.failures:
        return "not anchored", f"not anchored: ReLU has no complete score here; published: {published}"
    bounds, score = accepted(table), with_spread(relu.score, metric)
    if relu.score.n < FEWEST_ANCHORING:
        word, bounds = "too few seeds", f"{bounds} for a mean of {FEWEST_ANCHORING} or more"
    else:
        word = "anchored" if reference.low <= relu.score.mean <= reference.high else "not anchored"
    return word, f"{word}: ReLU scores {score}, accepted is {bounds}; published: {published}"


def accepted(table: TaskTable) -> str:
    """The band of scores that reproduce the published one; empty where nothing is published."""
    reference, metric = table.task.reference, table.task.metric
    return f"{number(reference.low, metric)} to {number(reference.high, metric)}" if reference else ""


def checksums(records: Sequence[Record]) -> str:
    """The files that the runs verified."""
    found = sorted({f"{name} {digest}" for record in records for name, digest in record.dataset.items()})
    if not found:
        return "generated from a seed, nothing to verify."
    return f"verified: {', '.join(found[:MOST_CHECKSUMS])}{_more(len(found) - MOST_CHECKSUMS)}."


def command(table: TaskTable, rows: Sequence[Row] | None = None) -> str:
    """The command that runs the cells of a table again, or those of some of its rows beside ReLU's."""
    chosen = [record for row in (table.rows if rows is None else rows) for record in row.records]
    names = sorted({record.activation.name for record in chosen} | ({BASELINE} if rows is not None else set()))
    seeds = sorted({record.seed for record in chosen})
    trials = sorted({seed for record in chosen if record.tuning for seed in record.tuning.seeds})
    base = base_of(table.profile)
    usual = PROFILES[base].device if base in PROFILES else ""
    other = " --device cpu" if usual == "cuda" and all(record.machine.device == "cpu" for record in chosen) else ""
    tuning = f" --tuning-seeds {spans(trials)}" if trials else ""
    return (
        f"bench {'tune' if trials else 'run'} --profile {base}{other} "
        f"--tasks {table.task.name} --activations {','.join(names)} --seeds {spans(seeds)}{tuning}"
        f"{' --data DIR' if any(record.dataset for record in chosen) else ''}"
        f"{'' if built_in_names().issuperset(names) else ' --plugin FILE'}"
    )


def resolving(task: TaskJudgement) -> str:
    """What the seeds of a task can show, what more of them would, and whose were left out, as sentences."""
    raced = explain(stopped_rows(task.table))
    return f"{_pairs(task)} {raced}".rstrip()


def _pairs(task: TaskJudgement) -> str:
    metric = task.table.task.metric
    fewest, most = task.pairs
    if not most or math.isnan(task.scatter):
        return "No activation has two pairs with ReLU yet, so nothing is known of the scatter."
    spread = number(task.scatter, metric)
    noun = "pair" if most == 1 else "pairs"
    text = f"{pairs_of(task)} {noun} a row, differences scatter by {spread} (pooled): "
    if most < FEWEST_PAIRS:
        text += f"too few for a verdict ({FEWEST_PAIRS} are the fewest)."
    else:
        of_most = f" of {most} pairs" if fewest < most else ""
        below = f"; rows below {FEWEST_PAIRS} get no verdict" if fewest < FEWEST_PAIRS else ""
        text += f"a difference of {number(task.resolution, metric)} shows with 80 % power{of_most}{below}."
    would = [f"{n} pairs {number(task.needed(n), metric)}" for n in MORE_PAIRS if n > fewest and n != most]
    text += f" {', '.join(would).capitalize()}." if would else ""
    margin = "none is stated" if task.margin is None else f"±{number(task.margin, metric)}"
    return f"{text} Region of equivalence: {margin}.{_pairing(task.paired_off)}"


def _pairing(share: float) -> str:
    if math.isnan(share):
        return ""
    does = f"takes {share:.0%} off" if share >= 0 else f"adds {-share:.0%} to"
    return f" Pairing by seed {does} the variance of a difference."


def pairs_of(task: TaskJudgement) -> str:
    """How many pairs with ReLU the rows of a task have, like `1 to 10`."""
    fewest, most = task.pairs
    return f"{fewest} to {most}" if fewest < most else str(most)


def title(evidence: Evidence, quote: str = "") -> str:
    """A board's heading; `quote` stands around the name of the profile."""
    board = evidence.board
    retuned = ", learning rate re-tuned" if board.profile.endswith(TUNED) else ""
    track = "real benchmarks" if board.track == "real" else "stand-ins"
    return f"Profile {quote}{base_of(board.profile)}{quote}, {track}{retuned}"


def glance(evidence: Evidence) -> Iterator[str]:
    """A board in a few sentences: its budget, what was told apart from ReLU, and how much could not be."""
    board, base = evidence.board, base_of(evidence.board.profile)
    if base in PROFILES:
        yield f"Budget: {PROFILES[base].summary}."
    if board.track == "stand-in":
        yield STAND_IN
    cells = sum(len(table.records) for table in board.tables)
    yield (
        f"{count_of(len(board.labels), 'activation')} on {count_of(len(board.tables), 'task')}, "
        f"{count_of(cells, 'run')}, of which {len(failures(board))} failed."
    )
    rows = [(task, row) for task in evidence.own for row in task.rows if row.verdict]
    for verdict, than in (("better", "Better than"), ("worse", "Worse than"), ("no different", "No different from")):
        found = [
            f"{row.label} on {task.table.task.name}{' (counts for no rank)' if task.table not in board.core else ''}"
            for task, row in rows
            if row.verdict == verdict
        ]
        if found:
            yield f"{than} ReLU: {', '.join(found[:MOST_NAMED])}{_more(len(found) - MOST_NAMED)}."
    unsure = sum(row.verdict == "not enough seeds" for _, row in rows)
    if unsure:
        yield f"{unsure} of {count_of(len(rows), 'comparison')} have not enough seeds to say."
    if len(evidence.ranked) > 1 and not any(row.tested for row in evidence.ranked):
        yield "Overall, no ranked activation could be tested against another: their pairs are too few."
    elif len(evidence.ranked) > 1 and {row.rank for row in evidence.ranked} == {1}:
        yield (
            "Overall, no ranked activation is shown to be better than another, all pairs of them corrected for: all "
            "have rank 1."
        )
    if evidence.tuned:
        tuned = [f"{table.task.name} ({len(table.rows)})" for table in evidence.tuned.board.tables]
        share = f"{len(tuned)} of {count_of(len(board.tables), 'task')}"
        yield f"Learning rates were re-tuned on {share}, for so many activations: {', '.join(tuned)}."
    yield from _costed(evidence)
    yield from weights(board)


def _costed(evidence: Evidence) -> Iterator[str]:
    """Which tasks the costs of the ranking are over."""
    for what, ratio in (("time", TIME), ("memory", MEMORY)):
        names = [table.task.name for table in timed(evidence.board, evidence.overall, ratio)]
        if names and len(evidence.board.tables) > 1:
            shown = f"{', '.join(names[:MOST_NAMED])}{_more(len(names) - MOST_NAMED)}"
            yield f"The ranking's {what} is a mean over {shown}."


def beyond_the_grid(tables: Sequence[TaskTable]) -> str:
    """Whose learning rate the grid may have cut off, as a sentence; empty where it cut off none."""
    rows = [row for table in tables for row in table.rows if row.records[0].tuning]
    edge = sorted({row.label for row in rows if row.records[0].tuning and row.records[0].tuning.at_edge})
    return f"A better rate may lie beyond the grid for {', '.join(edge)}, which chose its edge." if edge else ""


def weights(board: Board) -> Iterator[str]:
    """Which tasks count for no rank, and which weigh more than others."""
    for table in board.tables:
        if table not in board.common:
            yield f"{table.task.name} counts for no rank: less than half of the regular activations were run on it."
        elif table not in board.core:
            yield f"{table.task.name} counts for no rank: {few_learn(board, table)}."
        elif BASELINE in table.by_label and not table.learns(BASELINE):
            yield f"ReLU hardly learns {table.task.name}: log-ratios there are large, and weigh on the means."


def few_learn(board: Board, table: TaskTable) -> str:
    """Why a task that few learn does not count; in the lab learning is not what is asked for."""
    asked = board.asked(table)
    learn = "do better there than the mean of the training targets" if table.task.family == LAB else "learn it"
    regular = "regular " if board.regulars.issuperset(asked) else ""
    return f"{sum(map(table.learns, asked))} of {len(asked)} {regular}activations {learn}"


def transfer_notes(evidence: Evidence) -> Iterator[str]:
    """How the report on transfer is to be read."""
    functions = evidence.transfer.functions if evidence.transfer else 0
    yield (
        f"Over the {functions} activations that are complete on every task that counts, ReLU among them, by "
        "log-ratios to it. The noise of few seeds pulls every correlation towards 0 and every pick towards luck."
    )
    if functions < FEWEST_FUNCTIONS:
        yield f"Fewer than {FEWEST_FUNCTIONS} functions give a correlation no interval: these say next to nothing."


def _more(count: int) -> str:
    return f" and {count} more" if count > 0 else ""


def failures(board: Board) -> list[Record]:
    """The cells of a board that ended without a score."""
    return [record for table in board.tables for row in table.rows for record in row.failures]


def ran_on(records: Sequence[Record]) -> list[str]:
    """Machines, versions and commits behind some records, each with its number of cells."""
    machines = Counter(machine_of(record) for record in records)
    versions = Counter(", ".join(f"{name} {text}" for name, text in record.versions.items()) for record in records)
    commits = Counter(commit_of(record) for record in records)
    return [
        f"{text}: {count_of(count, 'cell')}"
        for held in (machines, versions, commits)
        for text, count in sorted(held.items())
    ]


def machine_of(record: Record) -> str:
    """The kind of machine behind a record, and how a cell used it."""
    machine = record.machine
    place = machine.gpu if machine.gpu else f"{machine.cpu}, {machine.threads} of {machine.cores} cores a cell"
    shared = f", {record.times.together} seeds in one program" if record.times.together > 1 else ""
    fused = ", functions fused where possible" if machine.fused else ""
    return f"{place}{shared}{fused} (memory {machine.memory_gib:g} GiB)"


def commit_of(record: Record) -> str:
    """The state of the source that made a record."""
    if record.commit is None:
        return "not run from a checkout"
    return f"commit {record.commit[:12]}{' with local changes' if record.dirty else ''}"


def mined_here(row: Row, task: str) -> bool:
    """Whether the task's own data chose the function."""
    return any(task in record.activation.mined_on for record in row.records)


def chosen_rate(row: Row) -> str:
    """`, lr ×2`: the factor that re-tuning chose for a row; empty for a row of the fixed recipe."""
    factors = sorted({record.tuning.chosen for record in row.records if record.tuning})
    return f", lr ×{' ×'.join(f'{factor:g}' for factor in factors)}" if factors else ""


def audit(row: Row) -> str:
    """Sites swapped and left, as counted in every cell."""
    return ", ".join(sorted({f"{r.injection.swapped} / {r.injection.left}" for r in row.records if r.injection}))


def _plain(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
