"""Shapes of CLRS batches: hints take as many steps as the longest trajectory, and every new number is compiled anew.

A sampler pads its batches to the longest trajectory of its length so far, which grows now and then through a run, and
is another one for every seed. The package's masks leave padded steps out of losses and outputs.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

GROWTH = 4
"""When trajectories of a length turn out longer than those before, room is made up to the next multiple of this."""


class Room:
    """How many hint steps batches have room for: for each kind and size, those of the longest batch so far."""

    def __init__(self) -> None:
        self._steps: dict[tuple[str, int], int] = {}

    def fit(self, kind: str, feedbacks: list[Any]) -> list[Any]:
        """Pad the hints of batches of one size to a common number of steps."""
        key = kind, _nodes(feedbacks[0])
        needed, room = max(hint_steps(feedback) for feedback in feedbacks), self._steps.get(key, 0)
        if needed > room:
            self._steps[key] = room = -(-needed // GROWTH) * GROWTH if room else needed
        return [padded(feedback, room) for feedback in feedbacks]


def padded(feedback: Any, steps: int) -> Any:
    """A batch whose hints, (time, batch, ...), go on with zeros up to `steps` steps, as the package's own padding."""
    more = steps - hint_steps(feedback)
    if more == 0:
        return feedback

    def pad(leaf: Any) -> Any:
        array = np.asarray(leaf)
        return np.concatenate([array, np.zeros((more, *array.shape[1:]), array.dtype)])

    hints = jax.tree_util.tree_map(pad, feedback.features.hints)
    return feedback._replace(features=feedback.features._replace(hints=hints))


def hint_steps(feedback: Any) -> int:
    """Hint steps that a batch has room for."""
    return int(feedback.features.hints[0].data.shape[0])


def _nodes(feedback: Any) -> int:
    (position,) = (point for point in feedback.features.inputs if point.name == "pos")
    return int(position.data.shape[1])
