"""Rank correlations, picks and their regret, on boards small enough to do by hand."""

import math
from collections.abc import Mapping

import pytest

from bench.compare import Board, make_boards
from bench.inference import kendall
from bench.transfer import Pick, Transfer, transfer

from .conftest import MakeRecord

LN2 = math.log(2)
TASKS = {
    "v": ("vision", {"relu": 60.0, "gelu": 70.0, "silu": 55.0}),
    "m": ("molecules", {"relu": 60.0, "gelu": 55.0, "silu": 90.0}),
    "c": ("clrs30", {"relu": 60.0, "gelu": 55.0, "silu": 90.0}),
    "l": ("lab", {"relu": -1.0, "gelu": -2.0, "silu": -1.5}),
}
"""Skills of gelu over ReLU's: 2, 1/2, 1/2, and of silu: 1/2, 4, 4; in the lab 10 and √10."""


def board_of(make_record: MakeRecord, tasks: Mapping[str, tuple[str, Mapping[str, float]]] = TASKS) -> Board:
    (board,) = make_boards(
        make_record(
            task,
            name,
            score=score,
            family=family,
            **({"unit": "log10 loss", "higher": False} if family == "lab" else {}),
        )
        for task, (family, scores) in tasks.items()
        for name, score in scores.items()
    )
    return board


def found(make_record: MakeRecord, *names: str) -> Transfer:
    report = transfer(board_of(make_record, {name: TASKS[name] for name in names} if names else TASKS))
    assert report is not None
    return report


def by_source(picks: tuple[Pick, ...]) -> dict[str, Pick]:
    return {pick.picked_on: pick for pick in picks}


def test_nothing_to_say_below_two_tasks_or_three_functions(make_record: MakeRecord) -> None:
    assert transfer(board_of(make_record, {"v": TASKS["v"]})) is None
    two = {task: (family, {n: s for n, s in scores.items() if n != "silu"}) for task, (family, scores) in TASKS.items()}
    assert transfer(board_of(make_record, two)) is None
    without = {
        task: (family, {n: s for n, s in scores.items() if n != "relu"}) for task, (family, scores) in TASKS.items()
    }
    assert transfer(board_of(make_record, without)) is None


def test_what_is_not_complete_is_left_out(make_record: MakeRecord) -> None:
    tasks = dict(TASKS)
    tasks["v"] = ("vision", {**TASKS["v"][1], "sine": 99.0})
    report = transfer(board_of(make_record, tasks))
    assert report is not None
    assert report.functions == 3
    assert "sine" not in {pick.function for pick in report.picked_on_one}


def test_correlations_of_tasks_families_and_lab_with_field(make_record: MakeRecord) -> None:
    report = found(make_record)
    assert list(report.between) == [
        ("v", "m"),
        ("v", "c"),
        ("v", "l"),
        ("m", "c"),
        ("m", "l"),
        ("c", "l"),
        ("family vision", "family molecules"),
        ("family vision", "family clrs30"),
        ("family vision", "family lab"),
        ("family molecules", "family clrs30"),
        ("family molecules", "family lab"),
        ("family clrs30", "family lab"),
        ("family lab", "field"),
    ]
    assert report.between["v", "m"].tau == pytest.approx(-1)
    assert report.between["m", "c"].tau == pytest.approx(1)
    assert report.between["v", "l"] == kendall([1, 0, -1], [2, 0, 1])  # gelu, relu, silu
    assert report.between["v", "l"].n == 3


def test_the_direction_of_a_metric_is_minded(make_record: MakeRecord) -> None:
    tasks = {"l": TASKS["l"], "v": ("vision", {"relu": 60.0, "gelu": 80.0, "silu": 70.0})}
    report = transfer(board_of(make_record, tasks))
    assert report is not None
    assert report.between["v", "l"].tau == pytest.approx(1)


def test_tasks_of_one_family_have_no_family_rows(make_record: MakeRecord) -> None:
    scores = TASKS["v"][1]
    report = transfer(board_of(make_record, {"a": ("vision", scores), "b": ("vision", scores)}))
    assert report is not None
    assert list(report.between) == [("a", "b")]


def test_a_pick_is_judged_on_the_other_tasks_of_the_field(make_record: MakeRecord) -> None:
    picks = by_source(found(make_record).picked_on_one)
    assert list(picks) == ["the lab", "v", "m", "c", "l"]
    one = picks["v"]
    assert (one.function, one.tasks, one.best) == ("gelu", 2, "silu")
    assert one.gain == pytest.approx(-LN2)
    assert one.regret == pytest.approx(2 * LN2 + LN2)  # silu has ln 4 on both
    assert one.worst[0] == "m"  # the first of two that are alike
    assert one.worst[1] == pytest.approx(-LN2)


def test_the_best_pick_has_no_regret(make_record: MakeRecord) -> None:
    one = by_source(found(make_record).picked_on_one)["m"]
    assert (one.function, one.best, one.regret) == ("silu", "silu", 0)
    assert one.gain == pytest.approx(0.5 * LN2)  # 1/2 on v and 4 on c
    assert one.worst[0] == "v"
    assert one.worst[1] == pytest.approx(-LN2)


def test_what_the_lab_picks_is_judged_on_the_whole_field(make_record: MakeRecord) -> None:
    one = by_source(found(make_record).picked_on_one)["the lab"]
    assert (one.function, one.tasks) == ("gelu", 3)
    assert one.gain == pytest.approx(-LN2 / 3)
    assert one.regret == pytest.approx(LN2 + LN2 / 3)


def test_leaving_one_task_out(make_record: MakeRecord) -> None:
    picks = by_source(found(make_record).left_one_out)
    assert list(picks) == ["all but v", "all but m", "all but c"]  # the lab has no say
    one = picks["all but v"]
    assert (one.function, one.tasks, one.best) == ("silu", 1, "gelu")
    assert one.gain == pytest.approx(-LN2)
    assert one.regret == pytest.approx(2 * LN2)
    assert one.worst[0] == "v"
    assert one.worst[1] == pytest.approx(-LN2)
    assert picks["all but c"].function == "silu"


def test_a_board_of_the_lab_alone_is_its_own_field(make_record: MakeRecord) -> None:
    scores = TASKS["l"][1]
    report = transfer(board_of(make_record, {"a": ("lab", scores), "b": ("lab", scores)}))
    assert report is not None
    assert [pick.picked_on for pick in report.picked_on_one] == ["a", "b"]
    assert [pick.regret for pick in report.left_one_out] == [0, 0]
    assert report.kinds == ()


def test_a_function_at_a_guess_is_last_and_its_regret_has_no_end(make_record: MakeRecord) -> None:
    tasks = dict(TASKS)
    tasks["m"] = ("molecules", {"relu": 60.0, "gelu": 40.0, "silu": 90.0})
    report = transfer(board_of(make_record, tasks))
    assert report is not None
    one = by_source(report.picked_on_one)["v"]
    assert (one.function, one.best) == ("gelu", "silu")
    assert (one.gain, one.regret) == (-math.inf, math.inf)
    assert report.between["v", "m"].tau == pytest.approx(-1)


def test_kinds_lay_lab_and_field_side_by_side(make_record: MakeRecord) -> None:
    board_records = [record for table in board_of(make_record).tables for record in table.records]
    mixed = {"pointwise": False}
    (board,) = make_boards(
        record.model_copy(update={"activation": record.activation.model_copy(update=mixed)})
        if record.activation.name == "silu"
        else record
        for record in board_records
    )
    report = transfer(board)
    assert report is not None
    one, rest = report.kinds
    assert (one.name, one.pointwise, one.functions) == ("silu", False, 1)
    assert (one.lab, one.field) == pytest.approx((0.5 * math.log(10), LN2))
    assert (rest.pointwise, rest.functions) == (True, 1)  # gelu; ReLU itself is the zero of both
    assert (rest.lab, rest.field) == pytest.approx((math.log(10), -LN2 / 3))


def test_kinds_need_both_lab_and_field(make_record: MakeRecord) -> None:
    assert found(make_record, "v", "m").kinds == ()


def test_the_median_of_the_pointwise_functions(make_record: MakeRecord) -> None:
    tasks = {
        task: (family, {**scores, "mish": {"lab": -4.0}.get(family, 60.0)}) for task, (family, scores) in TASKS.items()
    }
    report = transfer(board_of(make_record, tasks))
    assert report is not None
    (rest,) = report.kinds
    assert rest.functions == 3
    assert (rest.lab, rest.field) == pytest.approx((math.log(10), 0))
