"""What an activation costs: forward and backward of each pointwise built-in, fused, eager, and beside torch's own GELU.

    python benchmarks/activation_speed.py [--device cuda] [--dtype bfloat16] [--activations gelu-sine ...]
        [--parts functions saved compile network] [--check]

Prints Markdown tables: each function on one tensor; what to save for backward, x or f'(x); seconds of compiling in a
fresh process with an empty and with a filled cache; a training step of ResNet-50. `--check` compares every function
and its gradient with the float64 reference instead, edge inputs among them, and times nothing.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from activation_exactness import COLUMNS, check
from measuring import Timing, head, quartiles, rounds, synchronizer
from tabulate import tabulate
from torch import Tensor, nn

import activations
from activations.codegen import compile_graph
from activations.trace import trace_derivative

ROOT = Path(__file__).resolve().parents[1]
SHAPE = (32, 256, 32, 32)
PASSES = 5
"""Tensors read and written by one forward (x, f) and one backward (x, cotangent, gradient)."""
TIMED_COMPILE = """
import sys, time
begun = time.perf_counter()
import torch, activations
module = activations.get(sys.argv[1]).module().to(sys.argv[2])
imported = time.perf_counter()
report = activations.fuse(module, dtype=getattr(torch, sys.argv[3]))
assert report.fused == 1, report
print(imported - begun, time.perf_counter() - imported)
"""
NETWORKS = (
    ("relu", False),
    ("gelu", False),
    ("gelu-sinc-perturbation", False),
    ("gelu-sinc-perturbation", True),
)
"""Activations of ResNet-50, and whether they are fused."""
PARTS = ("functions", "saved", "compile", "network")

Row = tuple[Any, ...]


def main() -> None:
    """Measure and print."""
    options = read_options()
    names = options.activations or pointwise()
    dtype = getattr(torch, options.dtype)
    if options.check:
        print(tabulate(check(names, options.device), headers=COLUMNS, tablefmt="github"))
        return
    command = "python benchmarks/activation_speed.py " + " ".join(sys.argv[1:])
    conditions = (
        f"{torch.get_num_threads()} threads; x and cotangent are {options.dtype}, {'x'.join(map(str, options.shape))}. "
        f"Medians with quartiles of {options.repeats} interleaved rounds."
    )
    print(head("Speed of activations", command.strip(), options.device, conditions))
    if "functions" in options.parts:
        shown = functions(names, options.shape, dtype, options.device, options.repeats)
        print(tabulate(shown, headers=headers(dtype, options.device), tablefmt="github"), "\n")
    if "saved" in options.parts:
        shown = saved(options.shape, dtype, options.device, options.repeats)
        print(tabulate(shown, headers=["function", "saves x, ms", "saves f'(x), ms", "ratio"], tablefmt="github"), "\n")
    if "compile" in options.parts:
        columns = ["function", "imports, s", "first process, empty cache, s", "later process, filled cache, s"]
        print(tabulate(compile_seconds(options.device, options.dtype), headers=columns, tablefmt="github"), "\n")
    if "network" in options.parts:
        columns = ["ResNet-50, 8 x 3 x 64 x 64, a training step", "ms", "ratio to ReLU", "processor ms"]
        print(tabulate(network(dtype, options.device, options.repeats), headers=columns, tablefmt="github"))


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16", "float16"])
    parser.add_argument("--activations", nargs="+", default=[])
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=PARTS)
    parser.add_argument("--shape", nargs="+", type=int, default=list(SHAPE))
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--check", action="store_true")
    return parser.parse_args()


def pointwise() -> list[str]:
    """Names of the built-ins that can be fused."""
    return [name for name in activations.names() if activations.get(name).graph.pointwise]


def headers(dtype: torch.dtype, device: str) -> list[str]:
    """Columns of the table of functions."""
    columns = ["function", "GELU, ms", "eager, ms", "fused, ms"]
    columns += ["fused by table, ms"] if dtype == torch.bfloat16 else []
    columns += ["fused / GELU", "by processor time", "eager / fused", "saved, eager", "saved, fused"]
    return columns + (["share of copy bandwidth"] if device.startswith("cuda") else [])


def functions(
    names: Sequence[str], shape: Sequence[int], dtype: torch.dtype, device: str, repeats: int
) -> Iterator[Row]:
    """A row a function: forward and backward through one module."""
    x = torch.randn(*shape, device=device).to(dtype).requires_grad_()
    cotangent = torch.randn(*shape, device=device).to(dtype)
    ratios = []
    for name in names:
        eager, fused, table = (sized(name, x) for _ in range(3))
        activations.fuse(fused, dtype=dtype)
        steps: dict[str, Callable[[], object]] = {
            "gelu": step(F.gelu, x, cotangent),
            "eager": step(eager, x, cotangent),
            "fused": step(fused, x, cotangent),
            "clone": x.detach().clone,
        }
        if dtype == torch.bfloat16 and not list(table.parameters()):
            activations.fuse(table, dtype=dtype, bf16="table")
            steps["table"] = step(table, x, cotangent)
        timed = rounds(steps, repeats, synchronizer(device), warm=1)
        fastest = min((timed[k] for k in ("fused", "table") if k in timed), key=lambda t: statistics.median(t.wall))
        ratios.append(float(over(fastest, timed["gelu"])))
        texts = [timed[kind].text() for kind in ("gelu", "eager", "fused")]
        if dtype == torch.bfloat16:
            texts.append(timed["table"].text() if "table" in timed else "")
        row = (name, *texts, over(fastest, timed["gelu"]), processor(fastest, timed["gelu"]))
        row = (*row, over(timed["eager"], fastest), kept(eager, x), kept(fused, x))
        if device.startswith("cuda"):
            share = PASSES / 2 * statistics.median(timed["clone"].wall) / statistics.median(fastest.wall)
            row = (*row, f"{share:.0%}")
        yield row
    low, middle, high = quartiles(ratios)
    yield ("all: fused / GELU", f"{middle:.2f} ({low:.2f} to {high:.2f})", f"worst {max(ratios):.2f}")


def sized(name: str, x: Tensor) -> nn.Module:
    """A module whose per-channel parameters have the width of x."""
    module = activations.get(name).module()
    module(x.detach()[:1].float().cpu())
    return module.to(x.device)


def step(function: Callable[[Tensor], Tensor], x: Tensor, cotangent: Tensor) -> Callable[[], None]:
    """One forward and one backward."""

    def run() -> None:
        x.grad = None
        function(x).backward(cotangent)

    return run


def over(timing: Timing, base: Timing) -> str:
    """Median over rounds of one wall time over another."""
    return f"{statistics.median(a / b for a, b in zip(timing.wall, base.wall, strict=True)):.2f}"


def processor(timing: Timing, base: Timing) -> str:
    """The same of processor time, which other work on the cores disturbs less; it says nothing of a GPU."""
    return f"{statistics.median(a / b for a, b in zip(timing.cpu, base.cpu, strict=True)):.2f}"


def kept(module: nn.Module, x: Tensor) -> str:
    """How many tensors of x's size autograd keeps for backward, and MiB of all that it keeps."""
    found: dict[int, Tensor] = {}
    with torch.autograd.graph.saved_tensors_hooks(lambda t: found.setdefault(t.data_ptr(), t), lambda t: t):
        module(x)
    large = sum(t.numel() >= x.numel() for t in found.values())
    return f"{large} ({sum(t.untyped_storage().nbytes() for t in found.values()) / 2**20:.0f} MiB)"


def saved(shape: Sequence[int], dtype: torch.dtype, device: str, repeats: int) -> Iterator[Row]:
    """Recomputing from x against saving the slope, which forward computes along: one tensor is saved in both."""
    x = torch.randn(*shape, device=device).to(dtype).requires_grad_()
    cotangent = torch.randn(*shape, device=device).to(dtype)
    for name in ("gelu-sinc-perturbation", "gelu-sine", "smish", "squared-relu"):
        module = activations.get(name).module()
        activations.fuse(module, dtype=dtype)
        other = slope_saver(name)
        timed = rounds(
            {"x": step(module, x, cotangent), "slope": step(other, x, cotangent)}, repeats, synchronizer(device)
        )
        yield (name, timed["x"].text(), timed["slope"].text(), over(timed["slope"], timed["x"]))


def slope_saver(name: str) -> Callable[[Tensor], Tensor]:
    """The function with f'(x) saved in the dtype of x."""
    graph = activations.get(name).graph
    value, gradient = compile_graph(graph, "torch"), compile_graph(trace_derivative(graph), "torch")

    def both(x: Tensor) -> tuple[Tensor, Tensor]:
        wide = x.float()
        return value(wide).to(x.dtype), gradient(wide, torch.ones_like(wide)).to(x.dtype)

    forward, backward = torch.compile(both, dynamic=True), torch.compile(torch.mul, dynamic=True)

    class SlopeSaved(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            result, slope = forward(x)
            ctx.save_for_backward(slope)
            return result

        @staticmethod
        def backward(ctx: Any, *cotangents: Tensor) -> Any:
            return backward(cotangents[0], *ctx.saved_tensors)

    return lambda x: SlopeSaved.apply(x.view(-1)).view(x.shape)


def compile_seconds(device: str, dtype: str) -> Iterator[Row]:
    """A fresh process for each figure: the first fills a cache of its own, the second finds it filled."""
    for names in (["gelu-sinc-perturbation"], ["gelu-sine"], ["swish"]):
        with tempfile.TemporaryDirectory() as cache:
            environment = os.environ | {"TORCHINDUCTOR_CACHE_DIR": cache}
            command = [sys.executable, "-c", TIMED_COMPILE, *names, device, dtype]
            figures = []
            for _ in range(2):
                done = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
                figures.append([float(word) for word in done.stdout.split()])
        yield (names[0], f"{figures[0][0]:.1f}", f"{figures[0][1]:.1f}", f"{figures[1][1]:.1f}")


def network(dtype: torch.dtype, device: str, repeats: int) -> Iterator[Row]:
    """ResNet-50 with 49 sites replaced, in channels-last, under autocast where the dtype is no float32."""
    from tasks.vision import resnet50
    from tasks.vision_recipes import ImageNetRecipe

    images = torch.randn(8, 3, 64, 64, device=device).to(memory_format=torch.channels_last)
    labels = torch.arange(8, device=device)
    steps = {}
    for name, fused in NETWORKS:
        model = resnet50(1000, ImageNetRecipe(epochs=1, batch_size=8, lr=1e-3))
        injection = activations.inject(model, activations.get(name), expected=49)
        model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        activations.confirm_executed(model, injection, lambda model=model: model(images))  # type: ignore[misc]
        if fused:
            activations.fuse(model, dtype=dtype)
        steps[f"{name}, {'fused' if fused else 'eager'}"] = training(model, images, labels, dtype)
    timed = rounds(steps, repeats, synchronizer(device))
    for name, timing in timed.items():
        yield (name, timing.text(), over(timing, timed["relu, eager"]), f"{statistics.median(timing.cpu) * 1e3:.1f}")


def training(model: nn.Module, images: Tensor, labels: Tensor, dtype: torch.dtype) -> Callable[[], None]:
    """One step of plain SGD."""
    optimizer = torch.optim.SGD(model.parameters(), 1e-3)

    def run() -> None:
        optimizer.zero_grad()
        with torch.autocast(images.device.type, dtype, enabled=dtype != torch.float32):
            loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()

    return run


if __name__ == "__main__":
    main()
