"""Where the time of a CLRS training goes: instruments for `clrs_speed.py`, put around the package's and our functions.

Importing this file imports clrs: the caller has said before with how much of tensorflow.
"""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
from clrs._src.baselines import BaselineModel


class Pace(NamedTuple):
    """Speed of one training loop."""

    warm: float
    """Steps a second by the median step of those that neither compiled nor validated."""
    warm_cpu: float
    """The same by processor time."""
    whole: float
    """Steps a second from the first step to the last, compilations and validations among them."""
    compiled: int
    """Steps that had to wait for a compilation."""
    first_loss: float


class Meter:
    """Notes when each training step begins, and whether a compilation or a validation falls before the next."""

    def __init__(self) -> None:
        self._begun: list[tuple[float, float]] = []
        self._losses: list[Any] = []
        self._disturbed: set[int] = set()
        self._compiled: set[int] = set()
        jax.monitoring.register_event_duration_secs_listener(self._heard)
        patched: Any = BaselineModel
        feedback, predict = patched.feedback, patched.predict

        def noted(model: Any, *arguments: Any, **named: Any) -> Any:
            self._begun.append((time.perf_counter(), time.process_time()))
            loss = feedback(model, *arguments, **named)
            self._losses.append(loss if len(self._begun) == 1 else None)
            return loss

        def disturbing(model: Any, *arguments: Any, **named: Any) -> Any:
            self._disturbed.add(len(self._begun))
            return predict(model, *arguments, **named)

        patched.feedback, patched.predict = noted, disturbing

    def pace(self) -> Pace:
        """What was seen since the start."""
        pairs = list(zip(self._begun, self._begun[1:], strict=False))
        gaps = [tuple(b - a for a, b in zip(*pair, strict=True)) for pair in pairs]
        apart = self._disturbed | self._compiled
        warm = [gap for step, gap in enumerate(gaps, 1) if step not in apart]
        wall, cpu = (statistics.median(column) for column in zip(*warm, strict=True))
        whole = len(gaps) / (self._begun[-1][0] - self._begun[0][0])
        return Pace(1 / wall, 1 / cpu, whole, len(self._compiled), float(self._losses[0]))

    def _heard(self, event: str, duration_secs: float, **_: str | int) -> None:
        if "backend_compile" in event and duration_secs > 0.1:  # less is an operation of its own, not a step
            self._compiled.add(len(self._begun))


class Shares:
    """Seconds spent in named parts of a cell; a part inside another counts for itself alone."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)
        self._inner = [0.0]

    def around(self, owner: Any, name: str, part: str) -> None:
        """Count what `owner.name` takes as `part`."""
        setattr(owner, name, self.counted(getattr(owner, name), part))

    def counted(self, call: Callable[..., Any], part: str) -> Callable[..., Any]:
        """The same function, its time counted as `part`."""

        def timed(*arguments: Any, **named: Any) -> Any:
            begun = time.perf_counter()
            self._inner.append(0.0)
            try:
                return call(*arguments, **named)
            finally:
                taken = time.perf_counter() - begun
                self.seconds[part] += taken - self._inner.pop()
                self.calls[part] += 1
                self._inner[-1] += taken

        return timed

    def stream(self, draw: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
        """The same generator function: its first item counts as building the samplers, the others as sampling."""

        def timed(*arguments: Any) -> Iterator[Any]:
            items = draw(*arguments)
            yield self.counted(next, "samplers built")(items)
            following = self.counted(next, "sampling")
            while (item := following(items, None)) is not None:
                yield item

        return timed

    def take(self) -> dict[str, float]:
        """The seconds since the last call of this."""
        taken, self.seconds = dict(self.seconds), defaultdict(float)
        return taken
