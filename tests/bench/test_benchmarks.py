"""The scripts under `benchmarks/` run by hand; what they lean on must not break unseen."""

import subprocess
import sys
from pathlib import Path

import pytest

import tasks
import tasks.registry
from activations import get, load_plugin
from bench.answer import plain
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
