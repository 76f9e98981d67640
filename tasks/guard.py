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
"""Steps between two looks at the losses on a GPU. A look must not wait for the device, which would then run out of
work, so it reads a copy that was begun a look earlier."""


class LossLog:
    """The training loss of every step, watched for non-finite values and thinned to a curve at the end."""

    def __init__(self, steps: int, device: torch.device) -> None:
        self._series = _Series(steps, (), device)
        self.steps = steps
        self.latest = math.nan
        """Loss at the last look; on a GPU at most `2 * GPU_CHECK_INTERVAL` steps old."""

    def add(self, loss: torch.Tensor) -> None:
        """Append one step's scalar loss.

        Raises:
            Diverged: a loss is infinite or NaN; on a GPU up to `2 * GPU_CHECK_INTERVAL` steps later, and always by the
                last step.
        """
        recent = self._series.add(loss.detach())
        if recent is None:
            return
        self.latest = recent[-1].item()
        if not (math.isfinite(self.latest) if len(recent) == 1 else bool(recent.isfinite().all())):
            raise Diverged(_not_finite(self._series.held, self.steps), self.curves())

    @property
    def done(self) -> int:
        """Steps so far."""
        return self._series.done

    def curve(self, points: int = CURVE_POINTS) -> list[float]:
        """Mean losses of up to `points` equal windows of the finite steps done so far, oldest first."""
        return _thinned(self._series.held, self.steps, points)

    def curves(self) -> dict[str, list[float]]:
        """The curve under its name in a record."""
        return {"train_loss": self.curve()}


class SeedLosses:
    """The training losses of several seeds, kept as `LossLog` keeps those of one; a seed that diverges ends alone."""

    def __init__(self, steps: int, seeds: int, device: torch.device) -> None:
        self._series = _Series(steps, (seeds,), device)
        self._steps = steps
        self._latest = [math.nan] * seeds
        self.over: dict[int, Diverged] = {}
        """Seeds that diverged; on a GPU known as late as `LossLog.add` says."""

    @property
    def latest(self) -> list[float]:
        """Losses at the last look, of the seeds that go on."""
        return [loss for seed, loss in enumerate(self._latest) if seed not in self.over]

    def add(self, losses: torch.Tensor) -> None:
        """Append one step's losses, shape (seeds,)."""
        recent = self._series.add(losses)
        if recent is None:
            return
        self._latest = recent[-1].tolist()
        for seed, finite in enumerate(recent.isfinite().all(dim=0).tolist()):
            if not finite and seed not in self.over:
                self.over[seed] = Diverged(_not_finite(self._column(seed), self._steps), self.curves(seed))

    def curves(self, seed: int) -> dict[str, list[float]]:
        """The curve of one seed under its name in a record."""
        return {"train_loss": _thinned(self._column(seed), self._steps, CURVE_POINTS)}

    def _column(self, seed: int) -> torch.Tensor:
        return self._series.held[:, seed].contiguous()


class _Series:
    """One tensor of a shape for each step, on the device, and when they are to be looked at."""

    def __init__(self, steps: int, shape: tuple[int, ...], device: torch.device) -> None:
        import torch

        self._values = torch.zeros(steps, *shape, device=device)
        self._on_gpu = device.type == "cuda"
        self._interval = GPU_CHECK_INTERVAL if self._on_gpu else 1
        self._copy: _Copy | None = None
        self.done = 0

    @property
    def held(self) -> torch.Tensor:
        """Those of the steps so far, (steps, ...)."""
        return self._values[: self.done]

    def add(self, value: torch.Tensor) -> torch.Tensor | None:
        """Append one step's, and give the recent ones that are due to be looked at; None where none are."""
        self._values[self.done] = value
        self.done += 1
        if self._interval == 1:
            return self.held[-1:]
        if self.done == len(self._values):
            return self.held[-2 * self._interval :]
        if self.done % self._interval:
            return None
        arrived = None if self._copy is None else self._copy.arrived()
        self._copy = _Copy(self.held[-self._interval :], self._on_gpu)
        return arrived


def _thinned(losses: torch.Tensor, steps: int, points: int) -> list[float]:
    """Means of the finite losses that come first, of `steps` in all, in up to `points` equal windows."""
    losses = losses.double().cpu()
    finite = losses.isfinite()
    if not finite.all():
        losses = losses[: int((~finite).nonzero()[0])]
    window = max(1, math.ceil(steps / points))
    return [chunk.mean().item() for chunk in losses.split(window)] if len(losses) else []


def _not_finite(losses: torch.Tensor, steps: int) -> str:
    step = int((~losses.isfinite()).nonzero()[0]) + 1
    return f"the training loss was not finite at step {step} of {steps}"


class _Copy:
    """A copy of a few losses on its way to the host."""

    def __init__(self, losses: torch.Tensor, on_gpu: bool) -> None:
        import torch

        # Only to pinned memory does a GPU copy while the host goes on.
        self._losses = torch.empty(losses.shape, pin_memory=on_gpu).copy_(losses, non_blocking=True)
        self._event = torch.cuda.Event() if on_gpu else None
        if self._event is not None:
            self._event.record()

    def arrived(self) -> torch.Tensor:
        """The losses, once they are there."""
        if self._event is not None:
            self._event.synchronize()
        return self._losses


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
    import torch

    tensors = {n: t for n, t in [*model.named_parameters(), *model.named_buffers()] if t.is_floating_point()}
    if not tensors:
        return
    finite = torch.stack([tensor.isfinite().all() for tensor in tensors.values()])  # one wait for a GPU, not hundreds
    for name, good in zip(tensors, finite.tolist(), strict=True):
        if not good:
            raise Diverged(f"{name} is not finite after training", curves)
