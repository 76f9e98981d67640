"""Where the time of a training step goes: kinds of operators, the costliest, ranges of the loop, a GPU's busy share."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from tabulate import tabulate

KINDS = {
    "matrix products and convolutions": ("mm", "addmm", "bmm", "convolution", "conv2d", "gemm", "nvjet", "cutlass"),
    "random numbers of dropout": ("bernoulli", "dropout", "philox"),
    "gather and scatter": ("index", "scatter", "gather", "embedding"),
    "normalisation": ("batch_norm", "bn_fw", "bn_bw"),
    "copies and changes of layout": ("copy", "clone", "nchwtonhwc", "nhwctonchw", "memcpy"),
}
"""Parts of the names of operators (of kernels on a GPU); what matches none is pointwise, a reduction or bookkeeping."""
REST = "pointwise and other"
RANGE = "ours: "
"""How names of ranges begin that a benchmark marks with torch.profiler.record_function."""


@dataclass(frozen=True)
class Profile:
    """Milliseconds a step under the profiler, which makes small operators dearer than they are."""

    wall: float
    outside: float
    """Wall time of the host outside every operator: Python, NumPy, waiting."""
    kinds: dict[str, float]
    """Time of operators (kernels on a GPU) by kind."""
    top: list[tuple[str, float, float]]
    """The costliest operators: name, milliseconds, calls."""
    ranges: dict[str, float]
    """Backward pass, optimizer, and what the benchmark marked, each with all that it calls."""
    operators: float
    """Operators called by the host, views included."""
    busy: float | None
    """Share of the wall time in which a GPU computed; None on a CPU."""


def profile(run: Callable[[], object], steps: int, device: str) -> Profile:
    """Profile one call of `run`, which takes so many steps and waits for the device at its end."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as torch_profile

    gpu = device.startswith("cuda")
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if gpu else [])]
    with torch_profile(activities=activities) as recorded:
        begun = time.perf_counter()
        run()
        wall = time.perf_counter() - begun
    return _read(list(recorded.events() or ()), wall, steps, gpu)


def _read(events: list[Any], wall: float, steps: int, gpu: bool) -> Profile:
    host = [event for event in events if event.device_type.name == "CPU"]
    kernels = [event for event in events if event.device_type.name == "CUDA"]
    operators = [event for event in host if event.name.startswith("aten::")]
    unit = 1e3 * steps  # microseconds of a run to milliseconds of a step
    times: dict[str, float] = defaultdict(float)
    calls: dict[str, int] = defaultdict(int)
    ranges: dict[str, float] = defaultdict(float)
    for event in kernels if gpu else operators:
        times[event.name] += event.time_range.elapsed_us() if gpu else event.self_cpu_time_total
        calls[event.name] += 1
    for event in host:
        if label := _range(event):
            ranges[label] += event.cpu_time_total / unit
    kinds: dict[str, float] = defaultdict(float)
    for name, spent in times.items():
        kinds[kind(name)] += spent / unit
    return Profile(
        wall=1e3 * wall / steps,
        outside=1e3 * wall / steps - sum(event.self_cpu_time_total for event in operators) / unit,
        kinds=dict(sorted(kinds.items(), key=lambda item: -item[1])),
        top=[(n, s / unit, calls[n] / steps) for n, s in sorted(times.items(), key=lambda item: -item[1])[:12]],
        ranges=dict(ranges),
        operators=len(operators) / steps,
        busy=covered((e.time_range.start, e.time_range.end) for e in kernels) / (1e6 * wall) if gpu else None,
    )


def kind(name: str) -> str:
    """The kind that an operator or kernel belongs to by its name."""
    plain = name.removeprefix("aten::").lower()
    for label, parts in KINDS.items():
        if any(plain == part if part in ("mm", "bmm") else part in plain for part in parts):
            return label
    return REST


def covered(intervals: Iterable[tuple[float, float]]) -> float:
    """Length of the union of intervals."""
    total, reached = 0.0, float("-inf")
    for begin, end in sorted(intervals):
        total += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return total


def _range(event: Any) -> str:
    if event.name.startswith(RANGE):
        return str(event.name.removeprefix(RANGE))
    if event.name.startswith("Optimizer.step"):
        return "optimizer"
    return "backward pass" if event.name.startswith("autograd::engine::evaluate_function") else ""


def text(found: Profile) -> str:
    """The profile as Markdown."""

    def share(spent: float) -> str:
        return f"{100 * spent / found.wall:.1f} %"

    kinds = [*found.kinds.items(), ("host outside of operators", found.outside)]
    tables = (
        (("kind", "ms a step", "share"), [(n, f"{s:.2f}", share(s)) for n, s in kinds]),
        (("operator", "ms a step", "share", "calls"), [(n, f"{s:.2f}", share(s), f"{c:.0f}") for n, s, c in found.top]),
        (("range", "ms a step", "share"), [(n, f"{s:.2f}", share(s)) for n, s in found.ranges.items()]),
    )
    busy = "" if found.busy is None else f"; the GPU is busy for {found.busy:.1%} of it"
    first = f"A step takes {found.wall:.1f} ms under the profiler and calls {found.operators:.0f} operators{busy}.\n"
    parts = [tabulate(rows, headers=headers, tablefmt="github") for headers, rows in tables if rows]
    return "\n\n".join([first.strip(), *parts])
