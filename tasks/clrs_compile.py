"""Tells the time in which jax made programs from the time in which they ran.

A worker keeps its programs for further seeds, so what is spent on them would make a cell's cost depend on which cells
came before it. Importing this file imports jax: import it as `tasks.clrs_model` says.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from jax import monitoring

from tasks.stopwatch import Stopwatch

LOWERED = "/jax/core/compile/jaxpr_to_mlir_module_duration"
"""What jax reports once for each program that it makes, be it compiled or read from the cache on disk."""

_made = 0


def _count(event: str, duration_secs: float, **_: str | int) -> None:
    global _made
    _made += event == LOWERED


monitoring.register_event_duration_secs_listener(_count)


def hears() -> bool:
    """Whether jax has told of any program yet: another version of it may report them by another name."""
    return _made > 0


@contextmanager
def if_compiled(stopwatch: Stopwatch) -> Iterator[None]:
    """Count this block on `stopwatch`, but only where jax makes a program in it.

    Where jax hands its work over and does not wait, the run of that program does not count, and what is still running
    from the step before does.
    """
    before, wall, cpu = _made, stopwatch.wall, stopwatch.cpu
    with stopwatch:
        yield
    if _made == before:
        stopwatch.wall, stopwatch.cpu = wall, cpu
