"""Workers on many machines (`--engine ray`): each slot is an actor of a Ray cluster; the records are written here.

Ray finds the room: as many actors are asked for as cells are to run at a time, and each becomes a slot once it has come
up on a node. Those that find no room wait for a node that joins. What is lost with a node or an actor is told to the
runner as `Lost`, which hands its cells to another slot.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from bench import provenance
from bench.errors import UsageError
from bench.pool import Conditions
from bench.ray_cluster import Cluster, connect, living, why
from bench.ray_slot import RaySlot, Slots
from bench.ray_worker import Post

LOOK_EVERY = 5.0
"""Seconds between two looks at what the cluster has room for."""
PATIENCE = 30.0
"""Seconds without any room after which the user is told."""


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
        self._refused: dict[Any, str] = {}
        """Actors on nodes with another commit, and which nodes; they stay, so that Ray puts no other there."""
        self._said: set[str] = set()
        self._origin = provenance.here()
        connect(cluster)
        self.lane = cluster.lane()
        self.wanted = cluster.workers or cluster.room(self.lane)
        """Cells at a time, for now."""
        if not self.wanted:
            sentence = cluster.no_room(self.lane)
            self.close()
            raise UsageError(sentence)
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
        alive = living()
        self._drop_dead(alive)
        homes = (*(slot.home for slot in self._slots), *self._refused.values())
        have = sum(home in alive for home in homes) + len(self._greetings)
        for _ in range(self.wanted - have):
            post = self._hire()
            self._greetings[post.greet.remote()] = post
        if all(slot.post is None for slot in self._slots) and time.monotonic() > self._alarm:
            self._alarm = float("inf")
            needs = self._cluster.needs(self.lane)
            self._say(f"Waiting for a node of the Ray cluster with room for a cell, which takes {needs}.")

    def _hire(self) -> Any:
        import ray

        remote: Any = ray.remote(Post)
        wanted = remote.options(num_cpus=self.lane.threads, num_gpus=self._cluster.gpus, max_restarts=0)
        return wanted.remote(self.lane, self._conditions)

    def _greeted(self, call: Any) -> None:
        """Make a slot of an actor that has come up, or give it to the slot that waits for one."""
        import ray

        post = self._greetings.pop(call)
        try:
            greeting = ray.get(call)
        except ray.exceptions.RayError as error:
            self._failed(post, error)
            return
        if greeting.origin.commit != self._origin.commit:
            self._refused[post] = greeting.home
            theirs, ours = (name and name[:12] for name in (greeting.origin.commit, self._origin.commit))
            node = f"the node {greeting.node} has commit {theirs} of the suite, not {ours}"
            self._leave_out(f"{node}: bring all nodes to one commit")
            return
        for slot in self._slots:
            if slot.post is None:
                slot.attach(post, greeting)
                return
        slot = self._slot()
        slot.attach(post, greeting)
        self._slots.add(slot)

    def _failed(self, post: Any, error: Exception) -> None:
        """An actor did not come up; another is asked for at a later look."""
        import ray

        with contextlib.suppress(ray.exceptions.RayError):
            ray.kill(post)  # it may only be out of reach, and would keep its room
        if isinstance(error, ray.exceptions.RayActorError) and not error.actor_init_failed:
            return  # its node is gone already
        self._next_look = time.monotonic() + PATIENCE  # Ray may choose the same node again
        node = f"a node of the Ray cluster cannot run cells ({why(error)})"
        self._leave_out(f"{node}: install the suite there, at the driver's commit")

    def _leave_out(self, sentence: str) -> None:
        """Tell the user of a node that runs nothing, once.

        Raises:
            UsageError: there is no other.
        """
        if not self._greetings and all(slot.post is None for slot in self._slots):
            raise UsageError(sentence)
        if sentence not in self._said:
            self._said.add(sentence)
            self._say(f"Left out: {sentence}")

    def _slot(self) -> RaySlot:
        return RaySlot(self.lane, self._conditions, self._retired)

    def _retired(self, slot: RaySlot) -> None:
        """A slot has lost its actor; the last one stays, and waits for another."""
        self._alarm = time.monotonic() + PATIENCE
        self._remove(slot)
        home = slot.greeting and slot.greeting.home  # Ray may take seconds to notice that all of it is gone
        self._drop_dead(living() - {home})

    def _drop_dead(self, alive: Collection[str]) -> None:
        """Idle actors say nothing when their node goes, and would be handed a job; others are asked for instead."""
        for slot in self._slots:
            if slot.job is None and slot.home is not None and slot.home not in alive:
                slot.drop()
                self._remove(slot)

    def _remove(self, slot: RaySlot) -> None:
        if len(self._slots) > 1:
            self._slots.remove(slot)


def _to_user(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
