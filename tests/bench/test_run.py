"""Real worker processes: every way in which a cell can end is recorded, and nothing is run twice."""

import errno
import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import activations
from bench.build import build_record
from bench.devices import lanes
from bench.errors import StoreError
from bench.messages import Answer, Lost, Origin, Report
from bench.plan import Cell, make_plan
from bench.pool import Conditions, Local, LocalSlot, Message
from bench.progress import Lines
from bench.queue import Job
from bench.records import Record
from bench.run import Runner, Summary
from bench.store import Store
from tasks import Task

from .conftest import PLUGIN

MakePlan = Callable[..., tuple[Cell, ...]]


@pytest.fixture
def plan(fake_tasks: dict[str, Task]) -> MakePlan:
    """Make the cells of some fake tasks."""

    def make(*names: str, seeds: Sequence[int] = (0,), functions: Sequence[str] = ("relu", "gelu")) -> tuple[Cell, ...]:
        specs = [fake_tasks[f"fake-{name}"].spec for name in names]
        return make_plan("smoke", specs, [activations.get(name) for name in functions], seeds).cells

    return make


def run(root: Path, cells: Sequence[Cell], timeout: float = 120, workers: int = 1, **options: Any) -> Summary:
    conditions = Conditions(None, (PLUGIN,), timeout, root / ".logs", root / ".programs")
    runner = Runner(Store(root), Local(lanes("cpu", workers), conditions), Lines(io.StringIO()), **options)
    return runner.run(cells)


def one(root: Path, cells: Sequence[Cell], **options: Any) -> Record:
    summary = run(root, cells[:1], **options)
    (record,) = Store(root).load().records
    assert [held.to_json() for held in summary.recorded] == [record.to_json()]
    return record


def test_a_cell_is_recorded_with_everything(tmp_path: Path, plan: MakePlan) -> None:
    (cell, _) = plan("good", seeds=(7,))
    record = one(tmp_path, [cell])
    assert (record.outcome, record.score, record.seed) == ("ok", 87.0, 7)
    assert record.id == cell.id
    assert record.curves["train_loss"] == [1.0, float("inf"), 0.5]
    assert record.metrics["odd"] != record.metrics["odd"]
    assert record.injection is not None
    assert record.injection.sites == ("a", "b")
    assert activations.Graph.from_json(record.activation.graph).hash == record.activation.graph_hash
    assert record.machine.threads == 1
    assert record.machine.device == "cpu"
    assert record.machine.peak_memory_mib is not None
    assert 5 < record.machine.peak_memory_mib < 20_000
    assert record.versions["python"]
    assert record.times.startup > 0
    assert "/" not in record.machine.cpu or "/home" not in record.to_json()


@pytest.mark.parametrize(
    ("task", "outcome", "reason"),
    [
        ("diverges", "diverged", "loss is nan at step 2"),
        ("nan", "diverged", "the score is nan"),
        ("kills", "crashed", "SIGKILL"),
        ("fills", "out_of_memory", "MemoryError: no room for 4 TiB"),
        ("breaks", "crashed", "KeyError: '…/file.bin'"),
        ("words", "crashed", "score is 'abc', where a number is due"),
        ("curves", "crashed", "curves['train_loss'] is 'abc', where a sequence is due"),
        ("leaves", "invalid_injection", "1 swapped, 1 left where 2 sites are declared"),
    ],
)
def test_how_a_cell_can_fail(tmp_path: Path, plan: MakePlan, task: str, outcome: str, reason: str) -> None:
    record = one(tmp_path, plan(task))
    assert record.outcome == outcome
    assert reason in record.reason
    assert record.score is None
    if task == "diverges":
        assert record.curves["train_loss"][0] == 1.0
    assert "somebody" not in record.to_json()


def test_a_bad_answer_leaves_the_other_cells_alone(tmp_path: Path, plan: MakePlan) -> None:
    summary = run(tmp_path, plan("words", "good"))
    assert [record.outcome for record in summary.recorded] == ["crashed", "crashed", "ok", "ok"]


def test_a_report_that_makes_no_record_is_a_crash(plan: MakePlan) -> None:
    report = Report("diverged", metrics={"loss": "abc"}, started_at="now")  # type: ignore[dict-item]
    record = build_record(plan("good")[0], report, lanes("cpu", 1)[0])
    assert record.outcome == "crashed"
    assert "metrics.loss" in record.reason


def test_such_a_crash_keeps_where_and_how_the_cell_ran(plan: MakePlan) -> None:
    origin = Origin("another", 3, 4.5, {"python": "3.0"}, "c0ffee", True)
    report = Report("ok", score=1.0, metrics={"loss": "abc"}, together=3, fuse=True, origin=origin)  # type: ignore[dict-item]
    record = build_record(plan("good")[0], report, lanes("cpu", 1)[0])
    assert (record.outcome, record.score, record.metrics) == ("crashed", None, {})
    assert (record.machine.cpu, record.machine.cores, record.machine.memory_gib) == ("another", 3, 4.5)
    assert (record.versions, record.commit, record.dirty) == ({"python": "3.0"}, "c0ffee", True)
    assert (record.times.together, record.machine.fused) == (3, True)


def test_a_cell_that_is_given_up_keeps_how_it_ran(tmp_path: Path, plan: MakePlan) -> None:
    conditions = Conditions(None, (PLUGIN,), 120, tmp_path, tmp_path, fuse=True)
    slot = LocalSlot(lanes("cpu", 1)[0], conditions)
    slot.job = Job(plan("good", functions=("relu",)))
    (report,) = slot._given_up("timeout", "too long").reports
    assert (report.outcome, report.fuse) == ("timeout", True)


def test_a_cell_that_takes_too_long_is_given_up(tmp_path: Path, plan: MakePlan) -> None:
    record = one(tmp_path, plan("sleeps"), timeout=8)
    assert record.outcome == "timeout"
    assert record.reason == "no score within 8 s"
    assert record.times.total >= 8


def test_missing_data_leaves_out_the_task_and_is_not_recorded(tmp_path: Path, plan: MakePlan) -> None:
    summary = run(tmp_path, plan("misses", "good", seeds=(0, 1)))
    assert list(summary.skipped) == ["fake-misses"]
    assert "bench data prepare cifar10" in summary.skipped["fake-misses"]
    assert {record.task.name for record in Store(tmp_path).load().records} == {"fake-good"}
    assert len(summary.recorded) == 4
    assert summary.failed
    assert summary.left == 0


def test_one_process_a_task_and_a_fresh_one_after_a_crash(tmp_path: Path, plan: MakePlan, trace: Path) -> None:
    run(tmp_path, plan("good", "breaks", seeds=(0, 1)))
    lines = [line.split() for line in trace.read_text().splitlines()]
    good = {pid for task, *_, pid in lines if task == "fake-good"}
    breaks = [pid for task, *_, pid in lines if task == "fake-breaks"]
    assert len(good) == 1
    assert len(set(breaks)) == len(breaks) == 4
    assert str(os.getpid()) not in good | set(breaks)


def test_a_second_call_runs_nothing_again(tmp_path: Path, plan: MakePlan, trace: Path) -> None:
    cells = plan("good", "diverges")
    run(tmp_path, cells)
    before = {path: path.stat().st_mtime_ns for path in Store(tmp_path).paths()}
    summary = run(tmp_path, cells)
    assert (len(summary.recorded), summary.earlier) == (0, 4)
    assert {path: path.stat().st_mtime_ns for path in Store(tmp_path).paths()} == before
    assert len(trace.read_text().splitlines()) == 4


def test_failures_of_the_machine_are_tried_again_when_asked(tmp_path: Path, plan: MakePlan, trace: Path) -> None:
    cells = plan("fills", "diverges", functions=("relu",))
    run(tmp_path, cells)
    second = run(tmp_path, cells)
    assert (second.recorded, second.earlier, second.failed_earlier, second.failed) == ([], 2, 1, True)
    again = run(tmp_path, cells, retry_failed=True)
    assert [record.task.name for record in again.recorded] == ["fake-fills"]
    assert len(Store(tmp_path).load().records) == 2


def test_a_damaged_record_is_run_again(tmp_path: Path, plan: MakePlan) -> None:
    cells = plan("good", functions=("relu",))
    run(tmp_path, cells)
    (path,) = Store(tmp_path).paths()
    path.write_text(path.read_text()[:-50])
    assert len(run(tmp_path, cells).recorded) == 1
    assert Store(tmp_path).read(path).score == 80.0


def test_a_full_disk_stops_new_cells_and_loses_none(
    tmp_path: Path, plan: MakePlan, monkeypatch: pytest.MonkeyPatch, trace: Path
) -> None:
    """The first write fails; by the end there is room again, so the finished cell is recorded after all."""
    calls: list[Record] = []
    write = Store.write

    def full_at_first(store: Store, record: Record) -> Path:
        calls.append(record)
        if len(calls) == 1:
            raise StoreError(f"cannot write results: {os.strerror(errno.ENOSPC)}")
        return write(store, record)

    monkeypatch.setattr(Store, "write", full_at_first)
    summary = run(tmp_path, plan("good", seeds=(0, 1)))
    assert "No space left" in summary.unrecorded
    assert len(trace.read_text().splitlines()) == 1
    assert [record.id for record in Store(tmp_path).load().records] == [calls[0].id]
    assert summary.left == 3
    assert summary.failed


def test_a_cell_that_cannot_be_written_is_counted(
    tmp_path: Path, plan: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> Path:
        raise StoreError("cannot write results")

    monkeypatch.setattr(Store, "write", full)
    summary = run(tmp_path, plan("good"))
    assert (len(summary.recorded), summary.unwritten, summary.left) == (0, 1, 1)


def test_no_cell_is_started_when_the_time_is_over(tmp_path: Path, plan: MakePlan) -> None:
    summary = run(tmp_path, plan("good"), stop_after=-1)
    assert summary.recorded == []
    assert summary.left == 2


def test_two_lanes_share_the_cells(
    tmp_path: Path, plan: MakePlan, trace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_PAUSE", "0.5")
    summary = run(tmp_path, plan("good", seeds=(0, 1, 2, 3)), workers=2)
    lines = [line.split() for line in trace.read_text().splitlines()]
    assert len(summary.recorded) == len(lines) == 8
    assert len({pid for *_, pid in lines}) == 2
    assert len({(name, seed) for _, name, seed, _ in lines}) == 8


def test_seeds_of_one_function_share_a_program(tmp_path: Path, plan: MakePlan, trace: Path) -> None:
    summary = run(tmp_path, plan("batched", seeds=(0, 1, 2, 3)), together=lambda cell: 3)
    programs = sorted(line.split()[2] for line in trace.read_text().splitlines())
    assert programs == ["0+1+2", "0+1+2", "3", "3"]
    scores = {(record.activation.name, record.seed): record.score for record in summary.recorded}
    assert scores == {
        (name, seed): 80.0 + seed + plus for name, plus in (("relu", 0), ("gelu", 1.5)) for seed in range(4)
    }
    shared = [record.times for record in summary.recorded if record.seed < 3]
    assert {times.together for times in shared} == {3}
    assert len({(times.total, times.startup) for times in shared}) == 2, "equal shares of two programs"
    assert all(times.total >= 0.1 for times in shared), "a third of the 0.3 s that a program takes at least"
    alone = [record for record in summary.recorded if record.seed == 3]
    assert {record.times.together for record in alone} == {1}
    assert all('"together"' not in record.to_json() for record in alone)


def test_a_seed_that_diverges_leaves_those_beside_it(tmp_path: Path, plan: MakePlan) -> None:
    summary = run(tmp_path, plan("batched", seeds=(6, 7, 8), functions=("relu",)), together=lambda cell: 3)
    assert [record.outcome for record in summary.recorded] == ["ok", "diverged", "ok"]


@pytest.mark.parametrize("task", ["batched", "forgets"])
def test_seeds_that_fail_together_are_tried_alone(tmp_path: Path, plan: MakePlan, trace: Path, task: str) -> None:
    summary = run(tmp_path, plan(task, seeds=(0, 1, 2, 3), functions=("relu",)), together=lambda cell: 4)
    assert [(record.seed, record.outcome) for record in summary.recorded] == [(seed, "ok") for seed in range(4)]
    assert {record.times.together for record in summary.recorded} == {1}


class Lossy(Local):
    """An engine whose first workers vanish with their cells, as when a machine of a cluster goes."""

    def __init__(self, *args: Any, losses: int, lost: Lost) -> None:
        super().__init__(*args)
        self.losses = losses
        self.lost = lost
        for slot in self.open():
            slot.hear = self._losing(slot.hear)  # type: ignore[method-assign]

    def _losing(self, hear: Callable[[], Message | None]) -> Callable[[], Message | None]:
        def answer() -> Message | None:
            message = hear()
            if isinstance(message, Answer) and self.losses:
                self.losses -= 1
                return self.lost
            return message

        return answer


ELSEWHERE = Report("crashed", started_at="then", fuse=True, origin=Origin("another", 3, 4.5, {}, "c0ffee", None))


def lossy(root: Path, cells: Sequence[Cell], losses: int, lost: Lost) -> list[Record]:
    conditions = Conditions(None, (PLUGIN,), 120, root / ".logs", root / ".programs")
    engine = Lossy(lanes("cpu", 1), conditions, losses=losses, lost=lost)
    summary = Runner(Store(root), engine, Lines(io.StringIO())).run(cells)
    assert len(Store(root).load().records) == len(summary.recorded) == len(cells)
    return summary.recorded


@pytest.mark.parametrize(
    ("losses", "begun", "outcomes"),
    [(2, True, ["ok", "ok"]), (3, True, ["crashed", "ok"]), (4, False, ["ok", "ok"])],
)
def test_cells_of_a_lost_worker_run_again(
    tmp_path: Path, plan: MakePlan, losses: int, begun: bool, outcomes: list[str]
) -> None:
    """Put back before all others, the first cell loses them all; after three that it began on it is what ends them."""
    records = lossy(tmp_path, plan("good"), losses, Lost("the machine is gone", begun))
    assert [record.outcome for record in records] == outcomes


def test_a_cell_that_lost_its_workers_is_recorded_where_it_ran(tmp_path: Path, plan: MakePlan) -> None:
    lost = Lost("the machine is gone", report=ELSEWHERE)
    (record,) = lossy(tmp_path, plan("good", functions=("relu",)), 3, lost)
    assert (record.outcome, record.reason) == ("crashed", "3 workers were lost with it: the machine is gone")
    assert (record.machine.cpu, record.machine.fused, record.commit) == ("another", True, "c0ffee")
    assert record.started_at == "then"


def test_cells_in_work_are_given_up_at_the_limit(tmp_path: Path, plan: MakePlan) -> None:
    summary = run(tmp_path, plan("sleeps"), limit=4)
    assert (summary.recorded, summary.left, summary.interrupted) == ([], 2, False)


def test_several_workers_share_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.devices.visible_gpus", lambda: ["4", "6"])
    assert [lane.environment["CUDA_VISIBLE_DEVICES"] for lane in lanes("cuda", 5)] == ["4", "6", "4", "6", "4"]
    assert [lane.environment["CUDA_VISIBLE_DEVICES"] for lane in lanes("cuda", None)] == ["4", "6"]
