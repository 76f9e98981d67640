"""The scripts under `benchmarks/` run by hand; what they lean on must not break unseen."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tasks
import tasks.registry
from activations import get, load_plugin
from bench.answer import plain
from bench.plan import parse_seeds
from bench.session import choose_activations, choose_tasks
from tasks import Context

IDLE = Path(__file__).parents[2] / "benchmarks" / "idle_task.py"


def test_the_idle_task_is_a_task_whose_answer_can_be_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    tasks.names()  # the built-in ones are there before the copy is made
    monkeypatch.setattr(tasks.registry, "_tasks", dict(tasks.registry._tasks))
    load_plugin(IDLE)
    task = tasks.get("idle")
    answer = plain(task.run(get("relu"), 0, task.spec.recipes["smoke"], Context()))
    assert answer["injection"]["swapped"] == task.spec.sites


def test_the_rendering_script_speaks_to_the_command_line_as_it_is() -> None:
    script = IDLE.with_name("rendering.py")
    done = subprocess.run(
        [sys.executable, str(script), "--records", "100", "--only", "board,site"],
        cwd=IDLE.parents[1], capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [line.split("|")[2].strip() for line in done.stdout.splitlines()[2:]] == [
        "`bench leaderboard`",
        "`bench leaderboard --html DIR`",
    ]


STAGES = ("anchors", "paper", "field", "mined", "images", "rest")


def calls_of(stage: str, folder: Path) -> list[list[str]]:
    """What a stage of the grid would call, by a command line that only notes how it is called."""
    noted, named = folder / "calls", folder / "bench"
    named.write_text(f'#!/bin/sh\nfor word in "$@"; do printf "%s\\t" "$word"; done >>{noted}\necho >>{noted}\n')
    named.chmod(0o755)
    path = f"{folder}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", str(IDLE.with_name("fill_board.sh")), stage, "data", "out", "10m", "--workers", "2"],
        cwd=IDLE.parents[1], capture_output=True, text=True, env={**os.environ, "PATH": path},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [line.rstrip("\t").split("\t") for line in noted.read_text().splitlines()]


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_of_the_grid_names_what_there_is_and_keeps_the_limit(stage: str, tmp_path: Path) -> None:
    calls = calls_of(stage, tmp_path)
    assert sum(int(call[call.index("--time-limit") + 1]) for call in calls) == 600
    for call in calls:
        assert call[0] == "run"
        assert call[-2:] == ["--workers", "2"]
        options = dict(zip(call[1:-2:2], call[2:-2:2], strict=True))
        assert choose_tasks(options["--tasks"].split(","), options["--profile"])
        assert choose_activations(options["--activations"].split(","))[0].name == "relu"
        assert parse_seeds(options["--seeds"])


def test_an_unknown_stage_of_the_grid_is_one_sentence() -> None:
    done = subprocess.run(
        ["bash", str(IDLE.with_name("fill_board.sh")), "papers", "data", "out", "10m"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.strip() == (f"no stage is called papers: there are {', '.join(STAGES[:-1])} and {STAGES[-1]}")
