"""One JSON file a cell: what was run, what came out, and everything a reader needs to believe it.

A record carries the facts of its task and its activation, so that a board is rendered from records and nothing else.
NaN and the infinities are written as the strings "NaN", "Infinity" and "-Infinity" and read back as floats.
No host name, user name or machine path belongs in a record.
A record of `bench tune` says how its learning rate was chosen; any other has no such field.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bench.errors import DamagedRecord
from bench.profiles import TUNED

SCHEMA_VERSION = 1
"""Raised whenever a field changes its meaning; older records are then read by their own rules or refused. One
exception: CLRS-30's `times.train` held compilation until there was `times.compile`; `bench.ratios` tells them apart."""

Outcome = Literal["ok", "diverged", "out_of_memory", "timeout", "crashed", "invalid_injection"]

RETRYABLE: frozenset[Outcome] = frozenset({"out_of_memory", "timeout", "crashed"})
"""Outcomes that say something of the machine, so another try may end otherwise; the others are final."""

LARGEST_SCORE = 1e100
"""Beyond it the squares of a mean and a deviation overflow."""

Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
"""A name that is also the name of a file or a folder."""

Seed = Annotated[int, Field(lt=2**63)]
"""What the libraries take as one."""

Number = float
"""May be NaN or infinite; written as a word then (`ser_json_inf_nan`), since JSON has no such numbers."""


class Part(BaseModel):
    """Base of a record and its parts: immutable, and no field that the schema does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class MetricFacts(Part):
    """The number that the task reports as its score (`tasks.Metric`)."""

    name: str
    unit: str
    higher_is_better: bool
    chance: float | None
    """Score of a guess that ignores the input; None where there is no such thing."""


class ReferenceFacts(Part):
    """The published score of the ReLU network under the `paper` recipe (`tasks.Reference`)."""

    value: float
    low: float
    """Lowest mean score at which the task counts as reproduced."""
    high: float
    source: str


class TaskFacts(Part):
    """What the task states about itself (`tasks.TaskSpec`), as it was when the cell ran."""

    name: Slug
    version: int
    title: str
    family: str
    track: Literal["real", "stand-in"]
    dataset: str
    dataset_source: str
    model: str
    sites: int
    """Activation sites that must be swapped, no more and no fewer."""
    site_rule: str
    metric: MetricFacts
    reference: ReferenceFacts | None


class ActivationFacts(Part):
    """The function that was injected: its name, its text, its graph and the facts read off the graph."""

    name: Slug
    formula: str
    reference: str
    origin: str
    source: str
    """The author's Python text."""
    graph_hash: str
    """Hash of the canonical graph; part of the cell's identity."""
    graph: dict[str, Any]
    """The graph as JSON: enough to run the function again without the author's text."""
    pointwise: bool
    flops: float | None
    """Floating-point operations an element, by our stated table."""
    mined_on: tuple[str, ...] = ()
    """Tasks whose data chose this function in a search."""


class InjectionAudit(Part):
    """Sites found, swapped and left in the network that was trained (`activations.Injection`)."""

    found: int
    swapped: int
    left: int
    sites: tuple[str, ...]
    """Dotted names of the swapped sites."""
    executed: int | None
    """Swapped sites whose injected module was seen to run; None where the framework cannot tell."""


class Times(Part):
    """Seconds, by the clock unless said otherwise."""

    train: Number | None
    """The training loop alone, without compilation."""
    train_cpu: Number | None = None
    """Processor time of the same, all threads of the worker together."""
    eval: Number | None
    """All evaluations."""
    total: float
    """The cell in its worker; the first one of a process imports its task's packages, too."""
    startup: float
    """Starting the worker process, before the cell; 0 for a process that had run a cell before. A share, too."""
    together: Annotated[int, Field(ge=1)] = 1
    """Seeds that one program trained at once: the other times are equal shares of its time, and peak memory is that of
    all of them. Not written where it is 1."""
    compile: float = 0.0
    """Compiling: the activation's kernels, before the training loop; with jax the programs that train, and making the
    initial parameters. Not written where it is 0."""


class Machine(Part):
    """What the cell ran on; a name of a product, never of a computer."""

    cpu: str
    cores: int
    memory_gib: float
    gpu: str
    """Product name of the GPU in use, empty on a CPU."""
    device: Literal["cpu", "cuda"]
    threads: int
    """CPU threads given to the worker process; 0 where they were left to the libraries."""
    fused: bool = False
    """Whether injected functions were given fused kernels where that is possible. Not written where they were not."""
    peak_memory_mib: float | None
    """Highest resident memory of the worker process during this cell."""
    peak_gpu_memory_mib: float | None


class Tuning(Part):
    """How the learning rate of one activation on one task was chosen: the budget, and what its trials validated at."""

    lr: str
    """The recipe's field that was tuned."""
    base: float
    """The task's own learning rate, which the factors multiply."""
    factors: tuple[float, ...]
    seeds: tuple[int, ...]
    """Of the trials of each factor; never those of evaluation."""
    metric: str
    """The validation number, by its name in a record's metrics."""
    higher_is_better: bool
    trials: dict[str, int | float]
    """What else the trials changed in the recipe, e.g. images held out from training."""
    means: tuple[float | None, ...]
    """Mean validation number of each factor over the seeds; None where a trial diverged."""
    chosen: float
    """The factor with the best mean."""

    @property
    def at_edge(self) -> bool:
        """Whether a better rate may lie beyond the grid."""
        return self.chosen in (min(self.factors), max(self.factors))

    @property
    def budget(self) -> str:
        """All but the outcome, in words: what must be the same for every row of a table."""
        factors, seeds = ", ".join(f"{factor:g}" for factor in self.factors), ", ".join(map(str, self.seeds))
        best = "highest" if self.higher_is_better else "lowest"
        changed = "".join(f", trials with {name} {value}" for name, value in sorted(self.trials.items()))
        return f"{self.base:g} times one of {factors}, by the {best} mean {self.metric} over seeds {seeds}{changed}"

    @model_validator(mode="after")
    def _check(self) -> Tuning:
        if len(self.means) != len(self.factors):
            raise ValueError(f"{len(self.factors)} factors have {len(self.means)} means")
        means = {mean for factor, mean in zip(self.factors, self.means, strict=True) if factor == self.chosen}
        sign = 1 if self.higher_is_better else -1
        best = max((sign * mean for mean in self.means if mean is not None), default=None)
        if best is None or means != {sign * best}:
            raise ValueError(f"the factor {self.chosen:g} is not one with the best mean")
        return self


class Record(Part):
    """The outcome of one cell."""

    schema_version: Literal[1] = SCHEMA_VERSION  # type: ignore[assignment]
    id: str
    """`cell_id` of task, version, graph, seed and recipe."""
    profile: Slug
    """The budget's name; not part of the id, the recipe says it all."""
    seed: Seed
    recipe: dict[str, Any]
    """Optimizer, schedule and budget, as the task states them for this profile."""
    tuning: Tuning | None = None
    """How the learning rate was chosen; None, and not written, where it is the task's own."""
    race: float | None = None
    """The level of the test by which further seeds of the function may have been left out (`bench.race`); None, and
    not written, where none were."""
    outcome: Outcome
    reason: str
    """One sentence where the outcome is not `ok`."""
    score: float | None
    """The task's metric on the test set; None unless the outcome is `ok`."""
    task: TaskFacts
    activation: ActivationFacts
    parameters: int | None
    """Trainable scalars, those of the activation included."""
    injection: InjectionAudit | None
    metrics: dict[str, Number]
    curves: dict[str, list[Number]]
    dataset: dict[str, str]
    """Checksums of the data in use, as verified in this run."""
    times: Times
    machine: Machine
    versions: dict[str, str]
    """Distribution name to version, Python among them."""
    commit: str | None
    """Commit of the suite's source, None where it does not run from a checkout."""
    dirty: bool | None
    """True where the source differed from that commit."""
    started_at: str
    """UTC, ISO 8601."""
    notes: tuple[str, ...]

    @model_validator(mode="after")
    def _check(self) -> Record:
        expected = cell_id(self.task.name, self.task.version, self.activation.graph_hash, self.seed, self.recipe)
        if self.id != expected:
            raise ValueError(f"the id {self.id} is not that of its task, graph, seed and recipe ({expected})")
        self._check_tuning()
        if self.outcome != "ok":
            if self.score is not None:
                raise ValueError(f"a cell that ended as {self.outcome} carries a score")
            return self
        if self.score is None or not abs(self.score) < LARGEST_SCORE:
            raise ValueError(f"the outcome is ok but the score is not a finite number below {LARGEST_SCORE:g}")
        if self.injection is None or self.injection.swapped != self.task.sites or self.injection.left:
            raise ValueError("the outcome is ok but the injection audit does not show every declared site swapped")
        return self

    def _check_tuning(self) -> None:
        """A tuned record and one by the fixed recipe must not pass for each other."""
        if (self.tuning is not None) != self.profile.endswith(TUNED):
            raise ValueError(f"records under a profile's name with {TUNED} carry their tuning, and no others do")
        if self.tuning is None:
            return
        if self.recipe.get(self.tuning.lr) != self.tuning.base * self.tuning.chosen:
            raise ValueError("the learning rate of the recipe is not the one that its tuning chose")
        if self.seed in self.tuning.seeds:
            raise ValueError(f"seed {self.seed} chose the learning rate, so it cannot test it")

    @property
    def protocol(self) -> dict[str, Any]:
        """What the records of a table share: the recipe, with the way to a tuned learning rate in that one's place."""
        tuning = self.tuning
        return self.recipe if tuning is None else {**self.recipe, tuning.lr: tuning.budget}

    @property
    def file_name(self) -> str:
        """Name of this record's file in the folder of its profile and task."""
        return f"{self.activation.name}-s{self.seed}-{self.id}.json"

    def to_json(self) -> str:
        """The file's text: one line a top-level field, so that a difference between two records can be read."""
        fields: dict[str, Any] = json.loads(self.model_dump_json())
        for name in ("tuning", "race"):
            if fields[name] is None:
                del fields[name]
        for part, name, usual in (("times", "together", 1), ("times", "compile", 0.0), ("machine", "fused", False)):
            if fields[part][name] == usual:
                del fields[part][name]
        lines = (f'"{name}": {json.dumps(value, allow_nan=False)}' for name, value in fields.items())
        return "{\n" + ",\n".join(lines) + "\n}\n"


def read_record(text: bytes | str, where: str) -> Record:
    """The record in `text`; `where` names the file in the message.

    Raises:
        DamagedRecord: the text is no JSON, a field is missing, wrong or unknown, or the record contradicts itself.
    """
    try:
        return Record.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        reason = first["msg"].removeprefix("Value error, ")
        raise DamagedRecord(f"{where} is no valid record ({field + ': ' if field else ''}{reason})") from None


def cell_id(task: str, version: int, graph_hash: str, seed: int, recipe: dict[str, Any]) -> str:
    """Identity of a cell: 16 hex digits of the SHA-256 of its canonical JSON."""
    identity = {"task": task, "version": version, "graph": graph_hash, "seed": seed, "recipe": recipe}
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
