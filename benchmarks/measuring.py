"""What the speed benchmarks share: interleaved rounds, medians with their spread, and the head of a committed table.

Other work on shared cores comes and goes, so rounds of the things compared are interleaved and ratios are taken within
a round.
"""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from bench import provenance


@dataclass(frozen=True)
class Timing:
    """Seconds of one thing over all rounds."""

    wall: tuple[float, ...]
    """By the clock."""
    cpu: tuple[float, ...]
    """Processor time of this process, all threads together."""

    def text(self, unit: float = 1e-3, form: str = ".1f") -> str:
        """Median wall time with its quartiles, in units of so many seconds."""
        low, middle, high = quartiles(self.wall)
        return f"{middle / unit:{form}} ({low / unit:{form}} to {high / unit:{form}})"


def rounds(
    things: Mapping[str, Callable[[], object]],
    repeats: int,
    synchronize: Callable[[], object] = lambda: None,
    warm: int = 2,
) -> dict[str, Timing]:
    """Call every thing once a round, `repeats` rounds after `warm` unmeasured ones; `synchronize` waits for a GPU."""
    walls: dict[str, list[float]] = {name: [] for name in things}
    cpus: dict[str, list[float]] = {name: [] for name in things}
    for turn in range(warm + repeats):
        for name, call in things.items():
            synchronize()
            wall, cpu = time.perf_counter(), time.process_time()
            call()
            synchronize()
            if turn >= warm:
                walls[name].append(time.perf_counter() - wall)
                cpus[name].append(time.process_time() - cpu)
    return {name: Timing(tuple(walls[name]), tuple(cpus[name])) for name in things}


def ratio(timing: Timing, base: Timing) -> str:
    """Median over rounds of one thing's wall time over another's, with quartiles."""
    low, middle, high = quartiles([a / b for a, b in zip(timing.wall, base.wall, strict=True)])
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Lower quartile, median, upper quartile."""
    if len(values) < 2:
        return (values[0],) * 3
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def synchronizer(device: str) -> Callable[[], object]:
    """What waits for the device: nothing on a CPU."""
    if not device.startswith("cuda"):
        return lambda: None
    import torch

    return torch.cuda.synchronize


def head(title: str, command: str, device: str, conditions: str) -> str:
    """First lines of a committed table: what, by which command, on what, when, how often."""
    place = f"{provenance.cpu_name()}, {provenance.cores()} cores"
    if device.startswith("cuda"):
        import torch

        place = f"{torch.cuda.get_device_name()} ({place})"
    names = ("torch", "timm", "torch-geometric", "dm-clrs", "jax")
    versions = ", ".join(f"{name} {found}" for name, found in provenance.versions().items() if name in names)
    day = datetime.now(UTC).date().isoformat()
    return (
        f"# {title}\n\n    {command}\n\n{day}, {place}, Python {platform.python_version()}, {versions}. {conditions}\n"
    )
