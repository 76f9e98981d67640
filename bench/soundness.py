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
from bench.tuning import FACTORS

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
TEXTS = ("formula", "reference", "origin", "mined_on")
"""What a record repeats from the catalogue; the source is left out, since a change of style changes it."""

_EARLIER = {
    "raw/node-feat.csv.gz": (
        "sha256:49abe64bd54e9753b9f1f332d88e29585e271736c163649604feb7df8b0b026b",
        "sha256:0bedc636e68e40915bdd30f640c60c2175b4fdbbae5d3662326e488619df1e39",
    ),
    "raw/edge.csv.gz": (
        "sha256:4e2cc8d16bb8fabd9ccf95116dcaafc725b149e221521a36db0f9f4e69ca1008",
        "sha256:5a8e70935fbd0f9b5ce2193ebaab124233287ea456816e2a0d95c012ff798ed8",
    ),
    "raw/edge-feat.csv.gz": (
        "sha256:357dcc705ca894520c95dc7772f19edbb72cbf621cee7e732fdb4345297dee31",
        "sha256:890016083cf117ea192d7869e318c3392b4f53ccc8abc3f89b69ffb3fed23ff5",
    ),
}
"""Molhiv's features made anew for runs of before contents were looked at: two packings, known by their packed bytes."""


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
    found = _name_faults(record)
    if stated.pointwise != read.pointwise:
        found.append(f"calls its function pointwise={stated.pointwise}, and its graph says otherwise: {AGAIN}")
    if stated.flops is not None and stated.flops != read.flops:
        found.append(f"states {stated.flops:g} FLOPs an element where its graph takes {read.flops}: {AGAIN}")
    return found


def _name_faults(record: Record) -> list[str]:
    """A name of the catalogue means that function and no other, and what the catalogue says of it."""
    from activations import UnknownActivation, get

    stated, name = record.activation, record.activation.name
    try:
        traced, _ = trace_all([get(name)])
    except UnknownActivation:
        return []
    if not traced:
        return []
    known = traced[0]
    if known.graph.hash != stated.graph_hash:
        return [
            f"is called {name} but holds another function ({stated.graph_hash}, {name} is {known.graph.hash}): "
            "register it under a name of its own and run it again"
        ]
    if not known.function.__module__.startswith("activations."):  # the user's own, whose words may change
        return []
    other = [text for text in TEXTS if getattr(stated, text) != getattr(known, text)]
    return [f"says other things of {name} than the catalogue ({', '.join(other)}): {AGAIN}"] if other else []


def _stated_task(record: Record) -> TaskSpec | None:
    """The registered task of this name and version; None where there is none to hold the record against."""
    spec = registered(record)
    return spec if spec is not None and spec.version == record.task.version else None


def registered(record: Record) -> TaskSpec | None:
    """The registered task of the record's name, whatever its version; None where there is none."""
    from tasks import UnknownTask, get

    try:
        return get(record.task.name).spec
    except UnknownTask:
        return None


def unchecked(record: Record) -> str:
    """Why the facts of the record's task cannot be checked; empty where they are."""
    spec, task = registered(record), record.task
    if spec is None:
        return f"{task.name}, which is not registered: the task's facts were not checked (name its file with --plugin)"
    if task.version < spec.version:
        return f"{task.name} in its version {task.version}, which is not the present one: its facts were not checked"
    return ""


def has_stated_recipe(record: Record) -> bool:
    """Whether the registered task states the record's recipe for its profile, up to a learning rate that was tuned.

    False where the task or the profile is not known.
    """
    spec, tuning = _stated_task(record), record.tuning
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
    spec, task = registered(record), record.task
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
    return found + _tuning_faults(record, spec) + _data_faults(record, spec)


def _tuning_faults(record: Record, spec: TaskSpec) -> list[str]:
    """Every activation is tuned by the same rules: those of the task, and the factors of `bench tune`."""
    tuning, due = record.tuning, spec.selection
    if tuning is None or due is None:
        return []
    found = []
    if tuning.metric != due.metric:
        found.append(f"was tuned by {tuning.metric} where its task chooses by {due.metric}: {AGAIN}")
    other = [
        name
        for name, stated, known in (
            ("higher_is_better", tuning.higher_is_better, due.higher_is_better),
            ("trials", tuning.trials, dict(due.recipe)),
            ("factors", tuning.factors, FACTORS),
        )
        if stated != known
    ]
    if not tuning.seeds:
        other.append("no seeds")
    if other:
        found.append(f"was tuned by other rules than `bench tune` has for its task ({', '.join(other)}): {AGAIN}")
    return found


def _reference(facts: Any) -> tuple[float, float, float, str] | None:
    return None if facts is None else (facts.value, facts.low, facts.high, facts.source)


def _data_faults(record: Record, spec: TaskSpec) -> list[str]:
    """Every file must be the published one, or one made anew where the task allows that and a note names all of them.

    A run that ended early may not have come to name its files; a scored record names each.
    """
    published, found = spec.dataset.checksums, record.dataset
    absent = [name for name in published if name not in found]
    if record.outcome == "ok" and absent:
        return [f"names no checksum of {spec.dataset.name} ({', '.join(absent)}): {AGAIN}"]
    other = [name for name in published if found.get(name, published[name]) != published[name]]
    wrong = [name for name in other if found[name] not in (spec.dataset.rebuilt.get(name), *_EARLIER.get(name, ()))]
    if wrong:
        where = f"; `{spec.dataset.command}` brings the right ones" if spec.dataset.command else ""
        return [f"was run on other data than is published ({', '.join(wrong)}): {AGAIN}{where}"]
    if other and not any(note.endswith(f": {', '.join(other)}") for note in record.notes):
        return [f"was run on files made anew ({', '.join(other)}), and no note of it says so: {AGAIN}"]
    return []
