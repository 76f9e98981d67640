"""Costs of a function's cells against ReLU's: divided only between runs that were made alike."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from bench.records import Record

COMPILED_WITHIN = ("clrs30",)
"""Families whose training time held the compilation of their programs, until that was timed apart."""
HOARDED: Mapping[str, Sequence[str]] = {"cpu": ("clrs30", "molecules"), "cuda": ("clrs30",)}
"""Families in which peak memory on a device says little of the network in work. Of jax's it cannot be started anew, and
its programs are kept; on a CPU oneDNN keeps a kernel for torch's GELU and every size of a batch, up to 1,024."""
ONE_DAY = timedelta(days=1)
Kind = tuple[object, ...]
"""Of a machine, and of how it shared itself among cells."""


def time_ratios(rows: Sequence[Sequence[Record]], relu: Sequence[Record]) -> list[tuple[float, ...]]:
    """Training time over ReLU's, for each row of a task one number a seed on which two cells may be compared.

    A row's numbers are all of one kind of machine: of those on which it has any, the one that most rows share."""
    return _ratios(rows, relu, _training_time)


def memory_ratios(rows: Sequence[Sequence[Record]], relu: Sequence[Record]) -> list[tuple[float, ...]]:
    """The same of peak memory."""
    return _ratios(rows, relu, _peak_memory)


def _ratios(
    rows: Sequence[Sequence[Record]], baseline: Sequence[Record], cost: Callable[[Record], float | None]
) -> list[tuple[float, ...]]:
    reference = {record.seed: record for record in baseline}
    by_row = [_by_kind(records, reference, cost) for records in rows]
    shared = Counter(kind for found in by_row for kind in found)

    def weight(held: tuple[Kind, Sequence[float]]) -> tuple[int, int, str]:
        kind, ratios = held
        return shared[kind], len(ratios), repr(kind)

    return [tuple(max(found.items(), key=weight)[1]) if found else () for found in by_row]


def _by_kind(
    records: Sequence[Record], reference: Mapping[int, Record], cost: Callable[[Record], float | None]
) -> dict[Kind, list[float]]:
    """A cost over ReLU's, seed by seed, by kind of machine; only between runs of one day on the same kind."""
    ratios: dict[Kind, list[float]] = defaultdict(list)
    for record in records:
        other = reference.get(record.seed)
        if other is None or not _comparable(record, other):
            continue
        own, theirs = cost(record), cost(other)
        if own and theirs and 0 < own < math.inf and 0 < theirs < math.inf:
            ratios[_kind(record)].append(own / theirs)
    return ratios


def _comparable(record: Record, other: Record) -> bool:
    """Whether the costs of two runs may be divided: what else a machine does, and what is installed, changes by day."""
    if _kind(record) != _kind(other):
        return False
    try:
        apart = datetime.fromisoformat(record.started_at) - datetime.fromisoformat(other.started_at)
    except (TypeError, ValueError):  # no times that can be held against each other
        return False
    return abs(apart) <= ONE_DAY


def _kind(record: Record) -> Kind:
    machine = record.machine
    return machine.cpu, machine.gpu, machine.fused, record.times.together


def _training_time(record: Record) -> float | None:
    """Processor time for a cell on a CPU, which other work on the machine stretches less; else that of the clock.
    None where it holds compilation that the next cell of the same network is spared: a ratio would measure that."""
    if record.task.family in COMPILED_WITHIN and not record.times.compile:
        return None
    return record.times.train_cpu if record.machine.device == "cpu" else record.times.train


def _peak_memory(record: Record) -> float | None:
    """Of the GPU, or of the whole process on a CPU."""
    machine = record.machine
    if record.task.family in HOARDED[machine.device]:
        return None
    return machine.peak_memory_mib if machine.device == "cpu" else machine.peak_gpu_memory_mib
