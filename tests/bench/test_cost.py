"""Costs as means of ratios, and Pareto fronts by hand."""

import math

import pytest

from bench import describe
from bench.compare import make_boards, make_table
from bench.cost import Cost, costs, frontier, frontier_of, timed
from bench.evidence import gather
from bench.overall import rank_board
from bench.records import Record

from .conftest import MakeRecord


def costs_of(held: list[Record]) -> dict[str, Cost]:
    (board,) = make_boards(held)
    return costs(board, rank_board(board))


def test_a_front_by_hand() -> None:
    points = {"cheap": (1.0, 1.0), "middle": (2.0, 2.0), "dear": (3.0, 5.0), "beaten": (1.5, 3.0), "worst": (0.5, 6.0)}
    assert frontier(points) == {"cheap", "middle", "dear"}


def test_equal_points_stand_or_fall_together() -> None:
    assert frontier({"a": (1.0, 1.0), "b": (1.0, 1.0), "c": (0.0, 2.0), "d": (0.0, 2.0)}) == {"a", "b"}


def test_equal_in_one_and_beaten_in_the_other_is_out() -> None:
    assert frontier({"a": (1.0, 1.0), "dearer": (1.0, 1.1)}) == {"a"}
    assert frontier({"a": (1.0, 1.0), "poorer": (0.9, 1.0)}) == {"a"}


def test_a_front_of_none_and_of_one() -> None:
    assert frontier({}) == set()
    assert frontier({"a": (-5.0, 9.0)}) == {"a"}


def test_time_is_the_geometric_mean_over_tasks(make_record: MakeRecord) -> None:
    held = [make_record(task, "relu", train=2.0) for task in ("a", "b")]
    held += [make_record("a", "gelu", train=4.0), make_record("b", "gelu", train=1.0)]
    found = costs_of(held)
    assert found["relu"] == Cost(flops=1, time=1.0, memory=1.0, frontier=True)
    assert found["gelu"].time == pytest.approx(1.0)  # 2 and 1/2, where the arithmetic mean would say 1.25


def test_families_weigh_the_same_and_the_lab_nothing(make_record: MakeRecord) -> None:
    held = []
    for task, family, train in (("a", "vision", 4), ("b", "vision", 4), ("c", "molecules", 9), ("l", "lab", 1000)):
        held += [make_record(task, name, train=t, family=family) for name, t in (("relu", 1.0), ("gelu", train))]
    assert costs_of(held)["gelu"].time == pytest.approx(6.0)
    only_lab = [record for record in held if record.task.family == "lab"]
    assert costs_of(only_lab)["gelu"].time == pytest.approx(1000.0)


def gaps(make_record: MakeRecord, tasks: str, names: str, without: set[tuple[str, str]]) -> list[Record]:
    """ReLU, and functions named by a letter that take as many times as long as the task's place says, but for those
    that ran on another machine."""
    held = []
    for place, task in enumerate(tasks, start=2):
        held.append(make_record(task, "relu", train=1.0))
        for name in names:
            record = make_record(task, name, train=float(place))
            cpu = "another" if (task, name) in without else record.machine.cpu
            held.append(record.model_copy(update={"machine": record.machine.model_copy(update={"cpu": cpu})}))
    return held


def times(held: list[Record]) -> tuple[list[str], dict[str, float | None]]:
    """The tasks that times are over, and the time of every function but ReLU."""
    (board,) = make_boards(held)
    overall = rank_board(board)
    found = {label: cost.time for label, cost in costs(board, overall).items() if label != "relu"}
    return [table.task.name for table in timed(board, overall)], found


def test_rows_are_compared_over_the_same_tasks(make_record: MakeRecord) -> None:
    tasks, found = times(gaps(make_record, "abc", "pqr", {("c", "p"), ("c", "q")}))
    assert tasks == ["a", "b"]
    assert found == pytest.approx(dict.fromkeys("pqr", math.sqrt(6)))


def test_a_few_rows_with_many_tasks_do_not_take_the_numbers_of_all_others(make_record: MakeRecord) -> None:
    """Three functions have all of six tasks, seven others have two."""
    tasks, found = times(gaps(make_record, "abcdef", "pqrstuvwxy", {(t, n) for t in "cdef" for n in "stuvwxy"}))
    assert tasks == ["a", "b"]
    assert found == pytest.approx(dict.fromkeys("pqrstuvwxy", math.sqrt(6)))
    many, _ = times(gaps(make_record, "abcdefghi", "pqrstuv", {(t, n) for t in "cdefghi" for n in "tuv"}))
    assert many == list("abcdefghi"), "four rows by nine tasks, and seven by two"


def test_gaps_that_do_not_overlap_leave_the_larger_part(make_record: MakeRecord) -> None:
    """Counted task by task, `a` and `b` were alike, and nobody had both."""
    tasks, found = times(gaps(make_record, "ab", "pqrs", {("a", "p"), ("a", "q"), ("b", "r"), ("b", "s")}))
    assert tasks == ["a"]
    assert found == {"p": None, "q": None, "r": 2.0, "s": 2.0}


def test_a_board_says_what_its_costs_are_over(make_record: MakeRecord) -> None:
    (evidence,) = gather(gaps(make_record, "abc", "pq", {("c", "p"), ("c", "q")}))
    said = list(describe.glance(evidence))
    assert "The ranking's time is a mean over a, b." in said
    assert "The ranking's memory is a mean over a, b." in said
    (alone,) = gather(gaps(make_record, "a", "pq", set()))
    assert not any("is a mean over" in line for line in describe.glance(alone)), "there is one task"


def test_one_row_does_not_take_tasks_from_all_others(make_record: MakeRecord) -> None:
    tasks, found = times(gaps(make_record, "abcdef", "pqrs", {(task, "s") for task in "bcdef"}))
    assert tasks == list("abcdef")
    assert found["s"] is None
    assert found["p"] == pytest.approx(math.prod(range(2, 8)) ** (1 / 6))


def test_relu_alone_is_compared_with_nothing(make_record: MakeRecord) -> None:
    tasks, found = times(gaps(make_record, "ab", "p", {("a", "p"), ("b", "p")}))
    assert (tasks, found) == ([], {"p": None})


def test_memory_is_the_geometric_mean_over_tasks(make_record: MakeRecord) -> None:
    held = [make_record(task, "relu") for task in ("a", "b")]
    for task, peak in (("a", 400.0), ("b", 200.0)):
        record = make_record(task, "gelu")
        held.append(record.model_copy(update={"machine": record.machine.model_copy(update={"peak_memory_mib": peak})}))
    assert costs_of(held)["gelu"].memory == pytest.approx(math.sqrt(8))


def test_on_a_gpu_its_memory_and_the_clock_count(make_record: MakeRecord) -> None:
    held = []
    for name, peak, train in (("relu", 1000.0, 10.0), ("gelu", 1500.0, 30.0)):
        record = make_record("t", name, train=1.0)
        machine = {"device": "cuda", "gpu": "a GPU", "peak_gpu_memory_mib": peak}
        parts = {
            "machine": record.machine.model_copy(update=machine),
            "times": record.times.model_copy(update={"train": train}),
        }
        held.append(record.model_copy(update=parts))
    found = costs_of(held)["gelu"]
    assert (found.time, found.memory) == pytest.approx((3.0, 1.5))


def test_another_machine_has_no_ratio(make_record: MakeRecord) -> None:
    other = make_record("t", "gelu", score=99.0)
    other = other.model_copy(update={"machine": other.machine.model_copy(update={"cpu": "another"})})
    found = costs_of([make_record("t", "relu"), other])["gelu"]
    assert (found.time, found.memory, found.frontier) == (None, None, False)


def test_the_front_of_a_board_is_of_mean_log_ratio_and_time(make_record: MakeRecord) -> None:
    rows = {"relu": (60.0, 2.0), "gelu": (65.0, 3.0), "dear": (64.0, 4.0), "poor": (55.0, 2.0), "fast": (52.0, 1.0)}
    found = costs_of([make_record("t", name, score=score, train=train) for name, (score, train) in rows.items()])
    assert {label for label, cost in found.items() if cost.frontier} == {"relu", "gelu", "fast"}


def test_only_ranked_rows_are_on_the_front(make_record: MakeRecord) -> None:
    held = [make_record(task, "relu", score=60.0) for task in ("a", "b")]
    held.append(make_record("a", "gelu", score=99.0, train=0.1))
    found = costs_of(held)
    assert found["gelu"] == Cost(flops=1, time=None, memory=None, frontier=False)


def test_a_row_at_chance_is_not_put_on_the_front_by_its_lab(make_record: MakeRecord) -> None:
    """It has a mean over the lab but no rank: the front is of the field."""
    held = []
    for name, score, loss in (("relu", 60.0, -1.0), ("gelu", 61.0, -1.1), ("poor", 49.0, -9.0)):
        held.append(make_record("v", name, score=score, family="vision"))
        held.append(make_record("l", name, score=loss, family="lab", unit="log10 loss", higher=False))
    (board,) = make_boards(held)
    rows = {row.label: row for row in rank_board(board)}
    assert rows["poor"].rank is None
    found = costs(board, list(rows.values()))
    assert [label for label, cost in found.items() if cost.frontier] == ["gelu"]


@pytest.mark.parametrize("higher", [True, False])
def test_the_front_of_one_task_follows_its_direction(make_record: MakeRecord, higher: bool) -> None:
    rows = {"relu": (5.0, 2.0), "up": (6.0, 3.0), "down": (4.0, 3.0)}
    held = [make_record("t", name, score=score, train=train, higher=higher) for name, (score, train) in rows.items()]
    held += [make_record("t", "sine", 0, 9.0 if higher else 0.0, train=0.1, higher=higher)]
    held += [make_record("t", "sine", 1, outcome="diverged", higher=higher)]
    assert frontier_of(make_table(held).rows, higher) == {"relu", "up" if higher else "down"}
