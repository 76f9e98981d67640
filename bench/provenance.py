"""What a record says of the software and machine that made it: products and versions, no names of people or hosts."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.messages import Origin

PACKAGES = (
    "torch", "torchvision", "timm", "torch-geometric", "ogb", "dm-clrs", "jax", "jaxlib", "dm-haiku", "tensorflow",
    "numpy", "scipy", "scikit-learn", "rdkit", "sympy",
)  # fmt: skip
"""Distributions whose version can change a score."""

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Source:
    """State of the checkout that the suite runs from."""

    commit: str | None
    dirty: bool | None


@cache
def versions() -> dict[str, str]:
    """Version of Python and of every installed distribution of `PACKAGES`, read without importing them."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@cache
def source() -> Source:
    """Commit and dirty flag; both None where the suite is installed outside its own checkout.

    Records and boards do not count as changes: writing them must not mark the next run as dirty.
    """
    if _git("ls-files", "--error-unmatch", "bench/provenance.py") is None:
        return Source(None, None)
    changes = _git("status", "--porcelain", "--", ".", ":!results", ":!leaderboard.md")
    return Source(_git("rev-parse", "HEAD"), None if changes is None else bool(changes))


def here() -> Origin:
    """All of it, of this machine and this checkout."""
    from bench.messages import Origin

    state = source()
    return Origin(cpu_name(), cores(), memory_gib(), versions(), state.commit, state.dirty)


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


@cache
def cpu_name() -> str:
    """Product name of the processor."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def cores() -> int:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        return os.cpu_count() or 1


@cache
def memory_gib() -> float:
    """Memory of the machine in GiB."""
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
