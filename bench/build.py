"""Put a record together: the cell, how it ended, and what it ran on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from bench import provenance
from bench.devices import Lane
from bench.messages import Origin, Report
from bench.plan import Cell
from bench.records import (
    ActivationFacts,
    InjectionAudit,
    Machine,
    MetricFacts,
    Record,
    ReferenceFacts,
    TaskFacts,
    Times,
)


def build_record(cell: Cell, report: Report, lane: Lane, marks: Mapping[str, Any] = MappingProxyType({})) -> Record:
    """The record of a cell that a worker has reported on; a report that makes no valid record is a crash.

    `marks` are further fields of the record, the same for every cell of a run.
    """
    try:
        return _build(cell, report, lane, marks)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        reason = f"the task's answer cannot be recorded: {place}: {first['msg']}"
        return _build(cell, _without_answer(report, reason), lane, marks)


def _without_answer(report: Report, reason: str) -> Report:
    """A crash that keeps what the worker saw (where, when, how long) and nothing that the task said."""
    return replace(
        report,
        outcome="crashed",
        reason=reason,
        score=None,
        metrics={},
        curves={},
        injection=None,
        parameters=None,
        train_seconds=None,
        train_cpu_seconds=None,
        eval_seconds=None,
        compile_seconds=0.0,
        dataset={},
        notes=(),
    )


def _build(cell: Cell, report: Report, lane: Lane, marks: Mapping[str, Any]) -> Record:
    origin = report.origin or provenance.here()
    injection = None if report.injection is None else InjectionAudit.model_validate(report.injection)
    outcome, reason, score = report.outcome, report.reason, report.score
    if outcome == "ok" and (injection is None or injection.swapped != cell.task.sites or injection.left):
        seen = "no audit" if injection is None else f"{injection.swapped} swapped, {injection.left} left"
        outcome, score = "invalid_injection", None
        reason = f"the task reported {seen} where {cell.task.sites} sites are declared"
    return Record.model_validate(
        {
            "id": cell.id,
            "profile": cell.profile,
            "seed": cell.seed,
            "recipe": cell.recipe,
            "tuning": cell.tuning,
            "outcome": outcome,
            "reason": reason,
            "score": score,
            "task": task_facts(cell),
            "activation": activation_facts(cell),
            "parameters": report.parameters,
            "injection": injection,
            "metrics": dict(report.metrics),
            "curves": {name: list(values) for name, values in report.curves.items()},
            "dataset": dict(report.dataset),
            "times": Times(
                train=report.train_seconds,
                train_cpu=report.train_cpu_seconds,
                eval=report.eval_seconds,
                total=report.total_seconds,
                startup=report.startup_seconds,
                together=report.together,
                compile=report.compile_seconds,
            ),
            "machine": machine(report, origin, lane),
            "versions": dict(origin.versions),
            "commit": origin.commit,
            "dirty": origin.dirty,
            "started_at": report.started_at,
            "notes": report.notes,
            **marks,
        }
    )


def task_facts(cell: Cell) -> TaskFacts:
    """What the record keeps of the task's specification."""
    spec = cell.task
    reference = spec.reference
    return TaskFacts(
        name=spec.name,
        version=spec.version,
        title=spec.title,
        family=spec.family,
        track=spec.track,
        dataset=spec.dataset.name,
        dataset_source=spec.dataset.source,
        model=spec.model,
        sites=spec.sites,
        site_rule=spec.site_rule,
        metric=MetricFacts(
            name=spec.metric.name,
            unit=spec.metric.unit,
            higher_is_better=spec.metric.higher_is_better,
            chance=spec.metric.chance,
        ),
        reference=None
        if reference is None
        else ReferenceFacts(value=reference.value, low=reference.low, high=reference.high, source=reference.source),
    )


def activation_facts(cell: Cell) -> ActivationFacts:
    """What the record keeps of the activation: its text, its graph and the facts read off the graph."""
    activation = cell.activation
    graph = activation.graph
    return ActivationFacts(
        name=activation.name,
        formula=activation.formula,
        reference=activation.reference,
        origin=activation.origin,
        source=activation.source,
        graph_hash=graph.hash,
        graph=json.loads(graph.to_json()),
        pointwise=graph.pointwise,
        flops=graph.flops,
        mined_on=activation.mined_on,
    )


def machine(report: Report, origin: Origin, lane: Lane) -> Machine:
    """What the cell ran on."""
    return Machine(
        cpu=origin.cpu,
        cores=origin.cores,
        memory_gib=origin.memory_gib,
        gpu=report.gpu,
        device=lane.device,
        threads=lane.threads,
        fused=report.fuse,
        peak_memory_mib=report.peak_memory_mib,
        peak_gpu_memory_mib=report.peak_gpu_memory_mib,
    )
