"""What a search is told (settings, ladder, budget), what it hands out (jobs) and what it says of itself (status)."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from mining.fitness import FINAL, FIRST, SECOND, Rung
from mining.population import Evaluation, Population, PopulationError

if TYPE_CHECKING:
    from activations import Graph


@dataclass(frozen=True)
class Settings:
    """What makes a search repeatable; a resumed one must have the same."""

    seed: int
    proposers: tuple[tuple[str, float], ...]
    """Names and weights: how a generation is shared out."""
    start: tuple[str, ...]
    """Names of the activations that generation 0 holds."""
    families: tuple[str, ...]
    """Families of the lab that count for fitness; what else it is of, by its own name."""
    flops: int
    """Most floating-point operations an element."""
    pointwise: bool
    """Whether functions of whole tensors are refused."""
    fitness: str = "lab"
    """`lab`, or `cifar10-resnet20` (`mining.cifar_fitness`)."""
    ladder: str = ""
    """`Rungs.words`: evaluations by other rungs must not be mixed in."""
    generation_size: int = 24
    islands: int = 2

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(dataclasses.asdict(self))

    @staticmethod
    def from_json(text: str) -> Settings:
        """What `to_json` wrote."""
        fields = json.loads(text)
        fields |= {name: tuple(fields[name]) for name in ("start", "families")}
        return Settings(**fields | {"proposers": tuple((n, w) for n, w in fields["proposers"])})


@dataclass(frozen=True)
class Job:
    """One function to be trained on one rung."""

    hash: str
    graph: Graph
    rung: Rung


class Evaluate(Protocol):
    """Trains functions, several at a time (`mining.workers.Workers`)."""

    def __call__(self, jobs: Sequence[Job]) -> Generator[Evaluation | None]:
        """Yield what came of each job as soon as it is known, in any order, and None now and then between them, so
        that whoever waits can stop.
        """
        ...


@dataclass(frozen=True)
class Rungs:
    """The ladder of a search."""

    cheap: Rung
    deep: Rung
    final: Rung
    """Exact, on seeds that no other rung uses."""

    @property
    def words(self) -> str:
        """Names of the rungs, each with a digest of all that it fixes: differs where an evaluation might."""
        rungs = (self.cheap, self.deep, self.final)
        return ", ".join(f"{rung.name} {hashlib.sha256(repr(rung).encode()).hexdigest()[:8]}" for rung in rungs)


RUNGS = Rungs(FIRST, SECOND, FINAL)


@dataclass(frozen=True)
class Status:
    """How far a search is."""

    generation: int
    evaluations: int
    """Distinct functions trained, those of the start not counted."""
    best: float
    """Fitness of the best function that was confirmed on fresh seeds."""
    median: float
    """Of the cheap rung's fitness over the whole population."""
    rejections: Mapping[str, int]
    """Rejected proposals by stage."""
    seconds: float
    """Wall time so far, earlier sessions included."""


Watch = Callable[[Status], None]


@dataclass
class Budget:
    """When a search ends: whichever comes first. A generation that was begun is finished, unless time is over."""

    evaluations: int | None = None
    seconds: float | None = None
    """Wall time of this session."""
    stop: bool = False
    """Set from outside, as by Ctrl-C: nothing new is begun, and what is not finished is done when it is resumed."""
    begun: float = field(default_factory=time.monotonic)

    @property
    def over(self) -> bool:
        """Whether time is over or somebody asked to stop."""
        return self.stop or (self.seconds is not None and time.monotonic() - self.begun > self.seconds)


def claim(population: Population, settings: Settings) -> None:
    """Bind a new population to these settings, or see that it is bound to them.

    Raises:
        PopulationError: it is bound to others; the message names the first that differs.
    """
    text = population.fact("settings")
    if text is None:
        population.set_fact("settings", settings.to_json())
        return
    was, now = json.loads(text), json.loads(settings.to_json())
    for name in now:
        if was.get(name) != now[name]:
            raise PopulationError(
                f"the run at {population.path.parent} has {name} {was.get(name)}, not {now[name]}: "
                "give the same settings to go on with it, or name another run with --run"
            )
