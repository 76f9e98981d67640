"""What `bench list` shows: activations, tasks, profiles, and which data is there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.errors import unknown
from bench.profiles import PROFILES

SECTIONS = ("activations", "tasks", "profiles", "data")


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
    if section == "tasks":
        return tasks()
    return profiles() if section == "profiles" else data_sets(data)


def activations() -> list[str]:
    """A line an activation: name and formula."""
    from activations import get, names

    width = max(map(len, names()), default=0)
    return [f"{name:<{width}}  {get(name).formula}" for name in names()]


def tasks() -> list[str]:
    """A line a task: name, track, profiles and title."""
    from tasks import get, names

    width = max(map(len, names()), default=0)
    specs = [get(name).spec for name in names()]
    return [f"{spec.name:<{width}}  {spec.track:<8}  {','.join(spec.recipes):<21}  {spec.title}" for spec in specs]


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
    from tasks import TaskSpec, get, names

    folder = data if data.is_dir() else None
    groups: dict[tuple[str, bool, str], list[TaskSpec]] = {}
    for name in names():
        status = get(name).data_status(folder)
        text = status.reason or "the data is there"
        groups.setdefault((get(name).spec.family, status.present, text), []).append(get(name).spec)
    return [
        Readiness(
            ", ".join(spec.name for spec in specs) if len(specs) < 4 else f"{family}-* ({len(specs)} tasks)",
            present,
            text,
            any("smoke" in spec.recipes for spec in specs),
        )
        for (family, present, text), specs in groups.items()
    ]
