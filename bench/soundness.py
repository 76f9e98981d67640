"""Whether one record can be true: its graph, the facts and the recipe of its task, its data, its numbers.

Every check holds the record against something that the record does not choose: the graph is read again, the task is
looked up in the registry, numbers are held against each other. What cannot be looked up is not judged.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from bench.errors import UsageError
from bench.plan import recipe_of, trace_all
from bench.plausible import AGAIN, number_faults
from bench.profiles import base_of
from bench.records import Record

if TYPE_CHECKING:
    from activations import Graph
    from tasks import TaskSpec

FACTS = {
    "title": "title",
    "family": "family",
    "track": "track",
    "dataset": "dataset.name",
    "dataset_source": "dataset.source",
    "model": "model",
    "sites": "sites",
    "site_rule": "site_rule",
    "metric.name": "metric.name",
    "metric.unit": "metric.unit",
    "metric.higher_is_better": "metric.higher_is_better",
    "metric.chance": "metric.chance",
}
"""Fact of a record to its place in a task's specification; the reference, which may be None, is looked at apart."""


def faults_of(record: Record, now: datetime | None = None) -> list[str]:
    """What is wrong with a record by itself; each is a sentence without its subject, the record's file.

    Args:
        now: the time that no run can have started after; the clock's when left out.
    """
    return [*_graph_faults(record), *_task_faults(record), *number_faults(record, now)]


@dataclass(frozen=True)
class Reading:
    """What the graph of a record says when it is read again."""

    graph: Graph
    hash: str
    pointwise: bool
    flops: int


def read_graph(record: Record) -> Reading | str:
    """The record's graph and the facts read off it; a text that says why where it cannot be read."""
    return _read(json.dumps(record.activation.graph, sort_keys=True))


@lru_cache(maxsize=4096)
def _read(text: str) -> Reading | str:
    from activations import Graph

    try:
        graph = Graph.from_json(text)
        return Reading(graph, graph.hash, graph.pointwise, graph.flops)
    except Exception as error:  # a graph from anywhere may fail in ways that nobody foresaw, or want all memory
        return str(error) or type(error).__name__


def _graph_faults(record: Record) -> list[str]:
    stated, read = record.activation, read_graph(record)
    if isinstance(read, str):
        return [f"holds a graph that cannot be read ({read}): {AGAIN}"]
    if read.hash != stated.graph_hash:
        return [f"holds another graph ({read.hash}) than its hash names ({stated.graph_hash}): {AGAIN}"]
    found = _name_faults(stated.name, read.hash)
    if stated.pointwise != read.pointwise:
        found.append(f"calls its function pointwise={stated.pointwise}, and its graph says otherwise: {AGAIN}")
    if stated.flops is not None and stated.flops != read.flops:
        found.append(f"states {stated.flops:g} FLOPs an element where its graph takes {read.flops}: {AGAIN}")
    return found


def _name_faults(name: str, graph: str) -> list[str]:
    """A name of the catalogue means that function and no other."""
    from activations import UnknownActivation, get

    try:
        traced, _ = trace_all([get(name)])
    except UnknownActivation:
        return []
    if not traced or traced[0].graph.hash == graph:
        return []
    return [
        f"is called {name} but holds another function ({graph}, {name} is {traced[0].graph.hash}): register it under "
        "a name of its own and run it again"
    ]


def stated_task(record: Record) -> TaskSpec | None:
    """The registered task of this name and version; None where there is none to hold the record against."""
    spec = _registered(record)
    return spec if spec is not None and spec.version == record.task.version else None


def _registered(record: Record) -> TaskSpec | None:
    from tasks import UnknownTask, get

    try:
        return get(record.task.name).spec
    except UnknownTask:
        return None


def unchecked(record: Record) -> str:
    """Why the facts of the record's task cannot be checked; empty where they are."""
    spec, task = _registered(record), record.task
    if spec is None:
        return f"{task.name}, which is not registered: the task's facts were not checked (name its file with --plugin)"
    if task.version < spec.version:
        return f"{task.name} in its version {task.version}, which is not the present one: its facts were not checked"
    return ""


def has_stated_recipe(record: Record) -> bool:
    """Whether the registered task states the record's recipe for its profile, up to a learning rate that was tuned.

    False where the task or the profile is not known.
    """
    spec, tuning = stated_task(record), record.tuning
    if spec is None:
        return False
    try:
        due = recipe_of(spec, base_of(record.profile))
    except UsageError:
        return False
    if tuning is None:
        return record.recipe == due
    rate = spec.selection.learning_rate if spec.selection else ""
    return tuning.lr == rate and {**record.recipe, rate: tuning.base} == due


def _task_faults(record: Record) -> list[str]:
    spec, task = _registered(record), record.task
    if spec is None or task.version < spec.version:
        return []
    if task.version > spec.version:
        return [
            f"is of version {task.version} of its task, and this checkout knows {spec.version}: update the checkout"
        ]
    other = [fact for fact, place in FACTS.items() if attrgetter(fact)(task) != attrgetter(place)(spec)]
    if _reference(task.reference) != _reference(spec.reference):
        other.append("reference")
    found = []
    if other:
        found.append(f"states other facts than version {task.version} of its task ({', '.join(other)}): {AGAIN}")
    if not has_stated_recipe(record):
        found.append(f"was run by another recipe than {task.name} has for the profile {record.profile}: {AGAIN}")
    if record.tuning is not None and spec.selection is not None and record.tuning.metric != spec.selection.metric:
        found.append(f"was tuned by {record.tuning.metric} where its task chooses by {spec.selection.metric}: {AGAIN}")
    return found + _data_faults(record, spec)


def _reference(facts: Any) -> tuple[float, float, float, str] | None:
    return None if facts is None else (facts.value, facts.low, facts.high, facts.source)


def _data_faults(record: Record, spec: TaskSpec) -> list[str]:
    """Files must be the published ones, or ones made anew where the task allows that and the record's notes say so."""
    published, rebuilt = spec.dataset.checksums, spec.dataset.rebuilt
    if record.outcome == "ok" and published and not published.keys() & record.dataset.keys():
        return [f"names no checksum of {spec.dataset.name}: {AGAIN}"]
    other = [
        name
        for name, digest in record.dataset.items()
        if name in published and digest not in (published[name], rebuilt.get(name)) and not _said(record, name, rebuilt)
    ]
    where = f"; `{spec.dataset.command}` brings the right ones" if spec.dataset.command else ""
    return [f"was run on other data than is published ({', '.join(other)}): {AGAIN}{where}"] if other else []


def _said(record: Record, name: str, rebuilt: Any) -> bool:
    return name in rebuilt and any(name in note for note in record.notes)
