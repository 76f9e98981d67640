"""Which functions of the catalogue a search has found again: those are no finds."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from activations import get, names
from activations.trace import TraceError
from mining.identity import Known
from mining.sample import SampleError

if TYPE_CHECKING:
    from activations import Graph

PROMOTED = "mined-"
"""How the names begin under which `mining.promote` registers functions."""


def promoted_name(found: str) -> str:
    """The name of a function with this hash once it is promoted: the same in every run."""
    return f"{PROMOTED}{found[:8]}"


def rediscovered(graph: Graph) -> str | None:
    """The name of the registered function that this one is, or None where it is new.

    A function that is registered under the very name which its promotion gives it stays new, so that a run can be
    reported and promoted again.
    """
    name = catalogue_name(graph)
    return None if name == promoted_name(graph.hash) else name


def catalogue_name(graph: Graph) -> str | None:
    """The name of the registered activation that is the same function; None where there is none.

    Pointwise functions without parameters are compared by values and slopes (`mining.identity`), all others by hash.
    The first call traces the whole catalogue, which takes some seconds.
    """
    by_hash, known = _catalogue(tuple(names()))
    if graph.hash in by_hash:
        return by_hash[graph.hash]
    if not _comparable(graph):
        return None
    try:
        found = known.find(graph)
    except SampleError:
        return None
    return None if found is None else by_hash[found]


@lru_cache(maxsize=1)
def _catalogue(registered: tuple[str, ...]) -> tuple[dict[str, str], Known]:
    """Names by hash, and what can be compared closely; promoted functions come last, so that another name of the same
    function goes first.
    """
    by_hash: dict[str, str] = {}
    known = Known()
    for name in sorted(registered, key=lambda name: (name.startswith(PROMOTED), name)):
        try:
            graph = get(name).graph
            if _comparable(graph):
                known.add(graph)
        except (TraceError, SampleError):  # a user's own function that no search could find
            continue
        by_hash.setdefault(graph.hash, name)
    return by_hash, known


def _comparable(graph: Graph) -> bool:
    return graph.pointwise and not graph.parameters
