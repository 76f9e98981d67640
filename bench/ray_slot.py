"""The driver's side of an actor of the Ray cluster: hand it a job, hear from it, let go of it when it is lost."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, overload

from bench.devices import Lane
from bench.messages import Assignment, Lost, Progress
from bench.pool import Conditions, Message, Slot
from bench.queue import Job
from bench.ray_cluster import why
from bench.ray_worker import Greeting


class RaySlot(Slot):
    """An actor of the cluster, with a worker process beside it; without an actor a job waits for one."""

    def __init__(self, lane: Lane, conditions: Conditions, retire: Callable[[RaySlot], None]) -> None:
        super().__init__(lane, conditions)
        self.post: Any = None
        """The actor, None where there is none (yet)."""
        self.greeting: Greeting | None = None
        """Where the actor is, None until there is one."""
        self.call: Any = None
        """Ray's promise of the next message, None where none is due."""
        self.due = False
        """Whether that promise is known to be kept."""
        self._retire = retire
        self._heard = False
        """Whether the actor has said that it got the job."""

    @property
    def home(self) -> str | None:
        """Ray's name of the actor's node, None where there is no actor."""
        return self.greeting.home if self.greeting and self.post is not None else None

    def attach(self, post: Any, greeting: Greeting) -> None:
        """Take an actor that has come up, and hand it the job that waited for it."""
        self.post, self.greeting = post, greeting
        if self.job is not None:
            self._hand_over(self.job)

    def hear(self) -> Message | None:
        """See `Slot.hear`; time limits are kept on the node."""
        if not self.due:
            return None
        import ray

        call, self.call, self.due = self.call, None, False
        try:
            message: Message | None = ray.get(call)
        except ray.exceptions.RayError as error:
            self.drop()
            return self._lost(why(error))
        self._heard = True
        if message is None or isinstance(message, Progress):
            self.progress = message or self.progress
            self.call = self.post.hear.remote()
        return message

    def finish(self, keep_worker: bool) -> None:
        """See `Slot.finish`."""
        super().finish(keep_worker)
        if self.post is None:
            self._retire(self)

    def stop(self) -> None:
        """See `Slot.stop`; an actor that is amid a job goes along."""
        self.task = None
        if self.call is not None:
            self.drop()
        elif self.post is not None:
            self.post.stop.remote()

    def _spawn(self, job: Job) -> None:
        """Nothing: the node starts the process when it gets the job."""

    def _send(self, assignment: Assignment) -> None:
        if self.post is not None and self.job is not None:
            self._hand_over(self.job)

    def _hand_over(self, job: Job) -> None:
        self._heard = False
        self.call = self.post.run.remote(_bare(job))

    def _lost(self, reason: str) -> Lost:
        origin = None if self.greeting is None else self.greeting.origin
        (report, *_) = self._given_up("crashed", reason).reports
        return Lost(reason, self._heard, replace(report, origin=origin))

    def drop(self) -> None:
        """Let go of the actor, whatever it is doing."""
        import ray

        with contextlib.suppress(ray.exceptions.RayError):
            ray.kill(self.post)  # one that cannot be reached may be alive all the same, and busy with what is run again
        self.post = self.call = self.task = None
        self.due = False


class Slots(Sequence[RaySlot]):
    """The slots that there are at the moment; going through them bears that some come and go meanwhile."""

    def __init__(self) -> None:
        self._held: list[RaySlot] = []

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[RaySlot]:
        return iter(tuple(self._held))

    @overload
    def __getitem__(self, index: int) -> RaySlot: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[RaySlot]: ...
    def __getitem__(self, index: int | slice) -> RaySlot | Sequence[RaySlot]:
        return self._held[index]

    def add(self, slot: RaySlot) -> None:
        """One more."""
        self._held.append(slot)

    def remove(self, slot: RaySlot) -> None:
        """One less."""
        self._held.remove(slot)


def _bare(job: Job) -> Job:
    """The job as data: without the author's function, and without recipes, whose classes may be a plugin's."""
    from activations import Activation

    first = job.cells[0]
    activation = Activation.from_graph(first.activation.name, first.activation.graph, first.activation.formula)
    spec = replace(first.task, recipes={})
    return Job(tuple(replace(cell, task=spec, activation=activation) for cell in job.cells))
