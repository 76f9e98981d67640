"""Every verdict, and what it takes to get it."""

import math
from collections.abc import Sequence
from typing import Any

import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from bench.clrs import ALGORITHMS
from bench.compare import make_boards
from bench.inference import FEWEST_PAIRS, resolution
from bench.judge import MARGINS, SIGNS, Judgement, TaskJudgement, counted, interval, judge
from bench.records import Record

from .conftest import MakeRecord

RELU = (70.0, 71.0, 72.0, 73.0, 74.0)
NOISE = (-0.05, 0.05, 0.0, -0.03, 0.03)
"""Sums to 0."""


def records(
    make_record: MakeRecord, name: str, scores: Sequence[float], task: str = "t", family: str = "vision", **others: Any
) -> list[Record]:
    """One activation on one task, by seed."""
    return [make_record(task, name, seed, score, family=family, **others) for seed, score in enumerate(scores)]


def shifted(by: float, scatter: float = 1.0) -> list[float]:
    """ReLU's scores and a difference with this mean."""
    return [score + by + scatter * noise for score, noise in zip(RELU, NOISE, strict=True)]


def judged(held: Sequence[Record]) -> tuple[TaskJudgement, ...]:
    (board,) = make_boards(held)
    return judge(board)


def one(make_record: MakeRecord, scores: Sequence[float], family: str = "vision", **others: Any) -> Judgement:
    """The judgement of one activation with these scores beside ReLU, on a board of their own."""
    relu = records(make_record, "relu", RELU, family=family, **others)
    (task,) = judged(relu + records(make_record, "gelu", scores, family=family, **others))
    return task.by_label["gelu"]


def test_better_and_worse(make_record: MakeRecord) -> None:
    assert one(make_record, shifted(+1)).verdict == "better"
    assert one(make_record, shifted(-1)).verdict == "worse"


def test_where_lower_is_better_the_signs_are_the_other_way_round(make_record: MakeRecord) -> None:
    up, down = (one(make_record, shifted(by), higher=False) for by in (+1, -1))
    assert (up.verdict, down.verdict) == ("worse", "better")
    assert up.difference is not None
    assert up.difference.value == pytest.approx(1)  # a difference of scores, whatever the direction
    assert up.improvement == 1 - (one(make_record, shifted(+1)).improvement or 0)


def test_numbers_are_those_of_scipy(make_record: MakeRecord) -> None:
    scores = [71.0, 70.5, 73.5, 74.0, 73.9]
    found = one(make_record, scores)
    expected = stats.ttest_rel(scores, RELU)
    low, high = expected.confidence_interval(0.95)
    assert found.difference is not None
    assert (found.difference.low, found.difference.high) == pytest.approx((low, high))
    assert found.p == pytest.approx(expected.pvalue)  # a single test: Holm changes nothing
    assert found.improvement == pytest.approx(stats.mannwhitneyu(scores, RELU).statistic / 25)
    deviation = stats.tstd([a - b for a, b in zip(scores, RELU, strict=True)])
    assert found.resolution == pytest.approx(resolution(5) * deviation)


def test_relu_itself_has_no_verdict(make_record: MakeRecord) -> None:
    (task,) = judged(records(make_record, "relu", RELU) + records(make_record, "gelu", shifted(1)))
    relu = task.by_label["relu"]
    assert relu.verdict is None
    assert math.isnan(relu.p)
    assert task.tests == 1


def test_a_failed_cell_fails_the_row_however_good_the_others(make_record: MakeRecord) -> None:
    held = records(make_record, "relu", (*RELU, 75.0)) + records(make_record, "gelu", shifted(5))
    held.append(make_record("t", "gelu", 5, family="vision", outcome="diverged"))
    (task,) = judged(held)
    row = task.by_label["gelu"]
    assert row.verdict == "failed"
    assert math.isnan(row.p)
    assert row.difference is not None  # what is known of the others is shown


def test_a_row_that_failed_everywhere_has_nothing_but_that(make_record: MakeRecord) -> None:
    held = [*records(make_record, "relu", RELU), make_record("t", "gelu", 0, family="vision", outcome="crashed")]
    (task,) = judged(held)
    row = task.by_label["gelu"]
    assert (row.verdict, row.difference, row.improvement) == ("failed", None, None)
    assert math.isnan(row.resolution)


def test_below_five_pairs_there_is_no_verdict_however_large_the_difference(make_record: MakeRecord) -> None:
    few = FEWEST_PAIRS - 1
    row = one(make_record, shifted(30)[:few])
    assert row.verdict == "not enough seeds"
    assert math.isnan(row.p)
    assert row.difference is not None
    assert row.difference.low > 29  # the interval is shown
    assert one(make_record, shifted(0, 0.1)[:few]).verdict == "not enough seeds"


def test_pairs_count_and_not_runs(make_record: MakeRecord) -> None:
    held = records(make_record, "relu", RELU)
    held += [make_record("t", "gelu", seed + 2, 90.0 + seed, family="vision") for seed in range(5)]
    (task,) = judged(held)
    row = task.by_label["gelu"]
    assert row.row.difference is not None
    assert (row.row.difference.n, task.pairs) == (3, (3, 3))
    assert row.verdict == "not enough seeds"


def test_without_a_shared_seed_there_is_no_difference(make_record: MakeRecord) -> None:
    held = [*records(make_record, "relu", RELU), make_record("t", "gelu", 9, 90.0, family="vision")]
    (task,) = judged(held)
    row = task.by_label["gelu"]
    assert (row.verdict, row.difference) == ("not enough seeds", None)
    assert math.isnan(row.resolution)
    assert (task.pairs, task.tests) == ((0, 0), 1)
    assert math.isnan(task.scatter)
    assert math.isnan(task.resolution)


def test_a_single_pair_has_no_interval(make_record: MakeRecord) -> None:
    row = one(make_record, shifted(1)[:1])
    assert row.difference is not None
    assert row.difference.value == pytest.approx(0.95)
    assert math.isnan(row.difference.low)
    assert math.isnan(row.resolution)
    assert row.verdict == "not enough seeds"


def test_without_relu_nothing_is_judged(make_record: MakeRecord) -> None:
    (task,) = judged(records(make_record, "gelu", RELU))
    row = task.by_label["gelu"]
    assert (row.verdict, row.difference, row.improvement) == ("not enough seeds", None, None)


def test_no_different_needs_the_whole_interval_within_the_margin(make_record: MakeRecord) -> None:
    margin = MARGINS["vision"]
    reach = stats.t.ppf(0.975, 4) * stats.tstd(NOISE) / math.sqrt(5)
    assert reach < margin / 2
    for by, verdict in (
        (0.0, "no different"),
        (margin - reach - 1e-6, "no different"),
        (-margin + reach + 1e-6, "no different"),
        (margin - reach + 1e-6, "better"),
        (-margin + reach - 1e-6, "worse"),
    ):
        assert one(make_record, shifted(by)).verdict == verdict


def test_a_difference_beyond_chance_but_within_the_margin_is_no_different(make_record: MakeRecord) -> None:
    row = one(make_record, shifted(0.1))
    assert row.p < 0.05
    assert row.verdict == "no different"


def test_a_wide_interval_around_0_is_no_verdict(make_record: MakeRecord) -> None:
    row = one(make_record, shifted(0, 20))
    assert row.p == pytest.approx(1)
    assert row.verdict == "not enough seeds"


def test_a_family_without_a_margin_is_never_called_no_different(make_record: MakeRecord) -> None:
    assert one(make_record, shifted(0), family="of-a-plugin").verdict == "not enough seeds"
    assert one(make_record, shifted(1), family="of-a-plugin").verdict == "better"


def test_the_margin_is_that_of_the_family(make_record: MakeRecord) -> None:
    scores = shifted(0.5)
    assert MARGINS["clrs30"] > 0.6 > MARGINS["vision"]
    assert one(make_record, scores, family="clrs30").verdict == "no different"
    assert one(make_record, scores, family="vision").verdict == "better"


@pytest.mark.parametrize("scores", [RELU, (90.11, 91.23, 89.47, 90.83, 91.61)])
def test_equal_differences_are_no_certainty(make_record: MakeRecord, scores: tuple[float, ...]) -> None:
    """A coarse metric: all five differences are the same, but for rounding, so nothing is known of the scatter."""
    held = records(make_record, "relu", scores) + records(
        make_record, "gelu", [round(score + 0.32, 2) for score in scores]
    )
    (task,) = judged(held)
    row = task.by_label["gelu"]
    assert math.isnan(row.p)
    assert row.verdict == "not enough seeds"


def test_the_same_scores_are_no_different(make_record: MakeRecord) -> None:
    assert one(make_record, RELU).verdict == "no different"


def test_holm_goes_over_the_whole_board(make_record: MakeRecord) -> None:
    scatters = {("a", "gelu"): 1.0, ("a", "silu"): 8.0, ("b", "gelu"): 3.0, ("b", "silu"): 5.0}
    held = [record for task in ("a", "b") for record in records(make_record, "relu", RELU, task)]
    for (task, name), scatter in scatters.items():
        held += records(make_record, name, shifted(0.3, scatter), task)
    tasks = {task.table.task.name: task for task in judged(held)}
    raw = [stats.ttest_rel(shifted(0.3, scatter), RELU).pvalue for scatter in scatters.values()]
    expected = multipletests(raw, 0.05, "holm")[1]
    found = [tasks[task].by_label[name].p for task, name in scatters]
    assert found == pytest.approx(list(expected))
    assert found[0] == pytest.approx(4 * raw[0])
    assert {task.tests for task in tasks.values()} == {4}
    row = tasks["a"].by_label["gelu"]
    assert row.resolution == pytest.approx(resolution(5, 4) * stats.tstd(NOISE))


def test_a_difference_found_alone_can_be_lost_among_many(make_record: MakeRecord) -> None:
    scores = shifted(0.4, 6)
    alone = one(make_record, scores)
    assert alone.verdict == "better"
    held = records(make_record, "relu", RELU) + records(make_record, "gelu", scores)
    for number in range(40):
        held += records(make_record, f"f-{number}", shifted(0.0, 6))
    (task,) = judged(held)
    assert task.by_label["gelu"].p == pytest.approx(min(1, 41 * alone.p))
    assert task.by_label["gelu"].verdict == "not enough seeds"


def test_failed_rows_are_no_tests(make_record: MakeRecord) -> None:
    held = records(make_record, "relu", RELU) + records(make_record, "gelu", shifted(1))
    held += records(make_record, "sine", shifted(1)[:4])
    held.append(make_record("t", "sine", 4, family="vision", outcome="diverged"))
    (task,) = judged(held)
    assert task.tests == 1
    assert task.by_label["gelu"].p == pytest.approx(stats.ttest_rel(shifted(1), RELU).pvalue)


def test_a_task_resolves_by_the_pooled_scatter_and_the_most_pairs(make_record: MakeRecord) -> None:
    relu = [70.0 + seed for seed in range(6)]
    held = records(make_record, "relu", relu)
    held += records(make_record, "gelu", [s + (-1) ** k for k, s in enumerate(relu)])
    held += records(make_record, "silu", [s + 2 * (-1) ** k for k, s in enumerate(relu)])
    held += records(make_record, "mish", relu[:5])
    (task,) = judged(held)
    assert task.pairs == (5, 6)
    squares = 5 * stats.tvar([1, -1] * 3) + 5 * stats.tvar([2, -2] * 3)  # and 4 × 0 of the row with five pairs
    assert task.scatter == pytest.approx(math.sqrt(squares / 14))
    assert task.resolution == pytest.approx(resolution(6, 3) * task.scatter)
    assert task.needed(20) == pytest.approx(resolution(20, 3) * task.scatter)


def test_pairing_is_worth_the_variance_that_it_takes_off(make_record: MakeRecord) -> None:
    """All of it where the function follows ReLU; less than nothing where it goes the other way; pooled over both."""
    relu = records(make_record, "relu", RELU)
    like, unlike = records(make_record, "like", shifted(1, 0)), records(make_record, "unlike", RELU[::-1])
    (follows,), (opposes,), (both,) = (judged(relu + held) for held in (like, unlike, like + unlike))
    assert follows.paired_off == pytest.approx(1)
    assert opposes.paired_off == pytest.approx(-1)
    assert both.paired_off == pytest.approx(0)
    (single,) = judged(relu + records(make_record, "once", (70.0,)))
    (still,) = judged([one for name in ("relu", "flat") for one in records(make_record, name, (70.0,) * 5)])
    assert math.isnan(single.paired_off)
    assert math.isnan(still.paired_off)


def test_the_clrs_mean_is_judged_and_shares_the_error(make_record: MakeRecord) -> None:
    held = []
    for number in range(ALGORITHMS):
        for name, scores in (("relu", RELU), ("gelu", shifted(2, 1 + number / 30))):
            held += records(make_record, name, scores, f"clrs30-a{number:02}", "clrs30")
    *algorithms, mean = judged(held)
    assert len(algorithms) == ALGORITHMS
    assert mean.tests == ALGORITHMS + 1
    assert mean.margin == MARGINS["clrs30"]
    row = mean.by_label["gelu"]
    assert row.difference is not None
    assert row.difference.value == pytest.approx(2)
    assert row.verdict == "better"


def test_an_interval_of_another_level(make_record: MakeRecord) -> None:
    row = one(make_record, shifted(1)).row
    wide, narrow = interval(row, 0.01), interval(row, 0.1)
    low, _ = stats.ttest_rel(shifted(1), RELU).confidence_interval(0.99)
    assert wide is not None
    assert narrow is not None
    assert wide.low == pytest.approx(low)
    assert wide.low < narrow.low


def test_verdicts_are_counted_over_the_tasks_that_an_activation_has(make_record: MakeRecord) -> None:
    held = []
    for task, by in (("a", 1.0), ("b", 1.0), ("c", -1.0), ("d", 0.0)):
        held += records(make_record, "relu", RELU, task) + records(make_record, "gelu", shifted(by), task)
    held += records(make_record, "relu", RELU, "e")
    found = counted(judged(held), "gelu")
    assert found == {"better": 2, "worse": 1, "no different": 1, "not enough seeds": 0, "failed": 0}
    assert set(found) == set(SIGNS)
