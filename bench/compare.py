"""From records to numbers: what each activation scored on each task, and its difference to ReLU paired by seed.

Nothing is averaged over what is not there: a task table holds one protocol (task version and recipe) only, and a row
with a failed cell has no place in a ranking.
"""

from __future__ import annotations

import json
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property

from bench.inference import FEWEST_PAIRS
from bench.plausible import RANGES
from bench.ratios import memory_ratios, time_ratios
from bench.records import MetricFacts, Record, TaskFacts

BASELINE = "relu"
RELU = {
    "format": 1,
    "inputs": ["x"],
    "parameters": [],
    "nodes": [{"op": "relu", "inputs": ["x"], "attributes": {}}],
    "outputs": ["v0"],
}
"""ReLU's graph: what the baseline is known by, since anybody can give any function any name."""
LAB = "lab"
"""The family in which functions are mined. Its log-ratios are of another size than those of real networks and would
drown them: it is never averaged with other families."""
BARELY = 0.15
"""Share of the way from chance to perfect below which an activation has hardly learned."""
GUESS = "log10_sealed_loss_of_mean"
"""Metric by which the lab's records say what a guess would score: the mean of the training targets."""
_ROUNDING = 1e-9
"""Differences that scatter by less than this share of the scores are equal."""
_DIGITS = 6
"""Of a function's hash in its label, where another one has its name."""


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation of n numbers."""

    mean: float
    sd: float | None
    """None where n is 1."""
    n: int
    low: float
    high: float

    @staticmethod
    def of(values: Sequence[float]) -> Spread | None:
        """Of finite numbers; None where there are none."""
        if not values:
            return None
        mean = statistics.fmean(values)
        sd = statistics.stdev(values, mean) if len(values) > 1 else None
        return Spread(mean, sd, len(values), min(values), max(values))


def paired(values: Mapping[int, float], baseline: Mapping[int, float]) -> Spread | None:
    """Differences `values - baseline` over the seeds that both have; scatter that is rounding alone counts as none."""
    seeds = sorted(values.keys() & baseline.keys())
    spread = Spread.of([values[seed] - baseline[seed] for seed in seeds])
    if spread is None or spread.sd is None:
        return spread
    largest = max(max(abs(values[seed]), abs(baseline[seed])) for seed in seeds)
    return replace(spread, sd=0.0) if spread.sd <= _ROUNDING * largest else spread


@dataclass(frozen=True)
class Row:
    """One activation on one task."""

    label: str
    """Its name; with a part of its hash where two functions of that name were recorded."""
    records: tuple[Record, ...]
    """Sorted by seed."""
    difference: Spread | None
    """Score minus ReLU's, paired by seed; None where no seed is shared."""
    times: tuple[float, ...]
    """Training time over ReLU's, paired by seed, on one kind of machine and day; processor time on a CPU."""
    memories: tuple[float, ...]
    """The same of peak memory: of the GPU, or of the whole process on a CPU."""

    @property
    def time_ratio(self) -> float | None:
        """Median over seeds; None where no two cells may be compared."""
        return statistics.median(self.times) if self.times else None

    @property
    def memory_ratio(self) -> float | None:
        """The same of peak memory."""
        return statistics.median(self.memories) if self.memories else None

    @cached_property
    def scores(self) -> dict[int, float]:
        """Score by seed, of the cells that have one."""
        return {record.seed: record.score for record in self.records if record.score is not None}

    @cached_property
    def score(self) -> Spread | None:
        """Over the seeds that have a score."""
        return Spread.of(list(self.scores.values()))

    @cached_property
    def failures(self) -> tuple[Record, ...]:
        """Cells without a score."""
        return tuple(record for record in self.records if record.score is None)

    @property
    def complete(self) -> bool:
        """Whether it can be ranked: scored, paired with ReLU, and without a failed cell."""
        return self.difference is not None and not self.failures


@dataclass(frozen=True)
class TaskTable:
    """Every activation on one task under one protocol."""

    profile: str
    task: TaskFacts
    recipe: str
    """Canonical JSON."""
    rows: tuple[Row, ...]
    """Best mean difference to ReLU first, then those that have none, by name."""
    outdated: int
    """Records of earlier versions or other recipes of this task that are left out."""

    @property
    def records(self) -> list[Record]:
        """All records of the table."""
        return [record for row in self.rows for record in row.records]

    @cached_property
    def by_label(self) -> dict[str, Row]:
        """Rows by activation."""
        return {row.label: row for row in self.rows}

    def learns(self, label: str) -> bool:
        """Whether an activation's mean has come `BARELY` of the way from a guess (from 0 where no guess is named) to a
        perfect score or, where no score is perfect, is better than the guess that its records tell of; True where
        neither is known."""
        metric, row = self.task.metric, self.by_label[label]
        if row.score is None:
            return False
        if metric.unit in RANGES:
            _, perfect = RANGES[metric.unit]
            guess = metric.chance or 0.0
            return row.score.mean - guess >= BARELY * (perfect - guess)
        guesses = [record.metrics[GUESS] for record in row.records if GUESS in record.metrics]
        return not guesses or row.score.mean < statistics.fmean(guesses)


@dataclass(frozen=True)
class Board:
    """Everything under one profile and one track; boards never mix."""

    profile: str
    track: str
    tables: tuple[TaskTable, ...]

    @cached_property
    def labels(self) -> list[str]:
        """Every activation of the board."""
        return sorted({row.label for table in self.tables for row in table.rows})

    @cached_property
    def regulars(self) -> frozenset[str]:
        """ReLU and the activations that have pairs enough for a test on at least half of the tasks on which any has;
        all of them where none has as many. Who came for one task or one seed has no say in which tasks count."""
        tested = [
            {
                row.label
                for row in table.rows
                if row.label != BASELINE and row.difference is not None and row.difference.n >= FEWEST_PAIRS
            }
            for table in self.tables
        ]
        counted = Counter(label for labels in tested for label in labels)
        found = {label for label, count in counted.items() if 2 * count >= sum(map(bool, tested))}
        return frozenset({BASELINE, *found} if found else self.labels)

    @cached_property
    def common(self) -> tuple[TaskTable, ...]:
        """The tasks that at least half of the regular activations were run on; all of them where there is no such
        task."""
        half = len(self.regulars) / 2
        return (
            tuple(table for table in self.tables if len(self.regulars & table.by_label.keys()) >= half) or self.tables
        )

    def hardly_learned(self, table: TaskTable) -> bool:
        """Whether fewer than half of the regular activations learn a task, or of all where none of these has a score:
        what happens near a guess says little of them."""
        asked = self.asked(table)
        return 2 * sum(map(table.learns, asked)) < len(asked)

    def asked(self, table: TaskTable) -> list[str]:
        """The regular activations that have a score on a task, or all that have one where no regular one has."""
        scored = [row.label for row in table.rows if row.score is not None]
        return [label for label in scored if label in self.regulars] or scored

    @cached_property
    def core(self) -> tuple[TaskTable, ...]:
        """The tasks that count for the ranking: of `common`, so that a task which few have run takes nobody's rank,
        those that are learned; all of the field, or of the lab, where none of it is."""
        field = [table for table in self.common if table.task.family != LAB]
        lab = [table for table in self.common if table.task.family == LAB]
        return tuple(
            table for place in (field, lab) for table in [one for one in place if not self.hardly_learned(one)] or place
        )

    def gaps(self, label: str) -> list[str]:
        """What keeps an activation out of the ranking, in words."""
        found = []
        for table in self.core:
            row = table.by_label.get(label)
            if row is None:
                found.append(f"{table.task.name} was not run")
            elif row.failures:
                counted = Counter(record.outcome.replace("_", " ") for record in row.failures)
                words = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counted.items()))
                found.append(f"{table.task.name}: {words} of {len(row.records)}")
            elif row.difference is None:
                found.append(f"{table.task.name} shares no seed with ReLU")
        return found


def make_boards(records: Iterable[Record]) -> list[Board]:
    """All boards of the records: profiles as given by name, the real track before the stand-in one."""
    grouped: dict[tuple[str, str], dict[str, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        grouped[record.profile, record.task.track][record.task.name].append(record)
    boards = []
    for (profile, track), by_task in sorted(grouped.items()):
        tables = [make_table(by_task[task]) for task in by_task]
        tables.sort(key=lambda table: (_family_order(table.task.family), table.task.name))
        boards.append(Board(profile, track, tuple(tables)))
    return boards


def make_table(records: Sequence[Record]) -> TaskTable:
    """The table of one task: its newest version, and of that the recipe that most records share."""
    protocols: dict[tuple[int, str], list[Record]] = defaultdict(list)
    for record in records:
        recipe = json.dumps(record.protocol, sort_keys=True)
        protocols[record.task.version, recipe].append(record)
    newest = max(version for version, _ in protocols)
    recipe = max((len(held), text) for (version, text), held in protocols.items() if version == newest)[1]
    chosen = one_choice(protocols[newest, recipe])
    rows = _rows(chosen)
    task = max(chosen, key=lambda record: (record.started_at, record.id)).task
    return TaskTable(chosen[0].profile, task, recipe, in_order(rows, task.metric), len(records) - len(chosen))


def in_order(rows: Iterable[Row], metric: MetricFacts) -> tuple[Row, ...]:
    """Best mean difference to ReLU first, then the rows that have none, by name."""
    sign = -1 if metric.higher_is_better else 1
    return tuple(
        sorted(rows, key=lambda row: (not row.complete, sign * row.difference.mean if row.difference else 0, row.label))
    )


def one_choice(records: Sequence[Record]) -> list[Record]:
    """Of each function those records whose learning rate was chosen alike: the commonest choice, else the newest."""
    choices: dict[str, dict[float, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        factor = 1.0 if record.tuning is None else record.tuning.chosen
        choices[record.activation.graph_hash][factor].append(record)

    def weight(held: list[Record]) -> tuple[int, str, str]:
        return len(held), *max((record.started_at, record.id) for record in held)

    return [record for by_factor in choices.values() for record in max(by_factor.values(), key=weight)]


def _rows(records: Sequence[Record]) -> list[Row]:
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        groups[record.activation.graph_hash].append(record)
    names = {graph: _name(held) for graph, held in groups.items()}
    shared, alike = Counter(names.values()), Counter((names[graph], graph[:_DIGITS]) for graph in groups)
    origin = next((graph for graph, held in sorted(groups.items()) if _is_relu(held)), None)
    relu = groups[origin] if origin is not None else []
    baseline = {record.seed: record.score for record in relu if record.score is not None}
    for held in groups.values():
        held.sort(key=lambda record: (record.seed, record.id))
    times, memories = (ratios(list(groups.values()), relu) for ratios in (time_ratios, memory_ratios))
    rows = []
    for (graph, held), time, memory in zip(groups.items(), times, memories, strict=True):
        plain = graph == origin or (shared[names[graph]] == 1 and names[graph] != BASELINE)
        part = graph if alike[names[graph], graph[:_DIGITS]] > 1 else graph[:_DIGITS]
        label = names[graph] if plain else f"{names[graph]} ({part})"
        scores = {record.seed: record.score for record in held if record.score is not None}
        difference = paired(scores, baseline)
        rows.append(Row(label, tuple(held), difference, time, memory))
    return rows


def _is_relu(records: Sequence[Record]) -> bool:
    return any(record.activation.graph == RELU for record in records)


def _name(records: Sequence[Record]) -> str:
    """What the records of one function are shown as: a built-in name before others, then the commonest one."""
    if _is_relu(records):
        return BASELINE
    counted = Counter(record.activation.name for record in records)
    known = built_in_names()
    return min(counted, key=lambda name: (name not in known, -counted[name], name))


@cache
def built_in_names() -> frozenset[str]:
    """Names of the catalogue's own activations; those of plugin files and installed packages are not among them."""
    from activations import get, names

    return frozenset(name for name in names() if get(name).function.__module__.startswith("activations."))


def _family_order(family: str) -> tuple[int, str]:
    known = ("vision", "molecules", "clrs30", "lab")
    return (known.index(family) if family in known else len(known), family)
