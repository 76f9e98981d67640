"""What passes between the process that records and the workers that train: data only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Setup:
    """What a worker process is told once."""

    task: str
    profile: str
    """Picks the task's recipe."""
    device: str
    """`cpu` or `cuda`; which GPU is said by `environment`."""
    data: Path | None
    plugins: tuple[Path, ...]
    environment: Mapping[str, str]
    """Variables to set before anything is imported."""
    log: Path
    """File that takes what the libraries print."""
    fuse: bool = False
    """Whether injected functions are given fused kernels."""


@dataclass(frozen=True)
class Assignment:
    """One cell or several seeds of it, as handed to a worker: data only, never the author's code."""

    activation: str
    formula: str
    graph: str
    """JSON of the graph."""
    seeds: tuple[int, ...]
    overrides: Mapping[str, int | float] = field(default_factory=dict)
    """Where the recipe differs from the one that the task states for the profile."""


@dataclass(frozen=True)
class Progress:
    """How far the cell or cells in work are."""

    step: int
    steps: int
    loss: float


@dataclass(frozen=True)
class Skipped:
    """The task cannot run here at all (missing data, a missing package): nothing to record."""

    reason: str


@dataclass(frozen=True)
class Origin:
    """What a cell ran on and with, where that is not the machine that records it."""

    cpu: str
    cores: int
    memory_gib: float
    versions: Mapping[str, str]
    commit: str | None
    dirty: bool | None


@dataclass(frozen=True)
class Report:
    """How a cell ended."""

    outcome: str
    reason: str = ""
    score: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, Sequence[float]] = field(default_factory=dict)
    injection: dict[str, Any] | None = None
    parameters: int | None = None
    train_seconds: float | None = None
    train_cpu_seconds: float | None = None
    eval_seconds: float | None = None
    compile_seconds: float = 0.0
    total_seconds: float = 0.0
    startup_seconds: float = 0.0
    dataset: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    started_at: str = ""
    peak_memory_mib: float | None = None
    peak_gpu_memory_mib: float | None = None
    gpu: str = ""
    together: int = 1
    """Seeds that the same program trained; times are equal shares of its time."""
    fuse: bool = False
    """Whether injected functions were given fused kernels where that is possible, which JAX tasks never do; of a cell
    that was given up, whether that was asked for."""
    origin: Origin | None = None
    """None for this machine."""

    @property
    def fatal(self) -> bool:
        """True where the process should not run another cell."""
        return self.outcome in ("crashed", "out_of_memory", "timeout")


@dataclass(frozen=True)
class Answer:
    """How the cells of one assignment ended, in the order of its seeds."""

    reports: tuple[Report, ...]

    @property
    def fatal(self) -> bool:
        """True where the process should not run another cell."""
        return any(report.fatal for report in self.reports)


@dataclass(frozen=True)
class Lost:
    """The place that a worker ran in is gone, which says nothing of its cells: they are to run elsewhere."""

    reason: str
    begun: bool = True
    """Whether its cells may have begun there; those that have not cannot be what ended it."""
    report: Report | None = None
    """What there is to record of each cell should it count as what ended the place: where, when, for how long."""
