"""Records made by hand, tasks that train nothing, and the command line as a process."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import tasks
import tasks.registry
from activations.plugins import run_file
from bench.compare import RELU
from bench.records import Record, cell_id
from tasks import Task

PLUGIN = Path(__file__).parent / "plugin.py"
ROOT = Path(__file__).parents[2]

MakeRecord = Callable[..., Record]


def record_fields(
    task: str = "fake-good",
    activation: str = "relu",
    seed: int = 0,
    score: float | None = 90.0,
    *,
    outcome: str = "ok",
    profile: str = "smoke",
    version: int = 1,
    family: str = "fake",
    track: str = "stand-in",
    unit: str = "%",
    higher: bool = True,
    recipe: dict[str, Any] | None = None,
    graph_hash: str = "",
    train: float = 2.0,
    reference: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The fields of a sound record."""
    recipe = recipe if recipe is not None else {"steps": 3, "lengths": [4, 7]}
    graph_hash = graph_hash or f"hash-of-{activation}"
    return {
        "id": cell_id(task, version, graph_hash, seed, recipe),
        "profile": profile,
        "seed": seed,
        "recipe": recipe,
        "outcome": outcome,
        "reason": "" if outcome == "ok" else f"it {outcome}",
        "score": score if outcome == "ok" else None,
        "task": {
            "name": task,
            "version": version,
            "title": f"The task {task}",
            "family": family,
            "track": track,
            "dataset": "none",
            "dataset_source": "computed from the seed",
            "model": "none",
            "sites": 2,
            "site_rule": "both",
            "metric": {"name": "accuracy", "unit": unit, "higher_is_better": higher, "chance": 50.0},
            "reference": reference,
        },
        "activation": {
            "name": activation,
            "formula": "f(x) | g(x)",
            "reference": "",
            "origin": "hand-designed",
            "source": "def f(x): return x",
            "graph_hash": graph_hash,
            "graph": RELU if activation == "relu" else {"nodes": []},
            "pointwise": True,
            "flops": 1,
        },
        "parameters": 10,
        "injection": {"found": 2, "swapped": 2, "left": 0, "sites": ["a", "b"], "executed": 2},
        "metrics": {},
        "curves": {},
        "dataset": {},
        "times": {"train": train, "train_cpu": train, "eval": 1.0, "total": 3.5, "startup": 0.5},
        "machine": {
            "cpu": "a processor",
            "cores": 2,
            "memory_gib": 8.0,
            "gpu": "",
            "device": "cpu",
            "threads": 1,
            "peak_memory_mib": 100.0,
            "peak_gpu_memory_mib": None,
        },
        "versions": {"python": "3.11.7"},
        "commit": "c0ffee" * 6 + "cafe",
        "dirty": False,
        "started_at": "2026-01-02T03:04:05+00:00",
        "notes": [],
    }


@pytest.fixture(scope="session")
def make_record() -> MakeRecord:
    """Make a sound record; arguments as in `record_fields`."""
    return lambda *args, **kwargs: Record.model_validate(record_fields(*args, **kwargs))


@cache
def plugin_tasks() -> dict[str, Task]:
    """The tasks of the plugin file, without leaving them registered."""
    known = set(tasks.names())
    run_file(PLUGIN)
    return {name: tasks.registry._tasks.pop(name) for name in set(tasks.names()) - known}


@pytest.fixture
def fake_tasks() -> Iterator[dict[str, Task]]:
    """The tasks of the plugin file, registered for the length of one test."""
    found = plugin_tasks()
    for task in found.values():
        tasks.register_task(task)
    yield found
    for name in found:
        del tasks.registry._tasks[name]


@pytest.fixture
def trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """File in which the fake tasks note task, activation, seed and process of each cell that they ran."""
    path = tmp_path / "trace"
    path.touch()
    monkeypatch.setenv("FAKE_TRACE", str(path))
    return path


def start_bench(*arguments: str, **environment: str) -> "subprocess.Popen[str]":
    """Start the command line as a process of its own group, so that a signal reaches its workers, too."""
    return subprocess.Popen(
        [sys.executable, "-m", "bench.cli", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run_bench(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run the command line to its end."""
    process = start_bench(*arguments, **environment)
    out, err = process.communicate(timeout=300)
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)
