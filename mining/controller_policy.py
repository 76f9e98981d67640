"""The controller's policy: an LSTM that writes a recipe of core units choice by choice, and one PPO update of it.

After arXiv 1710.05941 (an RNN controller that predicts one component a step, trained with PPO) and arXiv 1707.06347
(PPO). Sizes and constants are our choice. Weights are float32 in one flat tensor, so that they and Adam's moments are
three arrays; probabilities are float64. Everything runs on one thread and draws from no generator of torch's.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mining.core_units import BINARY, COMPONENTS, MOST_UNITS, UNARY, options
from mining.threads import one_thread

STEPS = 1 + MOST_UNITS * len(COMPONENTS)
"""Choices of the longest sequence: the number of units, less one, then the recipe."""
HEADS = {
    "units": MOST_UNITS,
    "input1": MOST_UNITS,
    "input2": MOST_UNITS,
    "unary1": len(UNARY),
    "unary2": len(UNARY),
    "binary": len(BINARY),
}
"""Softmax heads and their sizes; a component has the same head in every unit."""

HIDDEN = 32
EMBEDDING = 16
INITIAL = 0.1
"""Weights start uniform within this distance of 0, so that all choices are about equally likely."""

LEARNING_RATE = 5e-3
CLIP = 0.2
"""Largest change of a choice's probability ratio that is still rewarded."""
EPOCHS = 4
"""Adam steps an update, each on all of its sequences."""
ENTROPY = 0.01
"""Weight of the mean entropy of a choice, in nats, which keeps the policy exploring."""


def head(step: int) -> str:
    """Name of the head that makes a sequence's choice number `step`."""
    return "units" if step == 0 else COMPONENTS[(step - 1) % len(COMPONENTS)]


class Policy:
    """Weights, optimizer, and what is done with them. A sequence is the number of units less one, then the choices."""

    def __init__(self, seed: int) -> None:
        sizes = _shapes()
        count = sum(rows * columns for rows, columns in sizes.values())
        start = np.random.default_rng(seed).uniform(-INITIAL, INITIAL, count)
        self.flat = torch.tensor(start, dtype=torch.float32, requires_grad=True)
        self.optimizer = torch.optim.Adam([self.flat], lr=LEARNING_RATE, foreach=False)

    def sample(self, count: int, stream: np.random.Generator) -> list[tuple[int, ...]]:
        """Draw sequences: `count * STEPS` uniform numbers from the stream, whatever the lengths turn out to be."""
        uniforms = stream.random((count, STEPS))
        sequences: list[list[int]] = [[] for _ in range(count)]
        with torch.no_grad(), one_thread():
            network = _Network(self.flat, count)
            for step in range(STEPS):
                logits = network.advance(step, [s[step - 1] if 0 < step <= len(s) else 0 for s in sequences])
                open_ones = [row for row, s in enumerate(sequences) if step == 0 or step < _length(s[0])]
                limits = torch.tensor([options(s[1:]) if step else MOST_UNITS for s in sequences])
                cumulative = _masked(logits, limits).exp().cumsum(1).numpy()
                for row in open_ones:
                    drawn = int(np.searchsorted(cumulative[row], uniforms[row, step] * cumulative[row, -1], "right"))
                    sequences[row].append(min(drawn, int(limits[row]) - 1))
        return [tuple(s) for s in sequences]

    def update(self, sequences: Sequence[tuple[int, ...]], advantages: Sequence[float]) -> None:
        """Make sequences with a positive advantage likelier and others less likely, by PPO's clipped objective."""
        gain = torch.tensor(advantages, dtype=torch.float64)[:, None]
        with one_thread():
            with torch.no_grad():
                before, _, real = self.likelihood(sequences)
            for _ in range(EPOCHS):
                after, entropy, _ = self.likelihood(sequences)
                ratio = (after - before).exp()
                objective = torch.minimum(ratio * gain, ratio.clamp(1 - CLIP, 1 + CLIP) * gain)
                loss = -((objective + ENTROPY * entropy) * real).sum() / real.sum()
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()

    def likelihood(self, sequences: Sequence[tuple[int, ...]]) -> tuple[Tensor, Tensor, Tensor]:
        """Log-probability of each choice, entropy of its distribution, and 1 where a sequence has that choice.

        All float64, of shape (sequences, STEPS).
        """
        network = _Network(self.flat, len(sequences))
        padded = torch.tensor([[*s, *[0] * (STEPS - len(s))] for s in sequences])
        chances, entropies = [], []
        for step in range(STEPS):
            logits = network.advance(step, padded[:, step - 1])
            limits = [options(s[1:step]) if 0 < step < len(s) else HEADS[head(step)] for s in sequences]
            logs = _masked(logits, torch.tensor(limits))
            chances.append(logs.gather(1, padded[:, step, None])[:, 0])
            entropies.append(-(logs.exp() * logs.clamp(min=-1e9)).sum(1))
        real = torch.tensor([[float(step < len(s)) for step in range(STEPS)] for s in sequences], dtype=torch.float64)
        return torch.stack(chances, 1), torch.stack(entropies, 1), real

    def state(self) -> dict[str, Any]:
        """Weights, Adam's moments as base64 of little-endian float32, and its number of steps."""
        moments = self.optimizer.state.get(self.flat) or {}
        zero = torch.zeros_like(self.flat)
        return {
            "weights": _encode(self.flat),
            "mean": _encode(moments.get("exp_avg", zero)),
            "square": _encode(moments.get("exp_avg_sq", zero)),
            "steps": int(moments["step"]) if moments else 0,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave.

        Raises:
            ValueError: it belongs to a policy of another size.
        """
        weights = _decode(state["weights"])
        if weights.shape != self.flat.shape:
            raise ValueError(
                f"the controller's state has {weights.numel()} weights and this version {self.flat.numel()}: "
                "go on with the version that wrote it, or start a new search."
            )
        with torch.no_grad():
            self.flat.copy_(weights)
        moments = {"exp_avg": _decode(state["mean"]), "exp_avg_sq": _decode(state["square"])}
        self.optimizer.state[self.flat] = {"step": torch.tensor(float(state["steps"])), **moments}


class _Network:
    """The LSTM while it reads sequences, `count` at a time."""

    def __init__(self, flat: Tensor, count: int) -> None:
        shapes = _shapes()
        bounds = np.cumsum([0, *(rows * columns for rows, columns in shapes.values())]).tolist()
        parts = [flat[low:high] for low, high in pairwise(bounds)]
        self.weights = {name: part.view(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}
        self.hidden = torch.zeros(count, HIDDEN)
        self.cell = torch.zeros(count, HIDDEN)

    def advance(self, step: int, last: Sequence[int] | Tensor) -> Tensor:
        """Read the last choice of each sequence (at step 0 there is none) and give the logits of the next, float64."""
        known = self.weights
        if step:
            read = known[f"embedding {head(step - 1)}"][torch.as_tensor(last, dtype=torch.long)]
        else:
            read = known["start"].expand(len(self.hidden), EMBEDDING)
        ones = torch.ones(len(self.hidden), 1)
        gates = torch.cat([read, self.hidden, ones], 1) @ known["lstm"]
        keep, write, show, content = gates.chunk(4, 1)
        self.cell = self.cell * keep.sigmoid() + content.tanh() * write.sigmoid()
        self.hidden = self.cell.tanh() * show.sigmoid()
        return (torch.cat([self.hidden, ones], 1) @ known[f"head {head(step)}"]).double()


def _shapes() -> dict[str, tuple[int, int]]:
    """Rows and columns of every weight; biases are a last row."""
    shapes = {"start": (1, EMBEDDING), "lstm": (EMBEDDING + HIDDEN + 1, 4 * HIDDEN)}
    for name, size in HEADS.items():
        shapes |= {f"embedding {name}": (size, EMBEDDING), f"head {name}": (HIDDEN + 1, size)}
    return shapes


def _length(units_less_one: int) -> int:
    return 1 + (units_less_one + 1) * len(COMPONENTS)


def _masked(logits: Tensor, limits: Tensor) -> Tensor:
    """Log-probabilities among the first `limits` choices of each row; the others get -inf."""
    closed = torch.arange(logits.shape[1]) >= limits[:, None]
    return logits.masked_fill(closed, -torch.inf).log_softmax(1)


def _encode(values: Tensor) -> str:
    return base64.b64encode(values.detach().numpy().astype("<f4").tobytes()).decode()


def _decode(text: str) -> Tensor:
    return torch.tensor(np.frombuffer(base64.b64decode(text), "<f4").astype(np.float32))
