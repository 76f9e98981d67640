"""Which tasks there are: the built-in ones, those of installed packages, and those that a plugin file registers."""

from __future__ import annotations

import dataclasses
import difflib
import json
import re
import warnings
from collections.abc import Iterable, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from operator import attrgetter
from typing import Any

from tasks.base import PROFILES, Dataset, Metric, Reference, Task, TaskError, TaskSpec

ENTRY_POINTS = "activation_bench.tasks"
"""Entry point group of installed packages; each entry names a task, a sequence of tasks, or a module with `TASKS`."""

BUILTIN = ("tasks.vision", "tasks.molecules", "tasks.clrs30", "tasks.lab")
"""Modules with a module-level `TASKS: tuple[Task, ...]`; importing one brings in no torch, jax or timm."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")

_tasks: dict[str, Task] = {}
_loaded = False


class UnknownTask(TaskError):
    """No task has this name; the message gives the nearest ones."""


class RefusedTask(TaskError, ValueError):
    """A task that cannot be registered; the message says which of its facts is wrong."""


def register_task(task: Task) -> Task:
    """Give a task a name everywhere: in `bench list`, `bench run --tasks` and the leaderboard.

    Raises:
        RefusedTask: the name is taken by another task or cannot be a folder's name, a fact has the wrong type, or a
            recipe is for no known profile or no dataclass of JSON scalars.
    """
    _load()  # the built-in tasks come first and keep their names
    spec = getattr(task, "spec", None)
    if not isinstance(spec, TaskSpec):
        raise RefusedTask(f"{task!r} is no task: its `spec` must be a TaskSpec")
    if not isinstance(spec.name, str) or not _NAME.fullmatch(spec.name):
        raise RefusedTask(f"task name {spec.name!r} is refused: use lower-case letters, digits, '-' and '_' only")
    _check_facts(spec)
    _check_recipes(spec)
    held = _tasks.get(spec.name)
    if held is not None and held is not task:
        raise RefusedTask(f"task name {spec.name} is taken already: register it under another name")
    _tasks[spec.name] = task
    return task


def _check_facts(spec: TaskSpec) -> None:
    """Refuse facts of wrong types: a record or a board would fail on them much later."""
    _expect(spec, str, "a text", "title", "family", "model", "site_rule")
    _expect(spec, int, "a whole number above 0", "version", "sites")
    _expect(spec, Dataset, "a Dataset", "dataset")
    _expect(spec, str, "a text", "dataset.name", "dataset.source", "dataset.command")
    _expect(spec, Mapping, "a mapping", "dataset.checksums", "recipes")
    _expect(spec, Metric, "a Metric", "metric")
    _expect(spec, str, "a text", "metric.name", "metric.unit")
    _expect(spec, bool, "True or False", "metric.higher_is_better")
    _expect(spec, (int, float, type(None)), "a number or None", "metric.chance")
    _expect(spec, (Reference, type(None)), "a Reference or None", "reference")
    if spec.reference is not None:
        _expect(spec, (int, float), "a number", "reference.value", "reference.low", "reference.high")
        _expect(spec, str, "a text", "reference.source")
    if spec.track not in ("real", "stand-in"):
        raise RefusedTask(f"task {spec.name} has the track {spec.track!r}: it must be 'real' or 'stand-in'")


def _expect(spec: TaskSpec, kind: type | tuple[type, ...], due: str, *facts: str) -> None:
    for fact in facts:
        value: Any = attrgetter(fact)(spec)
        below = kind is int and isinstance(value, int) and value < 1
        if below or not isinstance(value, kind):
            raise RefusedTask(f"task {spec.name} has {value!r} as its {fact}: it must be {due}")


def _check_recipes(spec: TaskSpec) -> None:
    """Refuse recipes that no profile asks for, or that cannot be part of a record."""
    unknown = [profile for profile in spec.recipes if profile not in PROFILES]
    if unknown:
        raise RefusedTask(f"task {spec.name} has recipes for unknown profiles {unknown}: known are {list(PROFILES)}")
    for profile, recipe in spec.recipes.items():
        try:
            json.dumps(dataclasses.asdict(recipe), allow_nan=False)
        except (TypeError, ValueError):
            raise RefusedTask(
                f"task {spec.name} has the recipe {recipe!r} for {profile}: it must be a dataclass of JSON scalars"
            ) from None


def get(name: str) -> Task:
    """The task of this name.

    Raises:
        UnknownTask: there is none; the message gives the nearest names.
    """
    _load()
    try:
        return _tasks[name]
    except KeyError:
        nearest = difflib.get_close_matches(name, _tasks, n=3, cutoff=0.5)
        hint = f"did you mean {', '.join(nearest)}?" if nearest else "`bench list tasks` shows them all"
        raise UnknownTask(f"no task is called {name!r}; {hint}") from None


def names() -> list[str]:
    """Names of all tasks, the built-in ones first, in the order of their modules."""
    _load()
    return list(_tasks)


def _load() -> None:
    """Bring in the built-in tasks and those of installed packages, once."""
    global _loaded
    if _loaded:
        return
    _loaded = True
    for module in BUILTIN:
        for task in import_module(module).TASKS:
            register_task(task)
    for entry in entry_points(group=ENTRY_POINTS):
        try:
            for task in _as_tasks(entry.load()):
                register_task(task)
        except Exception as error:  # a stranger's package must not take the suite down with it
            warnings.warn(f"the tasks of the installed entry {entry.value!r} are left out: {error}", stacklevel=2)


def _as_tasks(found: object) -> Iterable[Task]:
    """What an entry point names, as tasks: a module with TASKS, one task, or a sequence of tasks."""
    found = getattr(found, "TASKS", found)
    if isinstance(found, (list, tuple)):
        return found
    return (found,)  # type: ignore[return-value]
