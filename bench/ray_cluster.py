"""The Ray cluster of a run: connect to it or start one, and see how many cells it has room for."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bench.devices import Lane, gpu_lane, lanes
from bench.errors import UsageError
from bench.provenance import cores
from bench.worker import scrub

INSTALL = "run `pip install -e '.[ray]' -c constraints.txt` in the checkout"


@dataclass(frozen=True)
class Cluster:
    """Which cluster, and how much of it."""

    address: str | None
    """Of its head, as Ray takes it; None for `RAY_ADDRESS`, or one of this machine alone that ends with the run."""
    device: str
    """`cpu` or `cuda`."""
    workers: int | None = None
    """Cells at a time; None for as many as there is room for, also on nodes that join later."""
    gpu_share: float = 1.0
    """Part of a GPU that a worker takes."""

    def __post_init__(self) -> None:
        """Check what the user asked for.

        Raises:
            UsageError: it makes no sense.
        """
        if self.device not in ("cpu", "cuda"):
            raise UsageError(f"--engine ray chooses the GPUs itself: --device is cpu or cuda, not {self.device!r}")
        if self.workers is not None and self.workers < 1:
            raise UsageError(f"--workers must be at least 1, not {self.workers}")
        if not 0 < self.gpu_share <= 1:
            raise UsageError(f"--gpu-share is above 0 and at most 1, not {self.gpu_share:g}")

    @property
    def gpus(self) -> float:
        """GPUs that a worker takes."""
        return self.gpu_share if self.device == "cuda" else 0

    def lane(self) -> Lane:
        """The lane of every worker: one thread on a CPU, on GPUs an equal share of their node's cores.

        Which GPU is said by Ray, to the actor on the node.
        """
        if self.device == "cpu":
            return lanes("cpu", 1)[0]
        shares = [int(node["CPU"] // self._shares(node)) for node in _nodes() if self._shares(node)]
        lane = gpu_lane("", max(1, min(shares, default=1)))
        return replace(lane, environment={k: v for k, v in lane.environment.items() if k != "CUDA_VISIBLE_DEVICES"})

    def room(self, lane: Lane) -> int:
        """How many cells at a time all living nodes can take, were they free of other work."""
        return sum(self._on(node, lane) for node in _nodes())

    def no_room(self, lane: Lane) -> str:
        """Why there is no room, and what to do."""
        if self.device == "cuda" and not any(node["GPU"] for node in _nodes()):
            return "no node of the Ray cluster has a GPU: use --device cpu, or add a node that has one"
        return f"no node of the Ray cluster is large enough for a cell, which takes {self.needs(lane)}: add one that is"

    def needs(self, lane: Lane) -> str:
        """What a worker takes, in words."""
        threads = "1 CPU" if lane.threads == 1 else f"{lane.threads} CPUs"
        return threads if self.device == "cpu" else f"{threads} and {self.gpus:g} of a GPU"

    def _on(self, node: Mapping[str, float], lane: Lane) -> int:
        by_cpu = int(node["CPU"] // lane.threads)
        return by_cpu if self.device == "cpu" else min(by_cpu, self._shares(node))

    def _shares(self, node: Mapping[str, float]) -> int:
        """Workers that the GPUs of a node can take; one never spans two."""
        return int(node["GPU"]) * int(1 / self.gpu_share + 1e-9)


def connect(cluster: Cluster) -> None:
    """Become a driver of the cluster, or start one on this machine where none is named.

    Raises:
        UsageError: Ray is not installed, or no cluster answers.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would send what it finds on the machine to its makers
    try:
        import ray
    except ImportError:
        raise UsageError(f"--engine ray needs Ray: {INSTALL}") from None
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    address = cluster.address or os.environ.get("RAY_ADDRESS")
    if not address:
        cpus = max(cores(), cluster.workers or 1) if cluster.device == "cpu" else cores()
        ray.init("local", num_cpus=cpus, include_dashboard=False, **quiet)
        return
    try:
        _knock(address)
        ray.init(address, **quiet)
    except (OSError, RuntimeError, ValueError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UsageError(
            f"no Ray cluster answers at {address} ({first}): start one with `ray start --head`, "
            "and give it and this run the same RAY_AUTH_MODE and RAY_AUTH_TOKEN"
        ) from None


def living() -> frozenset[str]:
    """Ray's names of the nodes that are alive, as far as it has noticed."""
    import ray

    return frozenset(node["NodeID"] for node in ray.nodes() if node["Alive"])


def why(error: Exception) -> str:
    """In few words, out of Ray's long texts: a traceback on the node ends with what went wrong."""
    import ray

    if isinstance(error, ray.exceptions.RayActorError) and not error.actor_init_failed:
        return "its node, or Ray's actor there, is gone"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return scrub(lines[-1])[:200] if lines else type(error).__name__


def _knock(address: str) -> None:
    """Find out within seconds whether anybody listens there; Ray itself would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


def _nodes() -> Iterator[Mapping[str, float]]:
    """CPUs and GPUs of each living node."""
    import ray

    for node in ray.nodes():
        if node["Alive"]:
            yield {kind: node["Resources"].get(kind, 0.0) for kind in ("CPU", "GPU")}
