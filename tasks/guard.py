"""Guards against scoring a network that diverged: every loss and every final parameter must be finite."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tasks.base import Diverged

if TYPE_CHECKING:
    import torch
    from torch import nn

CURVE_POINTS = 200
GPU_CHECK_INTERVAL = 20
"""Steps between two looks at the losses on a GPU, where each look waits for the device."""


class LossLog:
    """The training loss of every step, watched for non-finite values and thinned to a curve at the end."""

    def __init__(self, steps: int, device: torch.device) -> None:
        import torch

        self._losses = torch.zeros(steps, device=device)
        self._interval = GPU_CHECK_INTERVAL if device.type == "cuda" else 1
        self.steps = steps
        self.done = 0
        self.latest = math.nan
        """Loss at the last look; at most `GPU_CHECK_INTERVAL` steps old."""

    def add(self, loss: torch.Tensor) -> None:
        """Append one step's scalar loss.

        Raises:
            Diverged: a loss since the last look is infinite or NaN.
        """
        self._losses[self.done] = loss.detach()
        self.done += 1
        if self.done % self._interval == 0 or self.done == self.steps:
            self._look()

    def curve(self, points: int = CURVE_POINTS) -> list[float]:
        """Mean losses of up to `points` equal windows of the finite steps done so far, oldest first."""
        losses = self._losses[: self.done].double().cpu()
        finite = losses.isfinite()
        if not finite.all():
            losses = losses[: int((~finite).nonzero()[0])]
        window = max(1, math.ceil(self.steps / points))
        return [chunk.mean().item() for chunk in losses.split(window)] if len(losses) else []

    def _look(self) -> None:
        self.latest = self._losses[self.done - 1].item()
        recent = self._losses[max(0, self.done - self._interval) : self.done]
        finite = math.isfinite(self.latest) if self._interval == 1 else bool(recent.isfinite().all())
        if not finite:
            step = int((~self._losses[: self.done].isfinite()).nonzero()[0]) + 1
            raise Diverged(f"the training loss was not finite at step {step} of {self.steps}", self.curves())

    def curves(self) -> dict[str, list[float]]:
        """The curve under its name in a record."""
        return {"train_loss": self.curve()}


def check_finite(name: str, value: float, curves: Mapping[str, Sequence[float]] | None = None) -> float:
    """Give `value` back.

    Raises:
        Diverged: it is infinite or NaN.
    """
    if not math.isfinite(value):
        raise Diverged(f"{name} is not finite", curves)
    return value


def check_parameters(model: nn.Module, curves: Mapping[str, Sequence[float]] | None = None) -> None:
    """Look at every parameter and buffer (running statistics count: evaluation uses them).

    Raises:
        Diverged: one of them holds an infinity or a NaN.
    """
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise Diverged(f"{name} is not finite after training", curves)
