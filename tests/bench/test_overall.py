"""The mean log-ratio by hand on small numbers, its interval, and ranks shared by what cannot be told apart."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from scipy import stats

from bench.compare import make_boards
from bench.overall import Overall, log_ratios, rank_board
from bench.records import Record

from .conftest import MakeRecord

CHANCE = 50.0
"""Of the records that the fixture makes."""
LOG: dict[str, Any] = {"unit": "log10 loss", "higher": False}


def records(
    make_record: MakeRecord,
    task: str,
    scores: Mapping[str, Sequence[float]],
    family: str = "vision",
    **others: Any,
) -> list[Record]:
    """Some activations on one task, by seed."""
    return [
        make_record(task, name, seed, score, family=family, **others)
        for name, of_name in scores.items()
        for seed, score in enumerate(of_name)
    ]


def ranked(held: Sequence[Record]) -> dict[str, Overall]:
    (board,) = make_boards(held)
    return {row.label: row for row in rank_board(board)}


def field(row: Overall) -> float:
    assert row.field is not None
    return row.field.value


def test_skill_is_what_lies_above_chance(make_record: MakeRecord) -> None:
    found = ranked(records(make_record, "t", {"relu": [70.0, 80.0], "gelu": [75.0, 95.0]}))
    assert field(found["gelu"]) == pytest.approx(math.log((85 - CHANCE) / (75 - CHANCE)))
    assert field(found["relu"]) == 0


def test_its_interval_is_the_delta_methods_on_the_pairs(make_record: MakeRecord) -> None:
    """Sample variances 50 and 200, covariance 100, skills 25 and 35, two pairs."""
    found = ranked(records(make_record, "t", {"relu": [70.0, 80.0], "gelu": [75.0, 95.0]}))["gelu"].field
    error = math.sqrt((200 / 35**2 + 50 / 25**2 - 2 * 100 / (35 * 25)) / 2)
    reach = stats.t.ppf(0.975, 1) * error
    assert found is not None
    assert (found.low, found.high) == pytest.approx((found.value - reach, found.value + reach))


def test_a_metric_without_chance_is_taken_as_it_is(make_record: MakeRecord) -> None:
    held = [
        record.model_copy(
            update={"task": record.task.model_copy(update={"metric": record.task.metric.model_copy(update=gone)})}
        )
        for gone in ({"chance": None},)
        for record in records(make_record, "t", {"relu": [40.0, 60.0], "gelu": [70.0, 80.0]})
    ]
    assert field(ranked(held)["gelu"]) == pytest.approx(math.log(75 / 50))


def test_where_lower_is_better_the_ratio_is_turned_round_and_chance_plays_no_part(make_record: MakeRecord) -> None:
    held = records(make_record, "t", {"relu": [0.4, 0.6], "gelu": [0.2, 0.3]}, unit="loss", higher=False)
    assert field(ranked(held)["gelu"]) == pytest.approx(math.log(0.5 / 0.25))


def test_logarithms_are_subtracted(make_record: MakeRecord) -> None:
    held = records(make_record, "t", {"relu": [-1.0, -2.0, -3.0], "gelu": [-2.0, -2.5, -4.2]}, **LOG)
    found = ranked(held)["gelu"].field
    ratios = [math.log(10) * difference for difference in (1.0, 0.5, 1.2)]
    low, high = stats.ttest_1samp(ratios, 0).confidence_interval(0.95)
    assert found is not None
    assert found.value == pytest.approx(sum(ratios) / 3)
    assert (found.low, found.high) == pytest.approx((low, high))


def test_it_is_the_mean_over_tasks_of_a_family_then_over_families(make_record: MakeRecord) -> None:
    held = records(make_record, "v", {"relu": [60.0, 60.0], "gelu": [70.0, 70.0]})  # ln 2
    for task in ("a", "b", "c"):
        held += records(make_record, task, {"relu": [70.0, 70.0], "gelu": [60.0, 60.0]}, family="clrs30")  # −ln 2
    assert field(ranked(held)["gelu"]) == pytest.approx(0)


def test_the_interval_over_tasks_is_welchs(make_record: MakeRecord) -> None:
    """Two tasks of one family on a log scale: the mean of two paired means with 2 and 3 degrees of freedom."""
    one, other = [0.1, 0.3, 0.5], [0.2, -0.4, 0.9, 0.3]
    held = records(make_record, "a", {"relu": [0.0] * 3, "gelu": [-x for x in one]}, **LOG)
    held += records(make_record, "b", {"relu": [0.0] * 4, "gelu": [-x for x in other]}, **LOG)
    found = ranked(held)["gelu"].field
    parts = [(math.log(10) * stats.tstd(x)) ** 2 / len(x) / 4 for x in (one, other)]
    df = sum(parts) ** 2 / (parts[0] ** 2 / 2 + parts[1] ** 2 / 3)
    value = math.log(10) * (0.3 + 0.25) / 2
    reach = stats.t.ppf(0.975, df) * math.sqrt(sum(parts))
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((value, value - reach, value + reach))


def test_only_seeds_that_both_have_count(make_record: MakeRecord) -> None:
    """gelu lacks relu's luckiest seed: it is compared with relu without it, and silu with both on its own pairs."""
    scores = {"relu": [60.0, 62.0, 90.0], "gelu": [60.0, 62.0], "silu": [70.0, 72.0, 100.0]}
    (board,) = make_boards(records(make_record, "t", scores))
    labels = ["gelu", "relu", "silu"]
    ratio, error, n = log_ratios(board.tables[0], labels)
    assert n.tolist() == [[2, 2, 2], [2, 3, 3], [2, 3, 3]]
    assert ratio[0, 1] == pytest.approx(0)
    assert ratio[0, 2] == pytest.approx(math.log(11 / 21))
    assert ratio[2, 1] == pytest.approx(math.log((242 / 3 - 50) / (212 / 3 - 50)))
    assert ratio[1, 2] == -ratio[2, 1]
    assert error[1, 2] == pytest.approx(error[2, 1])
    found = ranked(board.tables[0].records)
    assert field(found["gelu"]) == pytest.approx(0)


def test_a_single_pair_gives_a_value_and_no_interval(make_record: MakeRecord) -> None:
    found = ranked(records(make_record, "t", {"relu": [60.0], "gelu": [70.0]}))
    gelu = found["gelu"].field
    assert gelu is not None
    assert gelu.value == pytest.approx(math.log(2))
    assert math.isnan(gelu.low)
    assert {row.rank for row in found.values()} == {1}


def test_a_row_no_better_than_a_guess_is_not_ranked(make_record: MakeRecord) -> None:
    found = ranked(records(make_record, "t", {"relu": [60.0, 61.0], "gelu": [49.0, 51.0], "silu": [61.0, 60.0]}))
    gelu = found["gelu"]
    assert (gelu.rank, gelu.field, gelu.worst) == (None, None, None)
    assert len(gelu.gaps) == 1
    assert gelu.gaps[0].startswith("its score on t ")
    assert found["silu"].rank == found["relu"].rank == 1
    assert list(found)[-1] == "gelu"


def test_a_row_without_a_task_is_out(make_record: MakeRecord) -> None:
    held = records(make_record, "a", {"relu": [60.0, 61.0], "gelu": [90.0, 91.0], "silu": [60.0, 61.5]})
    held += records(make_record, "b", {"relu": [60.0, 61.0], "silu": [60.0, 61.5]})
    found = ranked(held)
    assert found["gelu"].gaps == ("b was not run",)
    assert (found["gelu"].rank, found["gelu"].field) == (None, None)
    assert found["silu"].rank == 1


def test_a_failed_cell_is_out_and_counted(make_record: MakeRecord) -> None:
    held = records(make_record, "t", {"relu": [60.0, 61.0, 62.0], "gelu": [90.0, 91.0]})
    held.append(make_record("t", "gelu", 2, family="vision", outcome="diverged"))
    gelu = ranked(held)["gelu"]
    assert gelu.gaps == ("t: 1 diverged of 3",)
    assert gelu.rank is None
    assert gelu.outcomes == {"ok": 2, "diverged": 1}
    assert gelu.diverged == pytest.approx(1 / 3)


def test_the_lab_is_kept_apart(make_record: MakeRecord) -> None:
    held = records(make_record, "v", {"relu": [60.0, 61.0], "gelu": [59.0, 60.0]})
    held += records(make_record, "lab-a", {"relu": [0.0, 0.1], "gelu": [-3.0, -3.1]}, family="lab", **LOG)
    gelu = ranked(held)["gelu"]
    assert gelu.field is not None
    assert gelu.lab is not None
    assert gelu.field.value == pytest.approx(math.log(9.5 / 10.5))
    assert gelu.lab.value == pytest.approx(3.1 * math.log(10))
    assert gelu.ranked_by == gelu.field
    assert gelu.worst == ("v", gelu.field.value)


def test_a_board_of_the_lab_alone_is_ranked_by_it(make_record: MakeRecord) -> None:
    scores = {"relu": [0.0, 0.1, 0.2, 0.0, 0.1], "gelu": [-3.0, -3.1, -2.8, -3.1, -2.9]}
    found = ranked(records(make_record, "a", scores, family="lab", **LOG))
    gelu = found["gelu"]
    assert gelu.field is None
    assert gelu.ranked_by == gelu.lab
    assert (gelu.rank, found["relu"].rank) == (1, 2)


def test_nobody_is_ranked_below_another_by_fewer_pairs_than_a_verdict_needs(make_record: MakeRecord) -> None:
    scores = {"relu": [70.0, 71.0, 70.0, 71.0, 70.0], "gelu": [90.0, 90.0, 91.0, 90.0, 91.0]}
    for pairs, ranks in ((5, {1, 2}), (4, {1})):
        found = ranked(records(make_record, "t", {name: held[:pairs] for name, held in scores.items()}))
        assert {row.rank for row in found.values()} == ranks
        few = records(make_record, "u", {name: held[:pairs] for name, held in scores.items()})
        both = ranked([*records(make_record, "t", scores), *few])
        assert {row.rank for row in both.values()} == ranks


def test_beside_an_incomplete_relu_nobody_is_ranked(make_record: MakeRecord) -> None:
    held = records(make_record, "t", {"relu": [60.0, 61.0], "gelu": [62.0, 63.0]})
    held.append(make_record("t", "relu", 2, family="vision", outcome="diverged"))
    found = ranked(held)
    assert found["gelu"].gaps == ("ReLU is incomplete",)
    assert found["relu"].gaps == ("t: 1 diverged of 3",)
    assert {row.rank for row in found.values()} == {None}


def test_worst_is_the_task_farthest_behind_relu(make_record: MakeRecord) -> None:
    held = []
    for task, gelu in (("a", 70.0), ("b", 55.0), ("c", 58.0)):
        held += records(make_record, task, {"relu": [60.0, 60.0], "gelu": [gelu, gelu]})
    found = ranked(held)
    task, ratio = found["gelu"].worst or ("", 0.0)
    assert task == "b"
    assert ratio == pytest.approx(math.log(0.5))
    assert found["relu"].worst == ("a", 0)


def test_what_cannot_be_told_apart_shares_a_rank(make_record: MakeRecord) -> None:
    """Two far above, two in the middle, one below: ranks 1, 1, 3, 3, 5, and within a rank by the mean."""
    jitter = (0.0, 0.3, -0.2, 0.1, -0.1)
    heights = {"relu": 70.0, "gelu": 70.05, "silu": 80.0, "mish": 80.02, "sine": 60.0}
    scores = {
        name: [height + (-1) ** (place + seed) * noise for seed, noise in enumerate(jitter)]
        for place, (name, height) in enumerate(heights.items())
    }
    found = ranked(records(make_record, "t", scores))
    assert [(label, row.rank) for label, row in found.items()] == [
        ("mish", 1),
        ("silu", 1),
        ("gelu", 3),
        ("relu", 3),
        ("sine", 5),
    ]


def test_all_pairs_share_the_error(make_record: MakeRecord) -> None:
    """What two functions show alone, p = 0.03, is lost among the ten pairs of five."""
    relu, shift = (-70.0, -71.0, -72.0, -73.0, -74.0), (0.4, 0.2, 0.9, 0.3, 0.9)
    scores = {"relu": relu, "gelu": [a - b for a, b in zip(relu, shift, strict=True)]}
    assert 0.05 / 10 < stats.ttest_rel(scores["gelu"], relu).pvalue < 0.05
    assert ranked(records(make_record, "t", scores, **LOG))["relu"].rank == 2
    for number in range(3):
        wild = [2 * (-1) ** (seed + number) for seed in range(5)]
        scores[f"f-{number}"] = [a - b / 2 + c for a, b, c in zip(relu, shift, wild, strict=True)]
    assert {row.rank for row in ranked(records(make_record, "t", scores, **LOG)).values()} == {1}


@pytest.mark.parametrize("step", [1.0, 0.37])
def test_a_constant_step_on_one_task_is_no_certainty(make_record: MakeRecord, step: float) -> None:
    """No scatter between the pairs, but for rounding: no interval, and nobody is ranked below another."""
    relu = [-1.13, -1.57, -1.91]
    found = ranked(records(make_record, "t", {"relu": relu, "gelu": [x - step for x in relu]}, **LOG))
    gelu = found["gelu"].field
    assert gelu is not None
    assert math.isnan(gelu.low)
    assert {row.rank for row in found.values()} == {1}


def test_without_relu_nobody_is_ranked(make_record: MakeRecord) -> None:
    found = ranked(records(make_record, "t", {"gelu": [60.0, 61.0], "silu": [70.0, 71.0]}))
    assert [(row.rank, row.field, row.lab) for row in found.values()] == [(None, None, None)] * 2
    assert found["gelu"].gaps == ("t shares no seed with ReLU",)


def test_a_task_on_which_relu_is_at_chance_says_so(make_record: MakeRecord) -> None:
    """Nothing can be divided by ReLU's skill there: every row is out, and for that reason."""
    held = records(make_record, "t", {"relu": [49.0, 50.0], "gelu": [70.0, 71.0]})
    found = ranked(held)
    assert {row.rank for row in found.values()} == {None}
    assert all(row.gaps == ("ReLU on t is no better than a guess",) for row in found.values())
    low = ranked(records(make_record, "t", {"relu": [70.0, 71.0], "gelu": [49.0, 50.0]}))
    assert (low["gelu"].gaps, low["relu"].rank) == (("its score on t is no better than a guess",), 1)


def test_the_order_of_records_does_not_matter(make_record: MakeRecord) -> None:
    held = records(make_record, "a", {"relu": [60.0, 61.0], "gelu": [62.0, 60.0], "silu": [61.0, 61.0]})
    held += records(make_record, "b", {"relu": [60.0, 61.0], "gelu": [62.0, 60.0], "silu": [61.0, 61.0]})
    (board,), (turned,) = make_boards(held), make_boards(held[::-1])
    assert rank_board(board) == rank_board(turned)
