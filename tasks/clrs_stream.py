"""What a CLRS run takes from its seed, in the order in which it takes it: drawn in line, or ahead by another process.

The samplers are Python loops over small arrays. Beside a GPU that is busy they can be the slower half of a step, so
there a seed's stream is drawn by a process of its own, a few batches ahead, as far as there are cores for it. A CPU
worker has no idle core to give: there the same stream is drawn in line.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from tasks import clrs_data
from tasks.base import TaskError
from tasks.signals import interrupts_held

if TYPE_CHECKING:
    from tasks.clrs30 import Recipe

AHEAD = 10
"""Batches that lie ready at most, two rounds of the five training lengths, since the long ones take longer."""


class SamplerError(TaskError):
    """The process that draws a stream failed or went away."""


@dataclass(frozen=True)
class Opening:
    """The first thing in a stream."""

    key: int
    """Seed of the jax key that the keys of all steps are split from."""
    spec: Mapping[str, Any]
    """The algorithm's specification, after the changes that the package makes to it."""


@dataclass(frozen=True)
class Failure:
    """The last thing in the stream of a process that failed."""

    reason: str


def validates(recipe: Recipe, step: int) -> bool:
    """Whether a validation follows this step, counted from 1."""
    return step % recipe.eval_every == 0 or step == recipe.steps


def validation_batches(recipe: Recipe) -> int:
    """Batches of one validation."""
    return -(-recipe.val_samples // recipe.batch_size)


def draw(algorithm: str, seed: int, recipe: Recipe) -> Iterator[Any]:
    """Yield an `Opening`, a validation batch that shows the model its sizes, then the batches of training.

    After the batch of a step that validates come those of its validation. All are drawn from one random state, so this
    order is part of what a seed means.
    """
    import numpy as np

    rng = np.random.RandomState(seed)
    key = rng.randint(2**32)
    train = clrs_data.training_samples(algorithm, recipe.train_lengths, recipe.batch_size, rng)
    validation = clrs_data.validation_samples(algorithm, recipe.val_length, recipe.val_samples, recipe.batch_size, rng)
    yield Opening(int(key), dict(train.spec))
    yield next(validation.batches)
    for step in range(1, recipe.steps + 1):
        yield next(train.batches)
        if validates(recipe, step):
            for _ in range(validation_batches(recipe)):
                yield next(validation.batches)


def ahead_on(device: str) -> bool:
    """Whether streams are drawn ahead beside this device: beside a GPU, where there is a second core to do it."""
    return device.startswith("cuda") and _cores() > 1


@contextlib.contextmanager
def streams(algorithm: str, seeds: Sequence[int], recipe: Recipe, ahead: bool) -> Iterator[list[Iterator[Any]]]:
    """The streams of `seeds`, in order; processes that draw them `ahead` end with the block.

    One core is left to this process and each other one takes one stream, so that at most `cores - 1` processes (and one
    in any case) start up and share the memory, each with clrs and jax imported anew. The rest is drawn in line, which
    costs every step the sampling of those seeds; it runs while the GPU works on the step before. A stream is the same
    either way.
    """
    processes = max(1, _cores() - 1) if ahead else 0
    with contextlib.ExitStack() as stack:
        far = [stack.enter_context(Ahead(algorithm, seed, recipe)) for seed in seeds[:processes]]
        yield [*far, *(draw(algorithm, seed, recipe) for seed in seeds[processes:])]


class Ahead:
    """A stream that another process draws; use it in a `with` block, which ends that process.

    The process writes to a pipe that nobody else holds: it stops at its next batch if this process dies in any way.
    """

    def __init__(self, algorithm: str, seed: int, recipe: Recipe) -> None:
        command, pipe = [sys.executable, "-m", "tasks.clrs_sampler"], subprocess.PIPE
        with interrupts_held():
            self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, env=os.environ | _environment())
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # it died at once; the reader will say so
            pickle.dump((algorithm, seed, recipe), self._process.stdin)
            self._process.stdin.close()
        self._ready: queue.Queue[Any] = queue.Queue(AHEAD)
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    def __iter__(self) -> Ahead:
        return self

    def __next__(self) -> Any:
        """The next item of the stream.

        Raises:
            SamplerError: the process failed, was killed, or has no more.
        """
        item = self._ready.get()
        if isinstance(item, Failure):
            self._ready.put(item)  # whoever asks again gets the same answer
            raise SamplerError(f"The process that samples CLRS batches {item.reason}.")
        return item

    def __enter__(self) -> Ahead:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        while self._reader.is_alive():  # it may wait for room
            with contextlib.suppress(queue.Empty):
                self._ready.get(timeout=0.01)
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self, pipe: IO[bytes]) -> None:
        item: Any = None
        while not isinstance(item, Failure):
            try:
                item = pickle.load(pipe)
            except (EOFError, OSError, pickle.UnpicklingError):  # a killed process stops in the middle of an item
                item = Failure(f"ended with status {self._process.wait()}")
            self._ready.put(item)


def _environment() -> dict[str, str]:
    """A sampler takes one core and leaves the GPU alone; it finds its modules where this process does."""
    here = os.pathsep.join(path for path in sys.path if path)
    return {"JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", "PYTHONPATH": here}


def _cores() -> int:
    """Cores that this process may use; a worker's share of the machine is told to it as OMP_NUM_THREADS."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    share = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, int(share)) if share.isdecimal() and int(share) > 0 else cores
