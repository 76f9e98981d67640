"""What `bench mine` makes of what the user asked for: settings, proposers, and the jail where sources are traced."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from bench.errors import UsageError, unknown
from bench.groups import choose
from bench.plan import select

if TYPE_CHECKING:
    from activations import Graph
    from mining.candidate import Proposer
    from mining.judge import Trace
    from mining.screen import Limits
    from mining.settings import Rungs, Settings
    from mining.workers import Fitness

LAB, CIFAR = "lab", "cifar10-resnet20"
PROPOSERS = ("genetic", "random", "exhaustive", "controller", "llm")
TRANSCRIPT = "transcript.jsonl"


@dataclass(frozen=True)
class Model:
    """The language model that the proposer `llm` asks, as the user named it."""

    base_url: str
    models: Sequence[str]
    """`NAME` or `NAME=WEIGHT`."""
    key_variable: str
    temperature: float | None
    """None leaves it to the model."""
    retries: int
    output_tokens: int
    limit_name: Literal["max_tokens", "max_completion_tokens"]
    """What the endpoint calls that number."""
    parallel: int
    timeout: float
    requests: int | None
    tokens: int | None
    cost: float | None
    prices: Sequence[str]
    """`NAME=PROMPT/COMPLETION`, for a million tokens each."""
    transcript: Path | None
    """None for the run's own."""
    live: bool


@dataclass(frozen=True)
class Hunt:
    """What the user asked `bench mine` for."""

    run: str
    """Name of the run; empty for one made of the proposers and the seed."""
    evaluations: int | None
    hours: float | None
    seed: int
    proposers: Sequence[str]
    """`NAME` or `NAME=WEIGHT`."""
    start: Sequence[str]
    """Names of activations; empty for all built-in ones that fit."""
    families: Sequence[str]
    """Of the lab."""
    fitness: str
    """`lab` or `cifar10-resnet20`."""
    data: Path
    flops: int | None
    whole_tensor: bool
    """Whether functions of whole tensors may be proposed."""
    require_sandbox: str
    device: str
    workers: int | None
    results: Path
    top: int
    """Functions whose sealed shift the report opens; 0 writes no report."""
    model: Model


def settings_of(asked: Hunt) -> Settings:
    """The search's settings.

    Raises:
        UsageError: an unknown proposer, family or activation, or a weight that is no positive number.
    """
    from activations import get, names
    from mining.fitness import SEARCHED
    from mining.screen import Limits
    from mining.settings import Settings
    from tasks.lab import FAMILIES

    check_length(asked)
    if asked.fitness not in (LAB, CIFAR):
        raise unknown("fitness", asked.fitness, (LAB, CIFAR))
    if asked.fitness == CIFAR and asked.families:
        raise UsageError(f"--families are the lab's: leave them out with --fitness {CIFAR}")
    proposers = tuple(weight_of(text) for text in asked.proposers)
    if len({name for name, _ in proposers}) < len(proposers):
        raise UsageError(f"a proposer is named twice in {', '.join(asked.proposers)}: give each one weight")
    if any(name == "llm" for name, _ in proposers) and (asked.fitness == CIFAR or asked.whole_tensor):
        raise UsageError("the proposer llm is told of the lab and of pointwise functions: leave out the other option")
    flops = Limits().flops if asked.flops is None else asked.flops
    built_in = [name for name in names() if get(name).function.__module__.startswith("activations.builtin")]
    named = choose(asked.start or built_in, names(), lambda name: get(name).name)
    return Settings(
        seed=asked.seed,
        proposers=proposers,
        families=tuple(select("family", asked.families or SEARCHED, FAMILIES, known_family))
        if asked.fitness == LAB
        else ("cifar10",),
        fitness=asked.fitness,
        start=tuple(_fitting(named, Limits(flops=flops, allow_nonpointwise=asked.whole_tensor))),
        flops=flops,
        pointwise=not asked.whole_tensor,
    )


def fitness_of(settings: Settings, data: Path | None, device: str) -> tuple[Callable[[], Fitness], Rungs]:
    """What makes the search's fitness in a worker, and its ladder.

    Raises:
        tasks.MissingData: it needs CIFAR-10, and `data` does not hold it.
    """
    if settings.fitness == CIFAR:
        from mining.cifar_fitness import RUNGS, TASK, CifarFitness
        from tasks import MissingData

        status = TASK.data_status(data)
        if not status.present:
            raise MissingData(status.reason)
        return partial(CifarFitness, data, device), RUNGS
    from mining.fitness import LabFitness
    from mining.settings import RUNGS as LADDER

    return partial(LabFitness, settings.families, device=device), LADDER


def check_length(asked: Hunt) -> None:
    """Refuse a search that would never end, or end at once.

    Raises:
        UsageError: neither a number of evaluations nor hours above 0 were given.
    """
    if asked.evaluations is None and asked.hours is None:
        raise UsageError("say how long to search: --evaluations N, --hours H, or both")
    if asked.hours is not None and not 0 < asked.hours < math.inf:
        raise UsageError(f"--hours is a number above 0, not {asked.hours:g}")


def _fitting(chosen: Sequence[str], limits: Limits) -> list[str]:
    """Of the named functions, those that pass the screen.

    Raises:
        UsageError: none of them does; the message says why the first does not.
    """
    from activations import get
    from mining.screen import screen

    reasons = {name: screen(get(name).graph, limits) for name in chosen}
    found = [name for name, reason in reasons.items() if reason is None]
    if not found:
        raise UsageError(f"a search cannot start from {', '.join(chosen)}: {reasons[chosen[0]]}")
    return found


def known_family(name: str) -> str:
    """The name of a family of the lab.

    Raises:
        UsageError: there is no such family.
    """
    from tasks.lab import FAMILIES

    if name not in FAMILIES:
        raise unknown("family", name, FAMILIES)
    return name


def weight_of(text: str) -> tuple[str, float]:
    """`genetic=3` as name and weight; the weight is 1 where none is given."""
    name, _, weight = text.partition("=")
    if name not in PROPOSERS:
        raise unknown("proposer", name, PROPOSERS)
    try:
        value = float(weight or 1)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise UsageError(f"the weight of {name} must be a number above 0, not {weight!r}")
    return name, value


class Say(Protocol):
    """Prints a line that stays."""

    def __call__(self, text: str) -> None:
        """Print it."""
        ...


@contextmanager
def jailed(asked: Hunt, say: Say) -> Iterator[Trace]:
    """The jail for sources, where a proposer writes any; graphs need none."""
    from mining.jail import Jail, Level

    levels = {str(level): level for level in Level}
    if asked.require_sandbox and asked.require_sandbox not in levels:
        raise unknown("sandbox level", asked.require_sandbox, levels)
    if not (asked.require_sandbox or any(text.partition("=")[0] == "llm" for text in asked.proposers)):
        yield _no_sources
        return
    with Jail(require=levels.get(asked.require_sandbox)) as jail:
        say(f"sandbox: {jail.level}")
        yield jail.trace


def _no_sources(source: str) -> Graph:
    raise AssertionError("a proposer of graphs handed in a source")


def proposer_of(name: str, asked: Hunt, limits: Limits, folder: Path) -> Proposer:
    """The proposer of this name, new.

    Raises:
        UsageError: the endpoint or the models of `llm` are not named.
        mining.llm.LlmError: the endpoint's key is missing, or an option of it makes no sense.
    """
    from mining.controller import Controller
    from mining.exhaustive import ExhaustiveSearch
    from mining.genetic import Genetic
    from mining.random_search import RandomSearch

    if name == "llm":
        return _language_model(asked.model, limits, folder)
    made: dict[str, Callable[[], Proposer]] = {
        "genetic": Genetic,
        "random": RandomSearch,
        "exhaustive": ExhaustiveSearch,
        "controller": Controller,
    }
    return made[name]()


def _language_model(asked: Model, limits: Limits, folder: Path) -> Proposer:
    from mining.llm import Caps, Endpoint, LlmProposer, read_models, read_prices
    from mining.transcript import Transcript

    if not asked.models or (asked.live and not asked.base_url):
        raise UsageError("the proposer llm needs --llm-model, and --llm-url or a transcript to --replay")
    endpoint = Endpoint(
        asked.base_url or "http://localhost",
        read_models(asked.models),
        key_variable=asked.key_variable,
        temperature=asked.temperature,
        timeout=asked.timeout,
        parallel=asked.parallel,
        retries=asked.retries,
        max_output_tokens=asked.output_tokens,
        limit_name=asked.limit_name,
    )
    caps = Caps(asked.requests, asked.tokens, asked.cost, read_prices(asked.prices))
    path = asked.transcript or folder / TRANSCRIPT
    transcript = Transcript(path) if asked.live else Transcript.replay(path)
    return LlmProposer(endpoint, caps, limits_text=rules_of(limits), transcript=transcript, live=asked.live)


def rules_of(limits: Limits) -> str:
    """The screen's limits as rules for a prompt, a line each."""
    return (
        f"It costs at most {limits.flops} floating-point operations an element: 1 for arithmetic, 4 for a division or "
        "a square root, 10 for a transcendental function.\n"
        f"Values and gradients are finite in float32 for |x| up to {limits.reach:g}.\n"
        "It is neither constant nor a straight line where |x| is at most 5."
    )
