"""From profile, tasks, activations and seeds to cells, each with its identity."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from bench.errors import UsageError, unknown
from bench.profiles import TUNED, base_of
from bench.records import Tuning, cell_id
from tasks.base import TaskSpec

if TYPE_CHECKING:
    from activations import Activation


MOST_SEEDS = 10_000
"""In one range; more is a slip of the finger."""


@dataclass(frozen=True)
class Cell:
    """One thing to run: a task, with an activation, from a seed, by a recipe."""

    id: str
    task: TaskSpec
    activation: Activation
    seed: int
    profile: str
    recipe: dict[str, Any]
    overrides: Mapping[str, int | float] = field(default_factory=dict)
    """Where the recipe differs from the one that the task states for the profile."""
    tuning: Tuning | None = None
    """How the learning rate was chosen; None where it is the task's."""

    @property
    def label(self) -> str:
        """Short name for the screen."""
        return self.titled(f"seed {self.seed}")

    def titled(self, seeds: str) -> str:
        """The same with other words for the seed."""
        changed = "".join(f", {name} {value:g}" for name, value in self.overrides.items())
        return f"{self.task.name} {self.activation.name} {seeds}{changed}"


@dataclass(frozen=True)
class Plan:
    """What a call of `bench run` is to do."""

    cells: tuple[Cell, ...]
    """Task by task, and within a task seed by seed, so that pairs are complete early."""
    refused: tuple[str, ...]
    """One sentence for each activation that cannot run."""
    twins: tuple[str, ...]
    """One sentence for each activation whose cells are those of another one."""


def select(kind: str, wanted: Sequence[str], known: Sequence[str], resolve: Callable[[str], str] = str) -> list[str]:
    """The names that a user asked for: exact ones, patterns like `clrs30-*`, or `all`; in the order asked, each once.

    `resolve` turns an exact name into the one to use (an alias into its activation's name) and raises on unknown ones.

    Raises:
        UsageError: a pattern matches nothing.
    """
    chosen: dict[str, None] = {}
    for word in wanted:
        if word == "all":
            matches = list(known)
        elif any(sign in word for sign in "*?["):
            matches = [name for name in known if fnmatchcase(name, word)]
            if not matches:
                raise unknown(kind, word, known)
        else:
            matches = [resolve(word)]
        chosen.update(dict.fromkeys(matches))
    return list(chosen)


def parse_seeds(text: str) -> tuple[int, ...]:
    """Seeds written as `0,1,2` or `0-4`, sorted, each once.

    Raises:
        UsageError: something else is written there.
    """
    seeds: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise UsageError(f"seeds are written like 0,1,2 or 0-4, not {text!r}")
        low, high = int(first), int(last or first)
        if not low <= high < min(low + MOST_SEEDS, 2**31):
            raise UsageError(f"{part.strip()} is no range of up to {MOST_SEEDS:,} seeds below 2**31")
        seeds.update(range(low, high + 1))
    return tuple(sorted(seeds))


def make_plan(profile: str, specs: Sequence[TaskSpec], activations: Sequence[Activation], seeds: Sequence[int]) -> Plan:
    """Every cell of the product; two names of one function make one cell, under the name that was asked for first.

    Raises:
        UsageError: a task has no recipe for the profile.
    """
    traced, refused = trace_all(activations)
    distinct: dict[str, Activation] = {}
    twins = []
    for activation in traced:
        first = distinct.setdefault(activation.graph.hash, activation)
        if first is not activation:
            twins.append(f"{activation.name} is the same function as {first.name}: its cells are run and shown as that")
    cells = []
    for spec in specs:
        recipe = recipe_of(spec, profile)
        for seed in seeds:
            for graph, activation in distinct.items():
                cell = cell_id(spec.name, spec.version, graph, seed, recipe)
                cells.append(Cell(cell, spec, activation, seed, profile, recipe))
    return Plan(tuple(cells), tuple(refused), tuple(twins))


def override(cell: Cell, overrides: Mapping[str, int | float], tuning: Tuning | None = None) -> Cell:
    """The same cell by a changed recipe; under the profile's tuned name where `tuning` says how it was chosen."""
    base = base_of(cell.profile)
    recipe = recipe_of(cell.task, base, overrides)
    identity = cell_id(cell.task.name, cell.task.version, cell.activation.graph.hash, cell.seed, recipe)
    profile = base if tuning is None else base + TUNED
    return replace(cell, id=identity, profile=profile, recipe=recipe, overrides=dict(overrides), tuning=tuning)


def recipe_of(spec: TaskSpec, profile: str, overrides: Mapping[str, int | float] | None = None) -> dict[str, Any]:
    """The task's recipe for a profile as JSON types, without fields that were added later and are at their default.

    Raises:
        UsageError: the task has none.
    """
    if profile not in spec.recipes:
        known = ", ".join(spec.recipes)
        raise UsageError(f"task {spec.name} has no recipe for profile {profile}; it has: {known}")
    stated = replace(spec.recipes[profile], **overrides or {})
    recipe: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(stated), allow_nan=False))
    for entry in dataclasses.fields(stated):
        if entry.metadata.get("added_later") and getattr(stated, entry.name) == entry.default:
            del recipe[entry.name]
    return recipe


def trace_all(activations: Sequence[Activation]) -> tuple[list[Activation], list[str]]:
    """The activations that have a graph, and one sentence for each that is refused."""
    traced: list[Activation] = []
    refused: list[str] = []
    for activation in activations:
        try:
            activation.graph.hash  # noqa: B018 - tracing happens at the first look
        except (Exception, SystemExit) as error:  # an author's function may raise anything at all
            text = str(error) or type(error).__name__
            refused.append(f"activation {activation.name} is refused: {text.strip().splitlines()[0]}")
        else:
            traced.append(activation)
    return traced, refused
