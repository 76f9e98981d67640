"""What is missing on this machine, and the command that mends it."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, entry_points, version
from pathlib import Path

from bench import provenance
from bench.errors import StoreError
from bench.listing import readiness
from bench.store import LOCAL, Store

MODULES = {
    "torch": "torch",
    "torchvision": "torchvision",
    "timm": "timm",
    "torch_geometric": "torch-geometric",
    "ogb": "ogb",
    "clrs": "dm-clrs",
    "jax": "jax",
    "haiku": "dm-haiku",
    "tensorflow": "tensorflow",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "rdkit": "rdkit",
    "pandas": "pandas",
    "tabulate": "tabulate",
}
"""Module to distribution: everything that a task or a table needs."""

INSTALL = "pip install -e . -c constraints.txt"
"""Brings every package, in the versions that the suite was tested with."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    good: bool
    needed: bool
    """Whether `bench run --profile smoke` fails without it."""
    text: str


def examine(data: Path, results: Path) -> Iterator[Finding]:
    """Look at Python, packages, the GPU, the results folder and the data."""
    python = ".".join(map(str, sys.version_info[:3]))
    yield Finding("Python", sys.version_info >= (3, 11), True, f"{python}, 3.11 or newer is needed")
    yield from _packages()
    yield Finding(
        "machine", True, False, f"{provenance.cpu_name()}, {provenance.cores()} cores, {provenance.memory_gib():g} GiB"
    )
    yield from _gpus()
    yield from _extras()
    yield _folder(results)
    yield from _data(data)


def diagnose(data: Path, results: Path) -> int:
    """Print the findings; returns 1 where something is missing that the smoke profile needs."""
    findings = list(examine(data, results))
    width = max(len(finding.subject) for finding in findings)
    for finding in findings:
        mark = "ok     " if finding.good else "missing"
        print(f"{mark}  {finding.subject:<{width}}  {finding.text}")
    broken = [finding.subject for finding in findings if finding.needed and not finding.good]
    if broken:
        print(f"\nThe smoke profile cannot run yet: {', '.join(broken)}.")
        return 1
    print("\nThe smoke profile can run: bench run --profile smoke")
    return 0


def _packages() -> Iterator[Finding]:
    for module, distribution in MODULES.items():
        try:
            found = importlib.util.find_spec(module) is not None
            text = version(distribution) if found else f"not installed: {INSTALL}"
        except (PackageNotFoundError, ImportError, ValueError):
            found, text = False, f"not installed properly: {INSTALL}"
        yield Finding(distribution, found, True, text)


def _gpus() -> Iterator[Finding]:
    if importlib.util.find_spec("torch") is None:
        yield Finding("GPU", False, False, "cannot be looked for without torch")
        return
    from bench.devices import visible_gpus

    count = len(visible_gpus())
    text = f"{count} visible to torch" if count else "none visible to torch; small and paper are meant for one"
    yield Finding("GPU", count > 0, False, text)
    if count:
        plugins = sorted(plugin.name for plugin in entry_points(group="jax_plugins"))
        text = (
            ", ".join(plugins)
            or "jax computes on the CPU alone, CLRS-30 needs pip install 'jax[cuda12]' -c constraints.txt"
        )
        yield Finding("GPU for jax", bool(plugins), False, text)


def _extras() -> Iterator[Finding]:
    """What some options of `bench run` need."""
    compiler = next((name for name in ("g++", "clang++", "c++") if shutil.which(name)), "")
    yield Finding("--fuse", bool(compiler), False, compiler or "on a CPU it needs a C++ compiler: install g++")
    ray = importlib.util.find_spec("ray") is not None
    text = version("ray") if ray else "needs Ray: pip install -e '.[ray]' -c constraints.txt"
    yield Finding("--engine ray", ray, False, text)


def _folder(results: Path) -> Finding:
    store = Store(results / LOCAL)
    try:
        store.check_writable()
    except StoreError as error:
        return Finding("results", False, True, str(error))
    return Finding("results", True, True, f"{store.root} can be written")


def _data(data: Path) -> Iterator[Finding]:
    for entry in readiness(data):
        yield Finding(entry.tasks, entry.present, entry.smoke, entry.text)
