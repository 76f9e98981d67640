"""The node's side of the Ray engine: an actor that keeps one local worker process and tells the driver what it says.

The cell never runs in the actor's own process: Ray has threads, signal handlers and numerical libraries in it. A
process of its own, started as on one machine, gets its thread counts before anything is imported, may die or be killed
without taking the actor along, and ends when the actor does. So a crash of a cell is an answer, and only a lost node or
actor loses one.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import wait
from pathlib import Path

from bench import provenance
from bench.devices import Lane
from bench.messages import Answer, Origin, Progress, Skipped
from bench.pool import Conditions, LocalSlot, Message
from bench.queue import Job

PROGRESS_EVERY = 2.0
"""Seconds after which the driver is told how far a cell is; hundreds of nodes talk to one driver."""
TICK = 0.25
"""Seconds between two looks at a cell's time limit."""


@dataclass(frozen=True)
class Greeting:
    """What an actor says of the node that it came up on."""

    node: str
    """Its address."""
    home: str
    """Ray's name of it, under which it is listed as alive or not."""
    origin: Origin


class Post:
    """One lane of a node; Ray makes an actor of it.

    Args:
        lane: device, threads and environment of its workers; which GPU they see is said by Ray's own environment.
        conditions: as the driver knows them.
    """

    def __init__(self, lane: Lane, conditions: Conditions) -> None:
        self._conditions = _on_this_node(conditions)
        self._slot = LocalSlot(lane, self._conditions)
        self._origin = provenance.here()
        self._address = _address()

    def greet(self) -> Greeting:
        """Say where this is, and what is installed there."""
        return Greeting(self._address, _home(), self._origin)

    def run(self, job: Job) -> Message | None:
        """Start a job, and say so at once: a driver that hears nothing knows that it did not begin."""
        missing = self._missing()
        if missing is not None:
            return missing
        with _nameless_main():
            self._slot.start(job)
        return None

    def hear(self) -> Message | None:
        """How the job ended, as soon as it has; else, a little later, how far it is, None where it has not said."""
        due = time.monotonic() + PROGRESS_EVERY
        last: Progress | None = None
        while time.monotonic() < due:
            wait([self._slot.waitable], TICK)
            message = self._slot.hear()
            if isinstance(message, Progress):
                last = message
            elif message is not None:
                return self._ended(message)
        return last

    def stop(self) -> None:
        """End the worker."""
        self._slot.stop()

    def _ended(self, message: Message) -> Message:
        self._slot.finish(keep_worker=isinstance(message, Answer) and not message.fatal)
        if isinstance(message, Answer):
            return replace(message, reports=tuple(replace(each, origin=self._origin) for each in message.reports))
        if isinstance(message, Skipped):
            return Skipped(f"{message.reason} (on the node {self._address})")
        return message

    def _missing(self) -> Skipped | None:
        """What the driver has and this node does not."""
        for plugin in self._conditions.plugins:
            if not plugin.is_file():
                return Skipped(f"the node {self._address} has no file {plugin}: put plugins at one path on every node")
        return None


def _on_this_node(conditions: Conditions) -> Conditions:
    """The driver's conditions with the folders of this node: its copy of the data, its own logs and programs."""
    data, here = conditions.data, os.environ.get("ACTIVATION_BENCH_DATA")
    if here and not (data and data.is_dir()):
        data = Path(here)
    own = _own_folder()
    return replace(conditions, data=data, logs=own / "logs", programs=own / "programs")


def _own_folder() -> Path:
    """A folder of this user alone, since what jax compiled is executed from there."""
    folder = Path(tempfile.gettempdir()) / f"activation-bench-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    state = folder.lstat()
    if state.st_uid != os.getuid() or state.st_mode & 0o022:
        return Path(tempfile.mkdtemp(prefix="activation-bench-"))
    return folder


def _address() -> str:
    import ray

    return ray.util.get_node_ip_address()


def _home() -> str:
    import ray

    name: str = ray.get_runtime_context().get_node_id()
    return name


@contextmanager
def _nameless_main() -> Iterator[None]:
    """A spawned process imports the main module of its parent, here Ray's own script, unless that has no file."""
    main = sys.modules["__main__"]
    file = main.__dict__.pop("__file__", None)
    try:
        yield
    finally:
        if file is not None:
            main.__file__ = file
