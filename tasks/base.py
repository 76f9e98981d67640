"""What a benchmark task is: the facts it states, the measurement it returns, the ways it can fail.

A task is an object with a `spec` (pure data, importable without torch or jax) and two methods: `data_status` and `run`.
Everything that a reader of the leaderboard needs to know about a benchmark is a field of its `TaskSpec`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from activations import Activation, Injection

PROFILES = ("smoke", "cpu", "small", "paper")
"""Budgets, smallest first: minutes and hours on two cores, minutes a cell on one GPU, the published protocol."""

Profile = Literal["smoke", "cpu", "small", "paper"]
Track = Literal["real", "stand-in"]

ADDED_LATER: Mapping[str, bool] = {"added_later": True}
"""Metadata of a recipe's field that was added when cells had been recorded: at its default it does not enter a cell's
identity, so that those cells keep theirs."""


@dataclass(frozen=True)
class Metric:
    """The number that a task reports as its score."""

    name: str
    """The field's standard term, e.g. `top-1 accuracy`."""
    unit: str
    """`%`, `ROC-AUC`, `micro-F1`, `log10 loss`: printed in the table's head."""
    higher_is_better: bool
    chance: float | None
    """Score of a guess that ignores the input, in `unit`; None where there is no such thing."""


@dataclass(frozen=True)
class Reference:
    """A published score of the unmodified (ReLU) network under the `paper` recipe."""

    value: float
    low: float
    """Lowest mean score at which we call the task reproduced."""
    high: float
    """Highest mean score at which we call the task reproduced."""
    source: str
    """Where the number was published, and under which conditions."""


@dataclass(frozen=True)
class Dataset:
    """Where a task's data comes from."""

    name: str
    source: str
    """Who published it; for a stand-in, how it is generated."""
    checksums: Mapping[str, str] = field(default_factory=dict)
    """File name to `algorithm:hex digest`, or folder's name to `sha256-tree:hex digest` (`tasks.checksums`); empty for
    data generated from a seed."""
    command: str = ""
    """The command that brings the data, shown when it is missing; empty where none is needed."""
    rebuilt: Mapping[str, str] = field(default_factory=dict)
    """Files of `checksums` that may be made anew from the publisher's source, and `sha256-unpacked:hex digest` of what
    they then hold (`tasks.checksums`); a run that reads such ones notes it in its record."""


@dataclass(frozen=True)
class Selection:
    """How a learning rate is chosen (`bench tune`): by a number that the test set has no part in."""

    metric: str
    """A validation number among `Measurement.metrics`."""
    higher_is_better: bool
    recipe: Mapping[str, int | float] = field(default_factory=dict)
    """What a trial changes in the recipe besides the learning rate, e.g. holds out images to validate on."""
    learning_rate: str = "lr"
    """The recipe's field that is tuned."""


@dataclass(frozen=True)
class TaskSpec:
    """Everything about a task that can be said without running it."""

    name: str
    """Unique, lower case, e.g. `cifar10-resnet18`; also the name of its folder of records."""
    version: int
    """Raised whenever the same cell would give another score; part of a cell's identity."""
    title: str
    """One line for the leaderboard."""
    family: str
    """`vision`, `molecules`, `clrs30` or `lab`."""
    track: Track
    """`stand-in` where embedded data takes the place of the real benchmark; the two never share a table."""
    dataset: Dataset
    model: str
    """Architecture and every change that we made to it."""
    sites: int
    """How many activation sites the model has: injection must swap exactly these."""
    site_rule: str
    """Which nonlinearities are replaced and which are left, in one sentence."""
    metric: Metric
    recipes: Mapping[str, Any]
    """Profile to recipe: a frozen dataclass of JSON scalars that holds optimizer, schedule and budget."""
    reference: Reference | None = None
    selection: Selection | None = None
    """None where there is no validation number: such a task cannot be tuned."""


@dataclass(frozen=True)
class DataStatus:
    """Whether a task can run here."""

    present: bool
    reason: str = ""
    """One sentence when it is not present: what is missing and the command that brings it."""


@dataclass(frozen=True)
class Context:
    """What a run is given by whoever calls it."""

    data: Path | None = None
    """Folder with the prepared data sets, None where the user named none."""
    device: str = "cpu"
    """A torch device string; JAX tasks use their own default device when it starts with `cuda`."""
    progress: Callable[[int, int, float], None] = lambda step, steps, loss: None
    """Called with (steps done, steps in all, latest training loss); cheap enough to call every step."""
    fuse: bool = False
    """Whether injected torch modules are given fused kernels (`activations.fuse`); JAX compiles every function."""


@dataclass(frozen=True)
class Measurement:
    """What a finished run measured."""

    score: float
    """The task's metric, on the test set."""
    metrics: Mapping[str, float]
    """Every number measured, the score among them, by name, e.g. `test_accuracy`, `best_epoch`."""
    curves: Mapping[str, Sequence[float]]
    """Named series over training, e.g. `train_loss`; at most a few hundred points each."""
    injection: Injection
    """The audit: sites found, swapped and left."""
    parameters: int
    """Trainable scalars in the model, those of the activation included."""
    train_seconds: float
    """Wall time of the training loop alone, without compilation."""
    train_cpu_seconds: float
    """Processor time of the same, all threads of the process together."""
    eval_seconds: float
    """Wall time of all evaluations."""
    dataset: Mapping[str, str] = field(default_factory=dict)
    """Checksums of the data in use, as verified in this run."""
    notes: Sequence[str] = ()
    """Anything a reader must know, e.g. `tested on locally sampled trajectories`."""
    compile_seconds: float = 0.0
    """Wall time of compiling, be it before the training began or within its loop."""
    fused: bool = False
    """Whether injected modules were given fused kernels where that is possible."""


class TaskError(Exception):
    """A run that cannot give a score; the message is one sentence that says why."""


class MissingData(TaskError):
    """The data set is not there, or its checksum is wrong; the message names the command that mends it."""


class Diverged(TaskError):
    """Training produced a non-finite loss, gradient norm or parameter.

    `curves` keeps what was measured before, so that a record can show where it went wrong.
    """

    def __init__(self, reason: str, curves: Mapping[str, Sequence[float]] | None = None) -> None:
        super().__init__(reason)
        self.curves = dict(curves or {})


class Task(Protocol):
    """The interface of a benchmark: state the facts, say whether the data is there, run one cell."""

    @property
    def spec(self) -> TaskSpec:
        """The task's facts."""
        ...

    def data_status(self, data: Path | None) -> DataStatus:
        """Look (quickly, without checksums) whether this task's data lies in `data`."""
        ...

    def run(self, activation: Activation, seed: int, recipe: Any, context: Context) -> Measurement:
        """Train and test one network in which every declared site runs `activation`.

        The same seed gives the same initial weights and the same order of data for every activation.

        Raises:
            MissingData: the data set is absent or damaged.
            Diverged: the training produced a non-finite number.
            activations.InjectionError: the audit found another number of sites than `spec.sites`.
        """
        ...


@runtime_checkable
class SeedBatched(Task, Protocol):
    """A task that can train several seeds of one activation in one program."""

    def seeds_together(self, device: str) -> int:
        """How many seeds at once are worthwhile on such a device, `cpu` or `cuda`; 1 where it brings nothing."""
        ...

    def run_seeds(
        self, activation: Activation, seeds: Sequence[int], recipe: Any, context: Context
    ) -> Sequence[Measurement | Diverged]:
        """What `run` would have returned for each seed, or the Diverged that it would have raised, in order.

        A seed that diverges leaves the others as they are, and each one's numbers are those of `run` up to rounding.
        Times are equal shares of the whole.

        Raises:
            MissingData, activations.InjectionError: what concerns all of them; see `run`.
        """
        ...
