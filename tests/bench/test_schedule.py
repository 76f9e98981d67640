"""Racing and time limits in real runs: what is spared, what is said, and what the board says of it."""

import io
from collections.abc import Sequence
from pathlib import Path

import pytest

import activations
from bench import describe
from bench.compare import make_boards, make_table
from bench.devices import gpu_name, lanes
from bench.estimate import Kind
from bench.judge import judge
from bench.leaderboard import render
from bench.plan import Cell, make_plan
from bench.pool import Conditions, Local
from bench.progress import Lines
from bench.run import Runner, Summary
from bench.schedule import Schedule, kind_of
from bench.session import _go_on
from bench.store import Store
from tasks import Task

from .conftest import PLUGIN, MakeRecord, run_bench

FUNCTIONS = ("relu", "gelu", "elu", "silu")


def plan(fake_tasks: dict[str, Task], task: str, seeds: Sequence[int]) -> tuple[Cell, ...]:
    return make_plan("smoke", [fake_tasks[task].spec], [activations.get(name) for name in FUNCTIONS], seeds).cells


def run(root: Path, cells: Sequence[Cell], schedule: Schedule, together: int = 1) -> Summary:
    engine = Local(lanes("cpu", 1), Conditions(None, (PLUGIN,), 60, root / ".logs", root / ".programs"))
    runner = Runner(
        Store(root),
        engine,
        Lines(io.StringIO()),
        together=schedule.bounded(lambda cell: together),
        rules=schedule.rules,
        marks=schedule.marks,
        limit=schedule.seconds_left,
    )
    return runner.run(cells)


@pytest.mark.parametrize("together", [1, 3])
def test_what_is_clearly_worse_is_stopped_and_nothing_else(
    tmp_path: Path, fake_tasks: dict[str, Task], together: int
) -> None:
    """ELU lies 20 points below ReLU; SiLU, and GELU which is never stopped, run all eight seeds."""
    cells = plan(fake_tasks, "fake-falls", range(8))
    schedule = Schedule(cells, list, race=True, seconds=None, kind=None)
    summary = run(tmp_path, cells, schedule, together)
    seeds = {name: sum(record.activation.name == name for record in summary.recorded) for name in FUNCTIONS}
    assert seeds == {"relu": 8, "gelu": 8, "elu": 3, "silu": 8}
    assert schedule.spared(summary.waiting) == summary.left == 5
    (sentence,) = schedule.stopped(summary.waiting)
    assert sentence.startswith("fake-falls elu is stopped: worse than ReLU beyond chance after 3 seeds")
    assert sentence.endswith("5 cells spared")
    records = Store(tmp_path).load().records
    assert {record.race for record in records} == {0.01}
    table = make_table(records)
    assert [row.label for row in table.rows if len(row.records) < 8] == ["elu"]
    board = render(Store(tmp_path).load())
    assert board.count("Stopped early by racing: elu: worse than ReLU") == 1


def test_a_second_call_with_the_race_spares_the_same(tmp_path: Path, fake_tasks: dict[str, Task]) -> None:
    cells = plan(fake_tasks, "fake-falls", range(8))
    run(tmp_path, cells, Schedule(cells, list, race=True, seconds=None, kind=None))
    again = Schedule(cells, lambda: Store(tmp_path).load().records, race=True, seconds=None, kind=None)
    assert run(tmp_path, cells, again).recorded == []


def test_nothing_is_asked_of_the_records_without_a_rule(fake_tasks: dict[str, Task]) -> None:
    schedule = Schedule((), lambda: pytest.fail("read for nothing"), race=False, seconds=None, kind=None)
    assert (schedule.rules, schedule.marks, schedule.seconds_left) == ([], {}, None)
    assert schedule.bounded(lambda cell: 4)(plan(fake_tasks, "fake-good", [0])[0]) == 4


def test_records_without_a_race_are_written_as_before(make_record: MakeRecord) -> None:
    record = make_record("digits", "gelu")
    for name in ("race", "together", "compile", "fused"):
        assert f'"{name}"' not in record.to_json()
    (task,) = judge(make_boards([record, make_record("digits", "relu")])[0])
    assert "racing" not in describe.resolving(task)


def test_the_most_valuable_cells_come_first_and_what_does_not_fit_waits(
    tmp_path: Path, fake_tasks: dict[str, Task]
) -> None:
    """Earlier seeds say that ELU takes hours here, so it is not begun within a quarter of one."""
    earlier = plan(fake_tasks, "fake-good", [0])
    run(tmp_path, earlier, Schedule(earlier, list, race=False, seconds=None, kind=None))
    records = []
    for record in Store(tmp_path).load().records:
        total = 9000.0 if record.activation.name == "elu" else 0.1
        records.append(record.model_copy(update={"times": record.times.model_copy(update={"total": total})}))
    cells = plan(fake_tasks, "fake-good", range(3))
    schedule = Schedule(cells, lambda: records, race=False, seconds=900.0, kind=kind_of(lanes("cpu", 1)[0]))
    summary = run(tmp_path, cells[::-1], schedule)
    assert [record.activation.name for record in summary.recorded][::3] == ["relu", "relu"], "first of each round"
    assert {record.activation.name for record in summary.recorded} == {"relu", "gelu", "silu"}
    assert {cell.activation.name for cell in summary.waiting} == {"elu"}
    assert (summary.left, summary.interrupted) == (2, False)
    stuck = Summary(waiting=summary.waiting)
    assert _go_on(stuck, schedule, "15m") == "a longer limit starts some, from about 11250s on"
    assert _go_on(stuck, schedule, "4h") == "a longer limit starts some", "one was started and took longer than that"


def test_the_kind_of_a_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    (lane,) = lanes("cpu", 1)
    assert kind_of(lane) == Kind(kind_of(lane).cpu, "", 1)  # type: ignore[union-attr]
    monkeypatch.setenv("PATH", "")
    assert gpu_name("0") == ""


def test_the_command_says_what_fits_and_what_is_left(tmp_path: Path) -> None:
    options = ["--plugin", str(PLUGIN), "--tasks", "fake-good", "--activations", "relu,gelu", "--seeds", "0-400"]
    limits = ["--time-limit", "4s", "--workers", "1", "--results", str(tmp_path / "results")]
    done = run_bench("run", *options, *limits, FAKE_PAUSE="0.1")
    assert done.returncode == 0, done.stderr
    assert "No further cell fits into 4s; the same command goes on with the rest." in done.stderr
    limits[1] = "0.001s"
    nothing = run_bench("run", *options, *limits)
    assert "No further cell fits into 0.001s; a longer limit starts some, from about " in nothing.stderr
    wrong = run_bench("run", *options, "--time-limit", "soon")
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
    assert "a time limit is written like 90s, 30m, 2h or 1h30m, not 'soon'" in wrong.stderr


def test_options_of_ray_are_not_ignored_without_it() -> None:
    for option in (["--ray-address", "head:6379"], ["--gpu-share", "0.5"]):
        done = run_bench("run", *option)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert "are for --engine ray" in done.stderr
