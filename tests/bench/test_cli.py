"""The command line as its users meet it: processes, exit statuses, signals, one sentence a mistake."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.store import LOCAL, Store

from .conftest import PLUGIN, run_bench, start_bench


def run_arguments(results: Path, tasks: str, seeds: str = "0-2") -> list[str]:
    return [
        *("run", "--plugin", str(PLUGIN), "--tasks", tasks, "--activations", "relu,gelu"),
        *("--seeds", seeds, "--results", str(results), "--workers", "1"),
    ]


def wait_for(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


def test_a_run_records_renders_and_says_so(tmp_path: Path) -> None:
    results = tmp_path / "results"
    done = run_bench(*run_arguments(results, "fake-good,fake-absent"))
    assert done.returncode == 1, done.stderr
    assert "skipped fake-absent: there is no data for it: run `bench data prepare fake`" in done.stderr
    assert "[6/6] fake-good gelu seed 2: 83.5 %" in done.stderr
    assert "fake-good" in done.stdout.partition("worst task")[2]
    assert "6 cells recorded; 0 were there already." in done.stderr
    board = (results / LOCAL / "leaderboard.md").read_text()
    assert "+1.50 [+1.50, +1.50]" in board
    assert not (tmp_path / "leaderboard.md").exists()
    assert "Traceback" not in done.stderr

    again = run_bench(*run_arguments(results, "fake-good"))
    assert again.returncode == 0, again.stderr
    assert "0 cells recorded; 6 were there already." in again.stderr
    assert (results / LOCAL / "leaderboard.md").read_text() == board


def test_failures_of_an_earlier_call_are_said(tmp_path: Path) -> None:
    arguments = run_arguments(tmp_path / "results", "fake-words", "0")
    assert run_bench(*arguments).returncode == 1
    again = run_bench(*arguments)
    assert again.returncode == 1
    assert "2 cells failed earlier; --retry-failed runs such cells again." in again.stderr


def test_two_runs_at_once_do_no_cell_twice(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    arguments = run_arguments(tmp_path / "results", "fake-good", "0-5")
    environment = {"FAKE_TRACE": str(trace), "FAKE_PAUSE": "0.1"}
    runs = [start_bench(*arguments, **environment) for _ in range(2)]
    errors = [process.communicate(timeout=300)[1] for process in runs]
    assert [process.returncode for process in runs] == [0, 0], errors
    lines = [tuple(line.split()[1:3]) for line in trace.read_text().splitlines()]
    assert len(lines) == len(set(lines)) == 12
    assert len(Store(tmp_path / "results" / LOCAL).load().records) == 12


def test_a_killed_run_loses_only_the_cell_in_flight(tmp_path: Path) -> None:
    trace, store = tmp_path / "trace", Store(tmp_path / "results" / LOCAL)
    arguments = run_arguments(tmp_path / "results", "fake-good")
    process = start_bench(*arguments, FAKE_TRACE=str(trace), FAKE_PAUSE="0.3")
    wait_for(lambda: len(list(store.paths())) >= 2)
    process.kill()
    process.communicate()
    kept = {path: path.read_bytes() for path in store.paths()}
    loaded = store.load()
    assert loaded.damaged == ()
    assert 2 <= len(loaded.records) < 6
    ran = len(trace.read_text().splitlines())

    done = run_bench(*arguments, FAKE_TRACE=str(trace))
    assert done.returncode == 0, done.stderr
    assert len(store.load().records) == 6
    assert {path: path.read_bytes() for path in kept} == kept
    assert len(trace.read_text().splitlines()) <= ran + 1 + 6 - len(kept)


def test_workers_end_with_a_killed_run(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    process = start_bench(*run_arguments(tmp_path / "results", "fake-good,fake-sleeps"), FAKE_TRACE=str(trace))
    wait_for(lambda: trace.exists() and "fake-sleeps" in trace.read_text())
    worker = int(trace.read_text().splitlines()[-1].split()[-1])
    process.kill()
    process.communicate()
    wait_for(lambda: not Path(f"/proc/{worker}").exists() or "Z" in Path(f"/proc/{worker}/stat").read_text(), 30)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_says_how_to_go_on(tmp_path: Path, number: signal.Signals) -> None:
    results = tmp_path / "results"
    arguments = run_arguments(results, "fake-good,fake-sleeps", "0")
    process = start_bench(*arguments)
    wait_for(lambda: len(list(Store(results / LOCAL).paths())) == 2)
    os.killpg(process.pid, number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "2 cells recorded; 0 were there already; 2 are left." in errors
    assert f"To go on: bench {' '.join(arguments)}" in errors
    assert "Traceback" not in errors
    assert (results / LOCAL / "leaderboard.md").exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["run", "--profile", "smok"], "no profile is called 'smok': did you mean smoke?"),
        (["run", "--tasks", "molecules-gcm"], "no task is called 'molecules-gcm'"),
        (["run", "--tasks", "cifar10-resnet18"], "has no recipe for profile smoke"),
        (["run", "--tasks", "lab-feynman", "--seeds", "one"], "seeds are written like"),
        (["run", "--tasks", ""], "--tasks is empty"),
        (["run", "--activations", ","], "--activations is empty"),
        (["run", "--seeds", ""], "seeds are written like"),
        (["run", "--device", ""], "--device is cpu, cuda or cuda:N"),
        (["run", "--data", "/nowhere"], "there is no data folder /nowhere"),
        (["leaderboard", "--results", "/nowhere"], "there is no results folder /nowhere"),
        (["run", "--workers", "0"], "--workers must be at least 1"),
        (["run", "--device", "tpu"], "--device is cpu, cuda or cuda:N"),
        (["run", "--timeout", "-1"], "--timeout is a number of seconds above 0"),
        (["run", "--plugin", "nowhere.py"], "nowhere.py"),
        (["run", "--tasks", "lab-feynman", "--activations", "gelu-sinus"], "gelu-sine"),
        (["card", "gleu"], "gelu"),
        (["list", "activation"], "did you mean activations"),
        (["try", "gelu(y)"], "y"),
        (["try", "max(x, 0)"], "is the same function as relu"),
        (["publish"], "nothing to publish"),
        (["data", "prepare", "cifar"], "did you mean"),
        (["data", "prepare", "imagenet"], "image-net.org"),
        (["data", "prepare", "clrs30-bfs", "--from", "sets"], "leave out --from"),
    ],
)
def test_mistakes_are_one_sentence(tmp_path: Path, arguments: list[str], complaint: str) -> None:
    where = ["--data", str(tmp_path)] if arguments[0] == "data" else ["--results", str(tmp_path)]
    done = run_bench(*arguments, *([] if arguments[0] == "list" or "/nowhere" in arguments else where))
    assert done.returncode in (1, 2), done.stderr
    assert complaint in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert done.stderr.startswith("bench: ")


def test_help_imports_no_heavy_package() -> None:
    code = (
        "import sys; from bench.cli import app; sys.argv = ['bench', '--help']\n"
        "try:\n    app()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'jax', 'tensorflow', 'pandas', 'numpy', 'scipy', 'pydantic', 'rich'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "leaderboard" in done.stdout


def test_a_site_is_written_alone(tmp_path: Path) -> None:
    results = tmp_path / "results"
    results.mkdir()
    both = run_bench(
        "leaderboard", "--results", str(results), "--html", str(tmp_path / "s"), "--figures", str(tmp_path)
    )
    assert both.returncode == 2
    assert "--html writes a site and nothing else" in both.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["results"]
    alone = run_bench("leaderboard", "--results", str(results), "--html", str(tmp_path / "s"))
    assert alone.returncode == 0, alone.stderr
    assert (tmp_path / "s" / "index.html").exists()
    assert not (tmp_path / "leaderboard.md").exists()
