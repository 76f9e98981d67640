"""Racing: a function that is clearly worse than ReLU on a task after a few seeds gets no further ones there.

The test. Differences to ReLU are taken in ascending order of their seeds. After the n-th, from the third on, a
one-sided t test asks whether the function is worse than ReLU by more than the task's region of equivalence
(`bench.judge.MARGINS`, 0 for other families), at level alpha / ((n − 2)(n − 1)): half of alpha at the third difference,
a sixth at the fourth, a twelfth at the fifth. These levels sum up to alpha however many seeds are planned now or added
above them later, so where differences are normal at most alpha of the functions that are not that much worse are ever
stopped, on each task, and the records alone say which. Seeds added below those that were looked at begin a race of its
own. `benchmarks/racing.py` measures it.

Our choices beside it:

* What is worse by no more than the region of equivalence may still turn out `no different`, and goes on.
* A function that diverged, or could not be injected, on two seeds on which ReLU has a score is stopped, too. No chance
  plays a part: one such cell makes its verdict `failed`, whatever follows; the second says that it is no rarity.
* Cells that crashed, timed out or were out of memory say something of the machine, and are passed over.
* ReLU and GELU, which the others are read against, always run to the end.
* A task that a function is stopped on says nothing of the others: there it goes on.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from bench.compare import BASELINE, RELU, TaskTable
from bench.judge import MARGINS
from bench.plan import Cell
from bench.records import RETRYABLE, Record, TaskFacts
from tasks.base import TaskSpec

ALPHA = 0.01
"""Share of the functions that are not worse than ReLU which may be stopped, on each task."""
FIRST_LOOK = 3
"""Differences before the first test."""
FAILURES = 2
"""Seeds without a score after which a function is stopped, where ReLU has one on them."""
SPARED = (BASELINE, "gelu")
"""Names of the functions that are never stopped."""
CAUTION = (
    "A stopped row's mean difference is drawn away from 0 and its interval is too narrow: of 5 planned seeds by half a "
    "standard deviation of a difference where the true one is 1 below ReLU, and by a tenth where it is 4; the 95 % "
    "interval then holds the truth in 41 and 91 % (benchmarks/results/racing.md)."
)
"""What to keep in mind of a stopped row."""
_ROUNDING = 1e-9
"""Differences that scatter by less than this share of the scores are equal, and give no test."""

Key = tuple[str, str, int, str]
"""What cells must share to be compared: profile, task, its version, and the protocol as canonical JSON."""


@dataclass(frozen=True)
class Stop:
    """That a function gets no further seeds on a task, and why."""

    pairs: int
    """Differences to ReLU at which the test fired; those before the last failure where failures stopped it."""
    difference: float | None
    """Mean of these, score minus ReLU's; None where there are none."""
    failures: int
    """Seeds without a score on which ReLU has one, at that point."""
    sentence: str
    """Why, e.g. `worse than ReLU beyond chance after 3 seeds (-5.87 %)`."""


def level(n: int, alpha: float = ALPHA) -> float:
    """Level of the test after the n-th difference; 0 before the first one. Sums up to `alpha` over all n."""
    return alpha / ((n - 2) * (n - 1)) if n >= FIRST_LOOK else 0.0


@cache
def bar(n: int, alpha: float = ALPHA) -> float:
    """How many standard errors below the region of equivalence the mean of n differences must lie for a stop."""
    from scipy.special import stdtrit

    return -float(stdtrit(n - 1, level(n, alpha))) if n >= FIRST_LOOK else math.inf


def first_stop(pairs: Iterable[tuple[float, float]], margin: float = 0.0, alpha: float = ALPHA) -> int | None:
    """After how many pairs (function, ReLU), where higher is better, the test fires first; None where it never does."""
    mean = squares = largest = 0.0
    for n, (own, relu) in enumerate(pairs, start=1):
        largest = max(largest, abs(own), abs(relu))
        step = own - relu - mean  # Welford's update
        mean += step / n
        squares += step * (own - relu - mean)
        if n < FIRST_LOOK:
            continue
        sd = math.sqrt(squares / (n - 1))
        if sd > _ROUNDING * largest and (mean + margin) < -bar(n, alpha) * sd / math.sqrt(n):
            return n
    return None


@dataclass(frozen=True)
class Terms:
    """How the scores of a task are held against each other."""

    margin: float
    """Half of the region of equivalence, in the unit of the scores."""
    sign: int
    """1 where higher is better, else −1."""
    unit: str

    @staticmethod
    def of(task: TaskSpec | TaskFacts) -> Terms:
        """Of a task, or of what a record states about it."""
        metric = task.metric
        return Terms(MARGINS.get(task.family, 0.0), 1 if metric.higher_is_better else -1, metric.unit)


class Ledger:
    """What came of every cell, by protocol, function and seed."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self.ended: dict[Key, dict[str, dict[int, float | None]]] = defaultdict(lambda: defaultdict(dict))
        """Protocol, hash of the function, seed: the score; NaN where there is none and never will be, None where
        another try may end otherwise."""
        self.relu: dict[Key, str] = {}
        """Hash of ReLU, where it has records."""
        for record in records:
            self.observe(record)

    def observe(self, record: Record) -> Key:
        """Enter a record; a later one of the same cell takes its place."""
        key = key_of(record)
        graph = record.activation.graph_hash
        self.ended[key][graph][record.seed] = _outcome(record)
        if record.activation.graph == RELU:
            self.relu[key] = graph
        return key

    def seeds(self, key: Key, graph: str) -> Mapping[int, float | None]:
        """What came of one function."""
        return self.ended[key][graph] if key in self.ended and graph in self.ended[key] else {}

    def baseline(self, key: Key) -> Mapping[int, float | None]:
        """What came of ReLU."""
        return self.seeds(key, self.relu[key]) if key in self.relu else {}


class Race:
    """Says which functions get no further seeds, from the records that are there and nothing else.

    In whatever order cells end, differences are taken by ascending seed up to the first planned seed that is still open
    for the function or for ReLU; once stopped at one of them, a function stays so.

    Args:
        cells: everything that is planned, recorded cells among it; one protocol a task.
        alpha: error of the test.
    """

    ordered = False
    """It gives no order of its own."""

    def __init__(self, cells: Iterable[Cell], alpha: float = ALPHA) -> None:
        self.alpha = alpha
        self._ledger = Ledger()
        self._keys: dict[str, Key] = {}
        self._terms: dict[str, Terms] = {}
        self._planned: dict[str, set[int]] = defaultdict(set)
        self._spared: set[str] = set()
        self._found: dict[str, dict[str, Stop | None]] = defaultdict(dict)
        for cell in cells:
            name = cell.task.name
            if name not in self._keys:
                self._keys[name] = key_of(cell)
                self._terms[name] = Terms.of(cell.task)
            self._planned[name].add(cell.seed)
            if cell.activation.name in SPARED:
                self._spared.add(cell.activation.graph.hash)

    def observe(self, record: Record) -> None:
        """Take note of a record of any task, recorded now or earlier."""
        self._ledger.observe(record)
        self._found.pop(record.task.name, None)

    def stopped(self, task: str, graph_hash: str) -> Stop | None:
        """Why a function gets no further seeds on a task; None where it does."""
        found = self._found[task]
        if graph_hash not in found:
            found[graph_hash] = self._look(task, graph_hash)
        return found[graph_hash]

    def admit(self, cells: Sequence[Cell]) -> list[Cell]:
        """Those whose function is not stopped on their task, in the order given."""
        return [cell for cell in cells if self.stopped(cell.task.name, cell.activation.graph.hash) is None]

    def ahead(self, cell: Cell) -> int:
        """How many seeds of the cell's function one program should train at most, so that the test is asked in between:
        up to the first look, then as many again as have ended."""
        done = len(self._ledger.seeds(self._keys[cell.task.name], cell.activation.graph.hash))
        return FIRST_LOOK - done if done < FIRST_LOOK else done

    def _look(self, task: str, graph: str) -> Stop | None:
        if task not in self._keys or graph in self._spared:
            return None
        key = self._keys[task]
        if graph == self._ledger.relu.get(key):
            return None
        own, relu = self._ledger.seeds(key, graph), self._ledger.baseline(key)
        return look(own, relu, self._terms[task], self.alpha, self._planned[task])


def look(
    own: Mapping[int, float | None],
    relu: Mapping[int, float | None],
    terms: Terms,
    alpha: float = ALPHA,
    planned: Collection[int] = (),
) -> Stop | None:
    """Where, going by ascending seed, a function is stopped first.

    Args:
        own: what came of each seed of the function, as in `Ledger.ended`.
        relu: the same of ReLU.
        planned: seeds that will be there; nothing is looked at beyond one that is open.
    """
    pairs: list[tuple[float, float]] = []
    failures = 0
    for seed in sorted({*own, *planned}):
        if seed in planned and not (seed in own and seed in relu):
            return None
        score, reference = own.get(seed), relu.get(seed)
        if score is None or reference is None or math.isnan(reference):
            continue
        if math.isnan(score):
            failures += 1
            if failures == FAILURES:
                return _stop(pairs, failures, terms, alpha)
            continue
        pairs.append((terms.sign * score, terms.sign * reference))
        if first_stop(pairs, terms.margin, alpha) is not None:
            return _stop(pairs, failures, terms, alpha)
    return None


def _stop(pairs: Sequence[tuple[float, float]], failures: int, terms: Terms, alpha: float) -> Stop:
    difference = terms.sign * math.fsum(a - b for a, b in pairs) / len(pairs) if pairs else None
    if failures >= FAILURES:
        return Stop(len(pairs), difference, failures, f"no score on {failures} seeds on which ReLU has one")
    beyond = f" by more than {terms.margin:g}" if terms.margin else ""
    said = (
        f"worse than ReLU{beyond} beyond chance after {len(pairs)} seeds "
        f"(mean difference {difference:+.4g} {terms.unit}, sequential test at {alpha:g})"
    )
    return Stop(len(pairs), difference, failures, said)


def stopped_rows(table: TaskTable) -> dict[str, Stop]:
    """The rows of a table that were stopped, by label: all recorded under `--race`, with fewer seeds than ReLU, and the
    test fires on the seeds that they have."""
    relu = table.by_label.get(BASELINE)
    if relu is None:
        return {}
    baseline, found = _ended(relu.records), {}
    for row in table.rows:
        levels = [record.race for record in row.records if record.race is not None]
        if row.label in SPARED or len(levels) < len(row.records) or len(row.records) >= len(relu.records):
            continue
        stop = look(_ended(row.records), baseline, Terms.of(table.task), max(levels))
        if stop is not None:
            found[row.label] = stop
    return found


def explain(stops: Mapping[str, Stop]) -> str:
    """What a board says of its stopped rows, in one paragraph; empty where there are none."""
    if not stops:
        return ""
    rows = "; ".join(f"{label}: {stop.sentence}" for label, stop in stops.items())
    return f"Stopped early by racing: {rows}. {CAUTION} Without `--race` the same command runs the other seeds, too."


def key_of(cell: Cell | Record) -> Key:
    """What a cell must share with another one to be compared with it."""
    if isinstance(cell, Record):
        protocol = cell.protocol
    else:
        tuning = cell.tuning
        protocol = cell.recipe if tuning is None else {**cell.recipe, tuning.lr: tuning.budget}
    return cell.profile, cell.task.name, cell.task.version, json.dumps(protocol, sort_keys=True)


def _ended(records: Iterable[Record]) -> dict[int, float | None]:
    return {record.seed: _outcome(record) for record in records}


def _outcome(record: Record) -> float | None:
    """The score; NaN where there is none and never will be, None where another try may end otherwise."""
    if record.score is not None:
        return record.score
    return None if record.outcome in RETRYABLE else math.nan
