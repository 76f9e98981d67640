"""Tasks of strangers: what is wrong with one is said when it is registered, in one sentence."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import tasks
from tasks import Task, register_task
from tasks.registry import RefusedTask

from .conftest import PLUGIN, run_bench


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"name": "A B"}, "task name 'A B' is refused"),
        ({"name": 7}, "task name 7 is refused"),
        ({"sites": "two"}, "'two' as its sites: it must be a whole number"),
        ({"sites": 0}, "0 as its sites"),
        ({"version": "1"}, "'1' as its version"),
        ({"family": 7}, "7 as its family"),
        ({"metric": None}, "None as its metric: it must be a Metric"),
        ({"dataset": "x"}, "'x' as its dataset: it must be a Dataset"),
        ({"reference": 95.0}, "95.0 as its reference"),
        ({"track": "fake"}, "the track 'fake'"),
        ({"recipes": None}, "None as its recipes"),
        ({"recipes": {"smoke": 3}}, "the recipe 3 for smoke: it must be a dataclass"),
        ({"recipes": {"large": 3}}, "unknown profiles"),
    ],
)
def test_a_wrong_fact_is_refused(fake_tasks: dict[str, Task], changes: dict[str, Any], complaint: str) -> None:
    class Wrong:
        spec = replace(fake_tasks["fake-good"].spec, **{"name": "wrong", **changes})

    with pytest.raises(RefusedTask, match=complaint):
        register_task(Wrong())  # type: ignore[arg-type]
    assert "wrong" not in tasks.names()


def test_what_is_no_task_is_refused() -> None:
    with pytest.raises(RefusedTask, match="its `spec` must be a TaskSpec"):
        register_task(3)  # type: ignore[arg-type]


def test_a_built_in_name_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(PLUGIN.read_text().replace('"fake-good"', '"lab-harmonics"'))
    done = run_bench("list", "tasks", "--plugin", str(file))
    assert done.returncode == 2
    assert "task name lab-harmonics is taken already: register it under another name" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
