"""Show that learning is real: ReLU passes 60 % on CIFAR-10 within a quarter of an hour on one CPU thread.

python benchmarks/learning_vision.py --data DIR [--activation relu] [--seed 0]

The full test set, ResNet-18 with the max-pool kept (the stem of the `cpu` recipes), and a budget of two passes over the
training images. Prints the score and the CPU seconds that it took; ends with status 1 below 60 %.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import torch

import tasks
from activations import get
from tasks.base import Context
from tasks.vision_recipes import CIFAR_CPU

RECIPE = replace(CIFAR_CPU, epochs=2, batch_size=64, lr=0.1, warmup_epochs=0.4, train_samples=0, test_samples=0)
WANTED = 60.0


def main() -> int:
    """Train one network and hold its test accuracy against the wanted one."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds cifar-10-batches-py")
    parser.add_argument("--activation", default="relu")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    start = time.process_time()

    def show(step: int, steps: int, loss: float) -> None:
        if step % 100 == 0:
            print(f"step {step} of {steps}, loss {loss:.3f}, {time.process_time() - start:.0f} CPU seconds", flush=True)

    context = Context(data=arguments.data, progress=show)
    task = tasks.get("cifar10-resnet18")
    measurement = task.run(get(arguments.activation), arguments.seed, RECIPE, context)
    print(f"{arguments.activation}: top-1 {measurement.score:.2f} %, {time.process_time() - start:.0f} CPU seconds")
    return 0 if measurement.score >= WANTED else 1


if __name__ == "__main__":
    raise SystemExit(main())
