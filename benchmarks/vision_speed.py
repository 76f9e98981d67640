"""Images a second in training: our loop, plain torch, and timm's own training script, on the same network and batch.

    python benchmarks/vision_speed.py --script TIMM/train.py
    python benchmarks/vision_speed.py --profile

`--script` is train.py of a checkout of timm; it runs as it is in a process of its own, on generated image files (PNG of
32×32, JPEG of 224×224 pixels), and the images a second that it prints for each step are read; its processor time is
taken at the same lines of its log, without that of the processes that decode. Our images are random
numbers in memory, augmented as CIFAR's. Plain torch is the loop of a tutorial on one fixed batch, with modules injected
eagerly: no data, log, schedule or progress. On a GPU all train in bfloat16; all use channels-last.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from measuring import Timing, head, quartiles, ratio, synchronizer
from step_profile import RANGE, profile, text
from tabulate import tabulate
from timm_script import Work, seconds_a_step, write_images

import activations
from tasks import vision
from tasks.vision_data import ImageSet, MemoryBatches
from tasks.vision_recipes import CIFAR_CPU, CIFAR_PAPER, SmallImageRecipe

if TYPE_CHECKING:
    import torch
    from torch import nn

NAMES = ("relu", "gelu", "gelu-sinc-perturbation")
CLASSES = 10
TIMM = "timm's train.py, relu"
WARM_STEPS = 2
"""Steps of a run that are left out: the first ones allocate, and choose kernels."""


@dataclass(frozen=True)
class Job:
    """A network and how it is trained."""

    network: str
    pixels: int
    recipe: SmallImageRecipe
    device: str

    def model(self, name: str) -> nn.Module:
        """The network with an activation, on the device; the same weights every time."""
        import torch

        network = {"resnet18": vision.RESNET18, "resnet50": vision.RESNET50}[self.network]
        torch.manual_seed(0)
        model = network.build(CLASSES, self.recipe)
        activations.inject(model, activations.get(name), expected=network.sites)
        model.to(self.device)
        with torch.no_grad():  # sizes parameters, if there are any
            model.eval()(torch.zeros(2, 3, self.pixels, self.pixels, device=self.device))
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's own stub forgets it
        return model

    def batches(self, steps: int) -> MemoryBatches:
        """Random images."""
        import torch

        images = torch.randint(256, (steps * self.recipe.batch_size, 3, self.pixels, self.pixels), dtype=torch.uint8)
        labels = torch.randint(CLASSES, (len(images),))
        data = ImageSet(images, labels, images[:2], labels[:2], CLASSES)
        return MarkedBatches(data, self.recipe, 0, torch.device(self.device))


class MarkedBatches(MemoryBatches):
    """Batches whose making a profiler sees."""

    def train(self, epoch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """The same batches."""
        from torch.profiler import record_function

        batches = super().train(epoch)
        while True:
            with record_function(f"{RANGE}data and augmentation"):
                batch = next(batches, None)
            if batch is None:
                return
            yield batch


def main() -> None:
    """Measure and print."""
    given = arguments()
    import torch

    if given.threads:
        torch.set_num_threads(given.threads)
    command = " ".join(["python benchmarks/vision_speed.py", *given.shown])
    threads = f"{torch.get_num_threads()} threads"
    if given.profile:
        print(head("A training step", command, given.device, f"{given.steps} steps, {threads}."))
        for job in jobs(given):
            print(f"\n## {job.network} at {job.pixels}×{job.pixels}, batch {job.recipe.batch_size}, relu\n")
            print(text(profiled(job, given.steps)))
        return
    conditions = (
        f"Medians and quartiles of {given.rounds} interleaved rounds; of each round the first {WARM_STEPS} steps are "
        f"left out and {given.steps} counted; {threads}."
    )
    print(head("Images a second in training", command, given.device, conditions))
    rows = [row for job in jobs(given) for row in measured(job, given)]
    headers = (
        "network", "training", "images a second", "times timm's", "times our ReLU's", "processor ms a step",
        "times timm's by it", "times our ReLU's by it",
    )  # fmt: skip
    print(tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True))


def arguments() -> argparse.Namespace:
    """The command line; `shown` is what the head of the table repeats of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--script", type=Path, help="train.py of a checkout of timm; left out: without that row")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--networks", nargs="+", default=["resnet18", "resnet50"])
    parser.add_argument("--steps", type=int, help="measured steps a round (CPU: 4, GPU: 60)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0, help="0 leaves them to torch")
    parser.add_argument("--activations", nargs="+", default=list(NAMES))
    parser.add_argument("--profile", action="store_true", help="print where a step of ours with ReLU spends its time")
    given = parser.parse_args()
    given.steps = given.steps or (60 if given.device.startswith("cuda") else 4)
    given.shown = ["TIMM/train.py" if word == str(given.script) else word for word in sys.argv[1:]]
    return given


def jobs(given: argparse.Namespace) -> list[Job]:
    """The networks asked for; on a CPU with small batches, and the stem of the CPU recipe."""
    gpu = given.device.startswith("cuda")
    # Long enough for every round: the schedule must not end within the measurement.
    cifar = replace(CIFAR_PAPER, batch_size=512) if gpu else replace(CIFAR_CPU, train_samples=0, crop_padding=4)
    imagenet = replace(CIFAR_PAPER, batch_size=256 if gpu else 4, crop_padding=0)
    both = {"resnet18": (32, cifar), "resnet50": (224, imagenet)}
    return [Job(name, pixels, replace(recipe, epochs=1000), given.device) for name in given.networks
            for pixels, recipe in [both[name]]]  # fmt: skip


def measured(job: Job, given: argparse.Namespace) -> Iterator[tuple[str, ...]]:
    """Rows of the table for one network."""
    things: dict[str, Callable[[], tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        if given.script:
            work = Work(given.script, job.network, job.pixels, CLASSES, job.recipe, given.device, given.threads)
            write_images(Path(folder), work, given.steps + WARM_STEPS)
            things[TIMM] = lambda: seconds_a_step(Path(folder), work, WARM_STEPS)
        batches = job.batches(given.steps)
        for name in given.activations:
            things[f"ours, {name}"] = timed(loop(job, job.model(name), batches), given)
            if name != "relu" and fuse(None) is not None:
                things[f"ours, {name}, fused"] = timed(loop(job, fuse(job.model(name), job), batches), given)
            things[f"plain torch, {name}"] = timed(plain(job, job.model(name), batches), given)
        found = in_rounds(things, given.rounds)
    size = job.recipe.batch_size
    for name, timing in found.items():
        low, middle, high = quartiles([size / wall for wall in timing.wall])
        yield (
            f"{job.network}, {job.pixels}×{job.pixels}, batch {size}",
            name,
            f"{middle:.1f} ({low:.1f} to {high:.1f})",
            *against(found, timing),
            f"{1e3 * statistics.median(timing.cpu):.0f}",
            *against({key: Timing(base.cpu, base.cpu) for key, base in found.items()}, Timing(timing.cpu, timing.cpu)),
        )


def against(found: dict[str, Timing], timing: Timing) -> list[str]:
    """How many times the speed of timm's script, and of our loop with ReLU; empty where that was not measured."""
    return [ratio(found[base], timing) if base in found else "" for base in (TIMM, "ours, relu")]


def in_rounds(things: dict[str, Callable[[], tuple[float, float]]], repeats: int) -> dict[str, Timing]:
    """Wall and processor seconds a step of each thing, in interleaved rounds."""
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name in things}
    for _ in range(repeats):
        for name, call in things.items():
            seen[name].append(call())
    return {name: Timing(*map(tuple, zip(*pairs, strict=True))) for name, pairs in seen.items()}


def timed(step: Callable[[int], object], given: argparse.Namespace) -> Callable[[], tuple[float, float]]:
    """Wall and processor seconds a step of what takes a number of steps."""
    synchronize = synchronizer(given.device)

    def call() -> tuple[float, float]:
        step(WARM_STEPS)
        synchronize()
        wall, cpu = time.perf_counter(), time.process_time()
        step(given.steps)
        synchronize()
        return (time.perf_counter() - wall) / given.steps, (time.process_time() - cpu) / given.steps

    return call


def fuse(model: Any, job: Job | None = None) -> Any:
    """The model with fused activations; None where the package cannot fuse."""
    import torch

    function: Any = getattr(activations, "fuse", None)
    if function is not None and model is not None and job is not None:
        gpu = job.device.startswith("cuda")
        function(model, dtype=torch.bfloat16 if gpu else torch.float32)
        return model
    return function


def loop(job: Job, model: nn.Module, batches: MemoryBatches) -> Callable[[int], object]:
    """Our `train_epoch`, as `fit` calls it."""
    from tasks.guard import LossLog
    from tasks.training import build_optimizer, train_epoch

    recipe = job.recipe
    optimizer = build_optimizer(model, recipe, [])
    log = LossLog(10**6, batches.example.device)
    epoch = 0

    def take(steps: int) -> None:
        nonlocal epoch
        batches.steps = steps
        train_epoch(model, batches, recipe, optimizer, log, epoch, lambda *_: None)
        epoch += 1

    return take


def plain(job: Job, model: nn.Module, batches: MemoryBatches) -> Callable[[int], object]:
    """The loop of a tutorial on one batch."""
    import torch

    images, labels = next(iter(batches.train(0)))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, nesterov=True, weight_decay=5e-4)

    def take(steps: int) -> None:
        model.train()
        for _ in range(steps):
            optimizer.zero_grad()
            with torch.autocast(images.device.type, torch.bfloat16, enabled=images.is_cuda):
                loss = torch.nn.functional.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()

    return take


def profiled(job: Job, steps: int) -> Any:
    """The profile of our loop with ReLU, with the parts that are ours marked."""
    from torch.profiler import record_function

    from tasks.guard import LossLog

    add, model = LossLog.add, job.model("relu")

    def marked_add(self: LossLog, loss: torch.Tensor) -> None:
        with record_function(f"{RANGE}guard and log (waits for the loss)"):
            add(self, loss)

    step = loop(job, model, job.batches(steps))
    step(WARM_STEPS)
    LossLog.add = marked_add  # type: ignore[method-assign]

    def run() -> None:
        step(steps)
        synchronizer(job.device)()

    return profile(run, steps, job.device)


if __name__ == "__main__":
    main()
