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
from bench.inference import FEWEST_PAIRS
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


DATA = str(IDLE.parent)
"""A folder that there is."""
STAGES = ("rates", "anchors", "paper", "field", "mined", "images", "rest")


def fill(folder: Path, *arguments: str, fake: str = "") -> subprocess.CompletedProcess[str]:
    """The grid's script, by a command line that only notes how it is called, and then does what `fake` says."""
    named = folder / "bench"
    note = f'for word in "$@"; do printf "%s\\t" "$word"; done >>{folder}/calls\necho >>{folder}/calls\n'
    named.write_text(f"#!/bin/sh\n{note}{fake}\n")
    named.chmod(0o755)
    path = f"{folder}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", str(IDLE.with_name("fill_board.sh")), *arguments],
        cwd=IDLE.parents[1], capture_output=True, text=True, env={**os.environ, "PATH": path},
    )  # fmt: skip


def calls_of(folder: Path) -> list[list[str]]:
    """How the command line was called."""
    noted = folder / "calls"
    return [line.rstrip("\t").split("\t") for line in noted.read_text().splitlines()] if noted.exists() else []


def limits_of(folder: Path) -> list[int]:
    return [int(call[call.index("--time-limit") + 1]) for call in calls_of(folder)]


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_of_the_grid_names_what_there_is(stage: str, tmp_path: Path) -> None:
    done = fill(tmp_path, stage, DATA, "results", "10m", "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert len(calls_of(tmp_path)) == (3 if stage == "paper" else 1)
    for call in calls_of(tmp_path):
        assert call[0] == ("tune" if stage == "rates" else "run")
        assert call[-2:] == ["--workers", "2"]
        options = dict(zip(call[1:-2:2], call[2:-2:2], strict=True))
        assert choose_tasks(options["--tasks"].split(","), options["--profile"])
        assert choose_activations(options["--activations"].split(","))[0].name == "relu"
        seeds = parse_seeds(options["--seeds"])
        assert len(seeds) >= FEWEST_PAIRS or stage in ("rates", "anchors", "images")


def test_records_may_go_to_a_folder_outside_of_the_checkout(tmp_path: Path) -> None:
    assert fill(tmp_path, "paper", DATA, str(tmp_path / "new"), "10m").returncode == 0
    assert len(calls_of(tmp_path)) == 3


def test_a_part_gets_its_share_of_what_is_left_of_the_limit(tmp_path: Path) -> None:
    """An hour is so long that what passes here is a small part of it: what a part leaves over goes to the next."""
    assert fill(tmp_path, "paper", DATA, "results", "1h").returncode == 0
    assert limits_of(tmp_path) == pytest.approx([1800, 2160, 3600], rel=0.03)


def test_what_a_part_took_is_no_longer_left(tmp_path: Path) -> None:
    done = fill(tmp_path, "paper", DATA, "results", "60s", fake="sleep 1")
    first, second, third = limits_of(tmp_path)
    assert first <= 30
    assert second <= 0.6 * 59
    assert third <= 58
    assert done.stderr == ""


def test_a_part_without_time_is_skipped(tmp_path: Path) -> None:
    done = fill(tmp_path, "paper", DATA, "results", "4s")
    assert done.returncode == 2, "nothing was run"
    assert calls_of(tmp_path) == []
    *said, last = done.stderr.splitlines()
    assert last == "nothing was run: a longer LIMIT starts something"
    assert len(said) == 3
    assert all(line.startswith("skipped, with less than 5 seconds left for it: bench run --data ") for line in said)


def test_a_part_with_failed_cells_does_not_end_the_stage(tmp_path: Path) -> None:
    done = fill(tmp_path, "paper", DATA, "results", "10m", fake=f"[ $(wc -l <{tmp_path}/calls) != 2 ]")
    assert done.returncode == 1
    assert len(calls_of(tmp_path)) == 3
    (said,) = done.stderr.splitlines()
    assert said.startswith("not all of it ran: bench run --data ")
    assert " --profile small --activations @paper --seeds 0-4 --tasks clrs30" in said


@pytest.mark.parametrize("status", [2, 130])
def test_any_other_status_of_a_part_ends_the_stage_with_it(tmp_path: Path, status: int) -> None:
    assert fill(tmp_path, "paper", DATA, "results", "10m", fake=f"exit {status}").returncode == status
    assert len(calls_of(tmp_path)) == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("paper", DATA, "gpu", "10m"),
            "RESULTS lies in the checkout, so its records could not be published: name results, or a folder outside",
        ),
        (
            ("papers", DATA, "results", "10m"),
            f"no stage is called papers: there are {', '.join(STAGES[:-1])} and {STAGES[-1]}",
        ),
        (
            ("papers", DATA, "results", "10min"),
            "a time limit is written like 90s, 30m, 2h or 1h30m, not '10min'",
        ),
        (
            ("paper", DATA, "results", "10m", "--time-limit", "5m"),
            "the time limit is the fourth argument, LIMIT: leave --time-limit out",
        ),
        (
            ("paper", DATA, "results", "10m", "--workers", "2", "--time-limit=5m"),
            "the time limit is the fourth argument, LIMIT: leave --time-limit=5m out",
        ),
        (
            ("paper", "nowhere", "results", "10m"),
            "DATA must be a folder with the data sets, and RESULTS name one: got 'nowhere' and 'results'",
        ),
        (
            ("paper", DATA, "", "10m"),
            f"DATA must be a folder with the data sets, and RESULTS name one: got '{DATA}' and ''",
        ),
    ],
    ids=["inside", "stage", "limit", "option", "option with =", "no data", "no results"],
)
def test_what_the_grid_cannot_do_is_one_sentence(arguments: tuple[str, ...], sentence: str, tmp_path: Path) -> None:
    done = fill(tmp_path, *arguments)
    assert (done.returncode, done.stderr.strip()) == (2, sentence)
    assert calls_of(tmp_path) == []


def test_without_arguments_the_grid_says_how_it_is_called(tmp_path: Path) -> None:
    done = fill(tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("The grid that a board of GPU runs wants")
    assert "not a copy of the files" in done.stderr.splitlines()[-1]
