"""What `bench list` shows: activations, groups of them, tasks, profiles, and which data is there."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import unknown
from bench.groups import GROUPS, MINED, members
from bench.profiles import PROFILES

if TYPE_CHECKING:
    from tasks import TaskSpec

SECTIONS = ("activations", "groups", "tasks", "profiles", "data")


def show(what: str, data: Path) -> None:
    """Print one section, or all of them when `what` is empty.

    Raises:
        UsageError: there is no such section.
    """
    if what and what not in SECTIONS:
        raise unknown("list", what, SECTIONS)
    for name in (what,) if what else SECTIONS:
        if not what:
            print(name)
        for row in _rows(name, data):
            print(row if what else f"  {row}")


def _rows(section: str, data: Path) -> list[str]:
    if section == "activations":
        return activations()
    if section == "groups":
        return groups()
    if section == "tasks":
        return tasks()
    return profiles() if section == "profiles" else data_sets(data)


def activations() -> list[str]:
    """A line an activation: name and formula."""
    from activations import get, names

    width = max(map(len, names()), default=0)
    return [f"{name:<{width}}  {get(name).formula}" for name in names()]


def groups() -> list[str]:
    """A line a group: its name and its activations."""
    return [f"{name:<12} {', '.join(members(name))}" for name in (*GROUPS, MINED)]


def tasks() -> list[str]:
    """A line a task: name, track, profiles and title."""
    from tasks import get, names

    width = max(map(len, names()), default=0)
    specs = [get(name).spec for name in names()]
    return [f"{spec.name:<{width}}  {spec.track:<8}  {_profiles(spec):<21}  {spec.title}" for spec in specs]


def _profiles(spec: TaskSpec) -> str:
    """The profiles that a task has a recipe for, smallest budget first."""
    return ",".join(name for name in PROFILES if name in spec.recipes)


def profiles() -> list[str]:
    """A line a profile: name, defaults and summary."""
    return [
        f"{profile.name:<6} {profile.summary}; {len(profile.activations)} activations, seeds "
        f"{','.join(map(str, profile.seeds))}, on {profile.device}"
        for profile in PROFILES.values()
    ]


def data_sets(data: Path) -> list[str]:
    """A line a data set: whether it is there, or what to do."""
    found = readiness(data)
    width = max(len(entry.tasks) for entry in found)
    return [f"{entry.tasks:<{width}}  {entry.text}" for entry in found]


@dataclass(frozen=True)
class Readiness:
    """Whether the data of some tasks is there."""

    tasks: str
    """Their names; a pattern where many tasks say the same."""
    present: bool
    text: str
    smoke: bool
    """Whether one of them belongs to the smoke profile."""


def readiness(data: Path) -> list[Readiness]:
    """What every task says of its data; tasks of a family that say the same are one entry."""
    from tasks import get, names

    folder = data if data.is_dir() else None
    groups: dict[tuple[str, bool, str], list[TaskSpec]] = {}
    for name in names():
        status = get(name).data_status(folder)
        text = status.reason or "the data is there"
        groups.setdefault((get(name).spec.family, status.present, text), []).append(get(name).spec)
    return [
        Readiness(
            _together([spec.name for spec in specs], names()),
            present,
            text,
            any("smoke" in spec.recipes for spec in specs),
        )
        for (_, present, text), specs in groups.items()
    ]


def _together(chosen: list[str], known: list[str]) -> str:
    """Names of tasks as the user can give them: many as one pattern, where one means them and no others."""
    pattern = f"{chosen[0].partition('-')[0]}-*"
    if len(chosen) > 3 and chosen == [name for name in known if fnmatchcase(name, pattern)]:
        return f"{pattern} ({len(chosen)} tasks)"
    return ", ".join(chosen)
