"""A plugin file with tasks that train nothing, each ending in its own way; real worker processes run them."""

import math
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from activations import Activation, Injection
from tasks import (
    Context,
    Dataset,
    DataStatus,
    Diverged,
    Measurement,
    Metric,
    MissingData,
    Selection,
    TaskSpec,
    register_task,
)
from tasks.base import ADDED_LATER


@dataclass(frozen=True)
class Recipe:
    """A recipe with a bit of everything."""

    steps: int = 3
    pause: float = 0.0
    lengths: tuple[int, ...] = (4, 7)


SPEC: dict[str, Any] = {
    "version": 1,
    "family": "fake",
    "track": "stand-in",
    "dataset": Dataset("none", "computed from the seed"),
    "model": "none",
    "sites": 2,
    "site_rule": "both",
    "metric": Metric("accuracy", "%", True, 50.0),
}


def measurement(activation: Activation, seed: int, swapped: int = 2) -> Measurement:
    score = 80.0 + seed + (1.5 if activation.name == "gelu" else 0.0)
    return Measurement(
        score=score,
        metrics={"test_accuracy": score, "odd": float("nan")},
        curves={"train_loss": [1.0, float("inf"), 0.5]},
        injection=Injection(found=2, swapped=swapped, left=2 - swapped, sites=("a", "b")[:swapped], executed=swapped),
        parameters=10,
        train_seconds=0.01,
        train_cpu_seconds=0.01,
        eval_seconds=0.01,
    )


class Fake:
    """Returns a number that is known from the activation's name and the seed."""

    name = "fake-good"

    def __init__(self) -> None:
        self.spec = TaskSpec(
            name=self.name, title=f"task {self.name}", recipes={"smoke": Recipe(), "cpu": Recipe(steps=9)}, **SPEC
        )

    def data_status(self, data: Path | None) -> DataStatus:
        return DataStatus(True)

    def run(self, activation: Activation, seed: int, recipe: Recipe, context: Context) -> Measurement:
        for step in range(recipe.steps):
            context.progress(step + 1, recipe.steps, 1.0 / (step + 1))
            time.sleep(float(os.environ.get("FAKE_PAUSE", "0")))
        with open(os.environ.get("FAKE_TRACE", os.devnull), "a") as trace:
            trace.write(f"{self.name} {activation.name} {seed} {os.getpid()}\n")
        return self.end(activation, seed)

    def end(self, activation: Activation, seed: int) -> Measurement:
        return measurement(activation, seed)


class Batched(Fake):
    """Trains several seeds in one program; seed 7 diverges, and more than three seeds at once are too many."""

    name = "fake-batched"

    def seeds_together(self, device: str) -> int:
        return {"cpu": 3}.get(device, 8)

    def run_seeds(
        self, activation: Activation, seeds: Sequence[int], recipe: Recipe, context: Context
    ) -> list[Measurement | Diverged]:
        if len(seeds) > 3:
            raise MemoryError(f"no room for {len(seeds)} networks")
        with open(os.environ.get("FAKE_TRACE", os.devnull), "a") as trace:
            trace.write(f"{self.name} {activation.name} {'+'.join(map(str, seeds))} {os.getpid()}\n")
        time.sleep(0.3)
        return [Diverged("loss is nan at step 2") if seed == 7 else measurement(activation, seed) for seed in seeds]


class Forgets(Batched):
    """Answers for fewer seeds than it was given, unless it was given one."""

    name = "fake-forgets"

    def run_seeds(
        self, activation: Activation, seeds: Sequence[int], recipe: Recipe, context: Context
    ) -> list[Measurement | Diverged]:
        return super().run_seeds(activation, seeds, recipe, context)[1:]


class Falls(Batched):
    """ELU lies 20 points below ReLU, SiLU beside it; both scatter."""

    name = "fake-falls"

    def end(self, activation: Activation, seed: int) -> Measurement:
        measured = measurement(activation, seed)
        low = 20.0 if activation.name == "elu" else 0.0
        scatter = 0.0 if activation.name == "relu" else 0.3 * ((seed * 7) % 5 - 2)
        return replace(measured, score=measured.score - low + scatter)

    def run_seeds(
        self, activation: Activation, seeds: Sequence[int], recipe: Recipe, context: Context
    ) -> list[Measurement | Diverged]:
        return [self.end(activation, seed) for seed in seeds]


class Diverges(Fake):
    name = "fake-diverges"

    def end(self, activation: Activation, seed: int) -> Measurement:
        raise Diverged("loss is nan at step 2", {"train_loss": [1.0, float("nan")]})


class Kills(Fake):
    name = "fake-kills"

    def end(self, activation: Activation, seed: int) -> Measurement:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("unreachable")


class Sleeps(Fake):
    name = "fake-sleeps"

    def end(self, activation: Activation, seed: int) -> Measurement:
        time.sleep(600)
        raise AssertionError("nobody gave up on it")


class Misses(Fake):
    name = "fake-misses"

    def end(self, activation: Activation, seed: int) -> Measurement:
        raise MissingData("cifar-10 has a wrong checksum: run `bench data prepare cifar10`")


class Absent(Fake):
    name = "fake-absent"

    def data_status(self, data: Path | None) -> DataStatus:
        return DataStatus(False, "there is no data for it: run `bench data prepare fake`")


class Fills(Fake):
    name = "fake-fills"

    def end(self, activation: Activation, seed: int) -> Measurement:
        raise MemoryError("no room for 4 TiB")


class Breaks(Fake):
    name = "fake-breaks"

    def end(self, activation: Activation, seed: int) -> Measurement:
        raise KeyError("/mnt/somebody/secret/place/file.bin")


class Leaves(Fake):
    name = "fake-leaves"

    def end(self, activation: Activation, seed: int) -> Measurement:
        return measurement(activation, seed, swapped=1)


class NoNumber(Fake):
    name = "fake-nan"

    def end(self, activation: Activation, seed: int) -> Measurement:
        return replace(measurement(activation, seed), score=float("nan"))


class Words(Fake):
    name = "fake-words"

    def end(self, activation: Activation, seed: int) -> Measurement:
        return replace(measurement(activation, seed), score="abc")  # type: ignore[arg-type]


class WordsOnTheWay(Fake):
    name = "fake-curves"

    def end(self, activation: Activation, seed: int) -> Measurement:
        raise Diverged("loss is nan at step 2", {"train_loss": "abc"})  # type: ignore[dict-item]


@dataclass(frozen=True)
class RatedRecipe(Recipe):
    """One with a learning rate and a field that came later."""

    lr: float = 0.1
    held_out: int = field(default=0, metadata=ADDED_LATER)


class Rated(Fake):
    """Validates best at 0.1 under ReLU, at 0.2 under GELU, tests the better the higher the rate, and diverges at 0.4.

    Under SiLU it diverges at every rate, under ELU its trials crash.
    """

    name = "fake-rated"

    def __init__(self) -> None:
        super().__init__()
        selection = Selection("valid_accuracy", higher_is_better=True, recipe={"held_out": 7})
        self.spec = replace(self.spec, recipes={"smoke": RatedRecipe()}, selection=selection)

    def run(self, activation: Activation, seed: int, recipe: Recipe, context: Context) -> Measurement:
        assert isinstance(recipe, RatedRecipe)
        assert (recipe.held_out == 7) == (seed >= 1000), "trials hold out, evaluations do not"
        measured = super().run(activation, seed, recipe, context)
        if recipe.lr > 0.3 or activation.name == "silu":
            raise Diverged("loss is nan at step 2")
        if activation.name == "elu" and recipe.held_out:
            raise KeyError("elu")
        distance = abs(math.log2(recipe.lr / (0.2 if activation.name == "gelu" else 0.1)))
        score = measured.score + 10 * recipe.lr
        numbers = {"test_accuracy": score, "valid_accuracy": 70.0 - distance + 0.1 * (seed - 1000)}
        times: dict[str, Any] = dict.fromkeys(("train_seconds", "train_cpu_seconds", "eval_seconds"), 1e-5)
        return replace(measured, score=score, metrics=numbers, curves={"train_loss": [1.0, 0.5]}, **times)


KINDS = (
    *(Fake, Diverges, Kills, Sleeps, Misses, Absent, Fills, Breaks, Leaves, NoNumber, Words, WordsOnTheWay),
    *(Rated, Batched, Forgets, Falls),
)
for kind in KINDS:
    register_task(kind())
