"""Seconds spent in stretches of a run, by the clock on the wall and by the processor."""

from __future__ import annotations

import time


class Stopwatch:
    """Counts what runs inside its `with` blocks, one after the other.

    Processor time is that of all threads of this process. Other work on the machine stretches the clock's time and
    hardly this one, so it is what cells on a CPU are compared by.
    """

    def __init__(self) -> None:
        self.wall = 0.0
        """Seconds by the clock."""
        self.cpu = 0.0
        """Seconds of processor time."""

    def __enter__(self) -> Stopwatch:
        self.wall -= time.perf_counter()
        self.cpu -= time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall += time.perf_counter()
        self.cpu += time.process_time()
