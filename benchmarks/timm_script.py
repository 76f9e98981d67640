"""timm's own training script as a thing to measure: run as it is, with one of our networks under the name `benched`.

The benchmark calls `seconds_a_step`; that runs this file in a process of its own:

    python benchmarks/timm_script.py THREADS NETWORK STEM TIMM/train.py [options of train.py]
"""

from __future__ import annotations

import itertools
import logging
import re
import runpy
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks import vision
from tasks.vision_recipes import CIFAR_PAPER, SmallImageRecipe

if TYPE_CHECKING:
    from torch import nn

SPENT = "processor seconds:"


@dataclass(frozen=True)
class Work:
    """What timm's script is to train."""

    script: Path
    """train.py of a checkout of timm."""
    network: str
    """`resnet18` or `resnet50`."""
    pixels: int
    classes: int
    recipe: SmallImageRecipe
    device: str
    threads: int
    """0 leaves them to torch."""


def write_images(folder: Path, work: Work, steps: int) -> None:
    """Generated images in a folder a class: enough for so many batches to train on, and a few to test on."""
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(0)
    suffix = "png" if work.pixels == 32 else "jpg"
    for part, count in (("train", steps * work.recipe.batch_size), ("validation", 2 * work.classes)):
        for number in range(count):
            place = folder / part / str(number % work.classes)
            place.mkdir(parents=True, exist_ok=True)
            small = Image.fromarray(random.integers(256, size=(8, 8, 3), dtype=np.uint8))
            small.resize((work.pixels, work.pixels)).save(place / f"{number}.{suffix}")


def seconds_a_step(folder: Path, work: Work, warm: int) -> tuple[float, float]:
    """Train one epoch on the images in `folder`.

    Returns:
        Wall seconds, from the images a second that the script prints for each step, and processor seconds without
        those of the processes that decode: medians over the steps after the first `warm`.
    """
    command = [sys.executable, __file__, str(work.threads), work.network, work.recipe.stem, str(work.script)]
    done = subprocess.run([*command, *options(folder, work)], capture_output=True, text=True, check=False)
    rates = [float(rate) for rate in re.findall(r"Time: [\d.]+s, +([\d.]+)/s", done.stdout + done.stderr)]
    spent = [float(seconds) for seconds in re.findall(rf"^{SPENT} ([\d.]+)$", done.stdout, re.MULTILINE)]
    if done.returncode or len(rates) <= warm or len(spent) != len(rates):
        raise SystemExit(f"timm's script failed:\n{done.stderr[-2000:]}")
    steps = [after - before for before, after in itertools.pairwise(spent)]
    return work.recipe.batch_size / statistics.median(rates[warm:]), statistics.median(steps[warm - 1 :])


def options(folder: Path, work: Work) -> list[str]:
    """Options of train.py for the recipe of ours."""
    gpu = work.device.startswith("cuda")
    pairs = {
        "--data-dir": folder, "--output": folder / "output", "--model": "benched", "--num-classes": work.classes,
        "--batch-size": work.recipe.batch_size, "--validation-batch-size": 2, "--opt": "sgd",
        "--momentum": work.recipe.momentum, "--weight-decay": work.recipe.weight_decay, "--lr": 1e-3, "--epochs": 1,
        "--warmup-epochs": 0, "--log-interval": 1, "--device": work.device, "--workers": 8 if gpu else 1,
    }  # fmt: skip
    words = [str(word) for pair in pairs.items() for word in pair]
    words += ["--input-size", "3", str(work.pixels), str(work.pixels), "--channels-last"]
    return words + (["--amp", "--amp-dtype", "bfloat16"] if gpu else [])


class Spent(logging.Handler):
    """Prints the processor time of this process whenever timm logs a step."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print it."""
        if record.getMessage().startswith("Train:"):
            print(SPENT, time.process_time(), flush=True)


def main(threads: str, network: str, stem: str, script: str, *words: str) -> None:
    """Run the script with our network registered as a model of timm's."""
    import torch

    from tasks._torchvision import ensure_torchvision

    ensure_torchvision()
    from timm.models import register_model

    if int(threads):
        torch.set_num_threads(int(threads))

    def benched(pretrained: bool = False, num_classes: int = 10, **_: Any) -> nn.Module:
        chosen: Any = stem
        if network == "resnet18":
            return vision.resnet18(num_classes, replace(CIFAR_PAPER, stem=chosen))
        return vision.RESNET50.build(num_classes, None)

    register_model(benched)
    logging.getLogger("train").addHandler(Spent())
    sys.argv = [script, *words]
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
