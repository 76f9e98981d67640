"""Workers on many machines (`--engine ray`): each slot is an actor of a Ray cluster; the records are written here.

Ray finds the room: as many actors are asked for as cells are to run at a time, and each becomes a slot once it has come
up on a node. Those that find no room wait for a node that joins. What is lost with a node or an actor is told to the
runner as `Lost`, which hands its cells to another slot.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, overload

from bench import provenance
from bench.devices import Lane
from bench.errors import UsageError
from bench.messages import Assignment, Lost, Origin, Progress
from bench.pool import Conditions, Message, Slot
from bench.queue import Job
from bench.ray_cluster import Cluster, connect
from bench.worker import scrub

LOOK_EVERY = 5.0
"""Seconds between two looks at what the cluster has room for."""
PATIENCE = 30.0
"""Seconds without any room after which the user is told."""


class RaySlot(Slot):
    """An actor of the cluster, with a worker process beside it; without an actor a job waits for one."""

    def __init__(self, lane: Lane, conditions: Conditions, retire: Callable[[RaySlot], None]) -> None:
        super().__init__(lane, conditions)
        self.post: Any = None
        """The actor, None where there is none (yet)."""
        self.call: Any = None
        """Ray's promise of the next message, None where none is due."""
        self.due = False
        """Whether that promise is known to be kept."""
        self._retire = retire

    def attach(self, post: Any) -> None:
        """Take an actor that has come up, and hand it the job that waited for it."""
        self.post = post
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
            self._drop()
            return Lost(_why(error))
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
            self._drop()
        elif self.post is not None:
            self.post.stop.remote()

    def _spawn(self, job: Job) -> None:
        """Nothing: the node starts the process when it gets the job."""

    def _send(self, assignment: Assignment) -> None:
        if self.post is not None and self.job is not None:
            self._hand_over(self.job)

    def _hand_over(self, job: Job) -> None:
        self.call = self.post.run.remote(_bare(job))

    def _drop(self) -> None:
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


class RayEngine:
    """Workers of a Ray cluster; connects to it, or starts one, when it is made.

    Raises:
        UsageError: Ray is not installed, no cluster answers, or it has no room for a single cell.
    """

    def __init__(self, cluster: Cluster, conditions: Conditions, say: Callable[[str], None] | None = None) -> None:
        self._cluster = cluster
        self._say = say or _to_user
        data = conditions.data and conditions.data.resolve()
        plugins = tuple(plugin.resolve() for plugin in conditions.plugins)
        self._conditions = replace(conditions, data=data, plugins=plugins)
        self._slots = Slots()
        self._greetings: dict[Any, Any] = {}
        """Actors that have not come up yet, by the promise of their greeting."""
        self._refused: list[Any] = []
        """Actors on nodes with another commit; they stay, so that Ray puts no other there."""
        self._origin = provenance.here()
        connect(cluster)
        self.lane = cluster.lane()
        self.wanted = cluster.workers or cluster.room(self.lane)
        """Cells at a time, for now."""
        if not self.wanted:
            self.close()
            raise UsageError(f"no node of the Ray cluster has room for a cell, which takes {cluster.needs(self.lane)}")
        self._next_look = self._alarm = 0.0

    def open(self) -> Slots:
        """See `Engine.open`; one slot is there at once, and waits for its actor."""
        self._alarm = time.monotonic() + PATIENCE
        self._slots.add(self._slot())
        self._look()
        return self._slots

    def wait(self, seconds: float) -> None:
        """See `Engine.wait`; also the place where actors that have come up become slots."""
        import ray

        if time.monotonic() >= self._next_look:
            self._look()
        talking = {slot.call: slot for slot in self._slots if slot.call is not None}
        calls = [*talking, *self._greetings]
        if not calls:
            time.sleep(seconds)
            return
        if ray.wait(calls, timeout=seconds, fetch_local=False)[0]:
            for call in ray.wait(calls, num_returns=len(calls), timeout=0, fetch_local=False)[0]:
                if call in talking:
                    talking[call].due = True
                else:
                    self._greeted(call)

    def close(self) -> None:
        """See `Engine.close`."""
        import ray

        posts = [slot.post for slot in self._slots if slot.post is not None]
        for post in (*posts, *self._greetings.values(), *self._refused):
            with contextlib.suppress(ray.exceptions.RayError):
                ray.kill(post)
        ray.shutdown()

    def _look(self) -> None:
        """Ask for as many actors as there is room for by now."""
        self._next_look = time.monotonic() + LOOK_EVERY
        self.wanted = self._cluster.workers or self._cluster.room(self.lane)
        have = sum(slot.post is not None for slot in self._slots) + len(self._greetings) + len(self._refused)
        for _ in range(self.wanted - have):
            post = self._hire()
            self._greetings[post.greet.remote()] = post
        if all(slot.post is None for slot in self._slots) and time.monotonic() > self._alarm:
            self._alarm = float("inf")
            needs = self._cluster.needs(self.lane)
            self._say(f"Waiting for a node of the Ray cluster with room for a cell, which takes {needs}.")

    def _hire(self) -> Any:
        import ray

        from bench.ray_worker import Post

        remote: Any = ray.remote(Post)
        wanted = remote.options(num_cpus=self.lane.threads, num_gpus=self._cluster.gpus, max_restarts=0)
        return wanted.remote(self.lane, self._conditions)

    def _greeted(self, call: Any) -> None:
        """Make a slot of an actor that has come up, or give it to the slot that waits for one."""
        import ray

        post = self._greetings.pop(call)
        try:
            greeting = ray.get(call)
        except ray.exceptions.RayActorError as error:
            if error.actor_init_failed:
                why = f"a node of the Ray cluster cannot run cells ({_why(error)})"
                raise UsageError(f"{why}: install the suite there, at the driver's commit") from None
            return  # its node is gone already; another is asked for at the next look
        if greeting.origin.commit != self._origin.commit:
            self._refuse(post, greeting.node, greeting.origin)
            return
        for slot in self._slots:
            if slot.post is None:
                slot.attach(post)
                return
        slot = self._slot()
        slot.attach(post)
        self._slots.add(slot)

    def _refuse(self, post: Any, node: str, origin: Origin) -> None:
        self._refused.append(post)
        theirs, ours = (name and name[:12] for name in (origin.commit, self._origin.commit))
        sentence = f"the node {node} has commit {theirs} of the suite, not {ours}: bring all nodes to one commit"
        if not self._greetings and all(slot.post is None for slot in self._slots):
            raise UsageError(sentence)
        self._say(f"Left out: {sentence}")

    def _slot(self) -> RaySlot:
        return RaySlot(self.lane, self._conditions, self._retired)

    def _retired(self, slot: RaySlot) -> None:
        """A slot has lost its actor; the last one stays, and waits for another."""
        self._alarm = time.monotonic() + PATIENCE
        if len(self._slots) > 1:
            self._slots.remove(slot)


def _bare(job: Job) -> Job:
    """The job as data: without the author's function, and without recipes, whose classes may be a plugin's."""
    from activations import Activation

    first = job.cells[0]
    activation = Activation.from_graph(first.activation.name, first.activation.graph, first.activation.formula)
    spec = replace(first.task, recipes={})
    return Job(tuple(replace(cell, task=spec, activation=activation) for cell in job.cells))


def _why(error: Exception) -> str:
    """In few words, out of Ray's long texts: a traceback on the node ends with what went wrong."""
    import ray

    if isinstance(error, ray.exceptions.RayActorError) and not error.actor_init_failed:
        return "its node, or Ray's actor there, is gone"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return scrub(lines[-1])[:200] if lines else type(error).__name__


def _to_user(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
