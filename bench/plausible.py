"""Whether the numbers of one record can be true: its audit, costs, machine and score, held against each other."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta

from bench.records import Record

AGAIN = "remove it and run the cell again"
RANGES = {"%": (0.0, 100.0), "ROC-AUC": (0.0, 1.0)}
"""Unit of a metric to the scores that it can take; others have no bounds that we know."""
LOGARITHMS = (-330.0, 330.0)
"""Bounds of a score in a unit that starts with `log10`: no double is larger or smaller than these powers of ten."""
MOST_MEMORY = 1e9
"""MiB; no computer has as much."""
CLOCK_SLACK = timedelta(days=1)
"""A clock may be wrong by this much before a start counts as lying in the future."""


def number_faults(record: Record, now: datetime | None = None) -> list[str]:
    """What is impossible in a record; each is a sentence without its subject, the record's file.

    Args:
        now: the time that no run can have started after; the clock's when left out.
    """
    found = [*_audit_faults(record), *_provenance_faults(record, now), *_cost_faults(record)]
    return found if record.score is None else found + _score_faults(record, record.score)


def _audit_faults(record: Record) -> list[str]:
    found, audit = [], record.injection
    if record.outcome != "ok" and not record.reason.strip():
        found.append(f"ended as {record.outcome} and gives no reason: {AGAIN}")
    if record.outcome == "ok" and audit is not None:
        if audit.found != audit.swapped + audit.left or len(audit.sites) != audit.swapped:
            found.append(f"has an injection audit that does not add up: {AGAIN}")
        if audit.executed is not None and audit.executed < audit.swapped:
            found.append(f"saw only {audit.executed} of {audit.swapped} swapped sites run: {AGAIN}")
    if record.outcome == "ok" and (record.parameters is None or record.parameters <= 0):
        found.append(f"was scored by a network of {record.parameters} parameters: {AGAIN}")
    if record.seed < 0:
        found.append(f"has the seed {record.seed}; seeds begin at 0: {AGAIN}")
    return found


def _provenance_faults(record: Record, now: datetime | None) -> list[str]:
    found, machine = [], record.machine
    if record.commit is not None and not re.fullmatch("[0-9a-f]{40}", record.commit):
        found.append(f"names {record.commit[:60]!r} as its commit, which is not 40 hex digits: {AGAIN}")
    if not record.versions:
        found.append(f"names no version of any package: {AGAIN}")
    if machine.device == "cuda" and not machine.gpu and record.outcome == "ok":
        found.append(f"was run on cuda and names no GPU: {AGAIN}")
    if machine.device == "cpu" and machine.gpu:
        found.append(f"was run on a CPU and names a GPU ({machine.gpu}): {AGAIN}")
    try:
        started = datetime.fromisoformat(record.started_at)
    except ValueError:
        started = None
    if started is None or started.utcoffset() != timedelta(0):
        found.append(f"started at {record.started_at!r}, which is no UTC time in ISO 8601: {AGAIN}")
    elif started > (now or datetime.now(UTC)) + CLOCK_SLACK:
        found.append(f"started in the future ({record.started_at}): set the clock, {AGAIN}")
    return found


def _cost_faults(record: Record) -> list[str]:
    times, found = record.times, []
    given = {name: value for name, value in times.model_dump().items() if value is not None}
    wrong = [name for name, value in given.items() if not (math.isfinite(value) and value >= 0)]
    if times.total == 0:
        wrong.append("total")
    if record.outcome == "ok":
        wrong += [name for name in ("train", "train_cpu") if given.get(name) == 0]
    if wrong:
        found.append(f"has times that no run can take ({', '.join(f'{n} {given[n]:g} s' for n in wrong)}): {AGAIN}")
    longest = 1.01 * times.total  # two clocks are read, one after the other
    found += [
        f"took longer to {name} ({given[name]:g} s) than in all ({times.total:g} s): {AGAIN}"
        for name in ("train", "eval", "compile")
        if name in given and given[name] > longest
    ]
    parts = math.fsum(given.get(name, 0.0) for name in ("train", "eval", "compile"))
    if not found and parts > longest:
        found.append(f"took longer in its parts ({parts:g} s) than in all ({times.total:g} s): {AGAIN}")
    cores = max(record.machine.cores, record.machine.threads)
    if given.get("train_cpu", 0.0) > cores * min(longest, 1.5 * given.get("train", longest)) + 1:
        found.append(f"took more processor time than {cores} cores have: {AGAIN}")
    return found + _memory_faults(record)


def _memory_faults(record: Record) -> list[str]:
    machine = record.machine
    return [
        f"had a peak memory that no machine has ({value:g} MiB{where}): {AGAIN}"
        for value, where in ((machine.peak_memory_mib, ""), (machine.peak_gpu_memory_mib, " on the GPU"))
        if value is not None and not 0 < value < MOST_MEMORY
    ]


def score_names(record: Record) -> frozenset[str]:
    """The metrics whose value is the score, be it as a fraction or in percent."""
    score = record.score
    if score is None:
        return frozenset()
    forms = (score, 100 * score, score / 100)
    return frozenset(name for name, value in record.metrics.items() if any(_equal(value, form) for form in forms))


def _score_faults(record: Record, score: float) -> list[str]:
    found, unit = [], record.task.metric.unit
    low, high = RANGES.get(unit, LOGARITHMS if unit.startswith("log10") else (-math.inf, math.inf))
    if not low - 1e-6 <= score <= high + 1e-6:
        found.append(f"has the score {score:g} {unit}, outside of {low:g} to {high:g}: {AGAIN}")
    names = score_names(record)
    if not names:
        found.append(f"has the score {score:g}, which none of its metrics is: {AGAIN}")
    if not any(len(curve) > 1 for curve in record.curves.values()):
        found.append(f"is ok and has no curve of two points or more, so that nothing shows it trained: {AGAIN}")
    chosen = any(name.startswith("best") for name in record.metrics)
    for name, curve in record.curves.items():
        if name.startswith("train") and not all(map(math.isfinite, curve)):
            found.append(f"is ok, and its {name} is not finite throughout: {AGAIN}")
        if not curve or name not in record.metrics or not (name in names or name.startswith("test")):
            continue
        if not any(_equal(record.metrics[name], value) for value in (curve if chosen else curve[-1:])):
            found.append(
                f"gives {record.metrics[name]:g} as its {name} where the curve ends at {curve[-1]:g}: {AGAIN}; where "
                "the task tests an earlier epoch, let it measure `best_epoch`, too"
            )
    return found


def _equal(first: float, second: float) -> bool:
    return math.isclose(first, second, rel_tol=1e-9) or (math.isnan(first) and math.isnan(second))
