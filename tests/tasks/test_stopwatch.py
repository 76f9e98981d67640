"""Time inside the blocks counts, time between them does not."""

from __future__ import annotations

import time

from tasks.stopwatch import Stopwatch


def test_blocks_add_up_and_what_lies_between_does_not_count() -> None:
    stopwatch = Stopwatch()
    for _ in range(2):
        with stopwatch:
            sum(range(200_000))
        counted = stopwatch.wall, stopwatch.cpu
        time.sleep(0.05)
        assert (stopwatch.wall, stopwatch.cpu) == counted
    assert stopwatch.wall > 0
    assert stopwatch.cpu > 0


def test_waiting_takes_time_by_the_clock_and_none_of_the_processor() -> None:
    with Stopwatch() as stopwatch:
        time.sleep(0.2)
    assert stopwatch.wall >= 0.19
    assert stopwatch.cpu < 0.1
