"""Which tasks there are: the built-in ones, those of installed packages, and those that a plugin file registers."""

from __future__ import annotations

import difflib
import re
import warnings
from collections.abc import Iterable
from importlib import import_module
from importlib.metadata import entry_points

from tasks.base import PROFILES, Task, TaskError

ENTRY_POINTS = "activation_bench.tasks"
"""Entry point group of installed packages; each entry names a task, a sequence of tasks, or a module with `TASKS`."""

BUILTIN = ("tasks.vision", "tasks.molecules", "tasks.clrs30", "tasks.lab")
"""Modules with a module-level `TASKS: tuple[Task, ...]`; importing one brings in no torch, jax or timm."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")

_tasks: dict[str, Task] = {}
_loaded = False


class UnknownTask(TaskError):
    """No task has this name; the message gives the nearest ones."""


def register_task(task: Task) -> Task:
    """Give a task a name everywhere: in `bench list`, `bench run --tasks` and the leaderboard.

    Raises:
        ValueError: the name is taken by another task or cannot be a folder's name, a recipe is for no known profile,
            or the metric's facts contradict each other.
    """
    spec = task.spec
    if not _NAME.fullmatch(spec.name):
        raise ValueError(f"task name {spec.name!r} is refused: use lower-case letters, digits, '-' and '_' only")
    unknown = sorted(set(spec.recipes) - set(PROFILES))
    if unknown:
        raise ValueError(f"task {spec.name} has recipes for unknown profiles {unknown}: known are {list(PROFILES)}")
    if spec.track not in ("real", "stand-in"):
        raise ValueError(f"task {spec.name} has the track {spec.track!r}: it must be 'real' or 'stand-in'")
    held = _tasks.get(spec.name)
    if held is not None and held is not task:
        raise ValueError(f"task name {spec.name} is taken already: register it under another name")
    _tasks[spec.name] = task
    return task


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
    plugins = dict(_tasks)  # registered by a plugin file before the first look-up; the built-in ones come first
    _tasks.clear()
    for module in BUILTIN:
        for task in import_module(module).TASKS:
            register_task(task)
    for task in plugins.values():
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
