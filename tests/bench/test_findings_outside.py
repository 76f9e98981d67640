"""Periodic perturbations of GELU against ReLU and GELU, on boards small enough to do by hand."""

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from scipy import stats

from bench.findings import render_findings
from bench.findings.outside import Contrast, outside
from bench.records import Record, Tuning

from .conftest import MakeRecord
from .small_boards import CHANCE, LOG, RELU, board_of, evidence_of, four, records


def contrast(held: Sequence[Record], function: str, other: str, place: str = "field") -> Contrast:
    found = outside(board_of(held))
    assert found is not None
    (one,) = [one for one in found.contrasts if (one.function, one.other, one.place) == (function, other, place)]
    return one


def test_a_periodic_function_that_is_better_is_told(make_record: MakeRecord) -> None:
    held = records(make_record, "m", four(), "molecules")
    one = contrast(held, "gelu-sine", "relu")
    assert one.verdict == "better"
    assert one.mean is not None
    assert one.mean.value == pytest.approx(math.log(30 / 20))
    assert contrast(held, "gelu-sinc-perturbation", "relu").verdict == "cannot tell"
    assert contrast(held, "gelu-sinc-perturbation", "relu").published == pytest.approx(math.log(0.887 / 0.862))
    assert one.published is None
    assert contrast(records(make_record, "m", four(sine=-10), "molecules"), "gelu-sine", "gelu").verdict == "worse"


def linear(own: Sequence[float], other: Sequence[float]) -> list[float]:
    """Numbers whose mean is the log-ratio of two mean skills and whose t test is the delta method on the pairs."""
    a, b = (math.fsum(scores) / len(scores) - CHANCE for scores in (own, other))
    return [(x - CHANCE) / a - (y - CHANCE) / b + math.log(a / b) for x, y in zip(own, other, strict=True)]


def test_the_tests_of_a_board_share_the_error_by_holm(make_record: MakeRecord) -> None:
    held, scores = records(make_record, "m", four(), "molecules"), four()
    pairs = [(function, other) for function in ("gelu-sine", "gelu-sinc-perturbation") for other in ("relu", "gelu")]
    raw = sorted(float(stats.ttest_1samp(linear(scores[one], scores[other]), 0).pvalue) for one, other in pairs)
    expected = [max(min(1.0, p * (4 - done)) for done, p in enumerate(raw[: last + 1])) for last in range(4)]
    assert sorted(contrast(held, *pair).p for pair in pairs) == pytest.approx(expected)


def test_only_what_is_tested_outside_of_its_training_counts(make_record: MakeRecord) -> None:
    held = [
        *records(make_record, "v", four(sine=-15), "vision"),
        *records(make_record, "c", four(sine=10), "clrs30"),
        *records(make_record, "l", four(sine=-1), "lab", **LOG),
    ]
    one = contrast(held, "gelu-sine", "relu")
    assert [task.table.task.name for task in one.tasks] == ["c"]
    assert one.verdict == "better"
    lab = contrast(held, "gelu-sine", "relu", "lab")
    assert lab.mean is not None
    assert lab.mean.value == pytest.approx(math.log(10)), "a lower loss is better"


def test_a_task_that_lacks_a_function_is_left_out_of_its_comparisons_alone_and_named(make_record: MakeRecord) -> None:
    without = {name: scores for name, scores in four().items() if name != "gelu"}
    held = [*records(make_record, "m", four(), "molecules"), *records(make_record, "c", without, "clrs30")]
    found = outside(board_of(held))
    assert found is not None
    assert found.left_out == ("gelu was not run on c",)
    assert [task.table.task.name for task in contrast(held, "gelu-sine", "gelu").tasks] == ["m"]
    assert [task.table.task.name for task in contrast(held, "gelu-sine", "relu").tasks] == ["m", "c"]


def test_a_task_that_few_learn_is_left_out_and_named(make_record: MakeRecord) -> None:
    weak = {name: [CHANCE + (score - CHANCE) / 20 for score in scores] for name, scores in four(sine=-10).items()}
    held = [*records(make_record, "m", four(), "molecules"), *records(make_record, "weak", weak, "clrs30")]
    found = outside(board_of(held))
    assert found is not None
    assert found.left_out == ("weak, since 0 of 4 regular activations learn it",)
    assert [task.table.task.name for task in contrast(held, "gelu-sine", "relu").tasks] == ["m"]


def measured(make_record: MakeRecord, plain: float, median: float) -> list[Record]:
    """A task of the lab: GELUSine's loss is 10 times smaller than the others' by the geometric mean, and so many by
    the plain mean and the median."""
    held = []
    for record in records(make_record, "l", four(sine=-1), "lab", **LOG):
        assert record.score is not None
        better = record.activation.name == "gelu-sine"
        metrics = {
            "mean_sealed_loss": 10 ** (record.score - 70 + (1 - math.log10(plain)) * better),
            "median_log10_sealed_loss": record.score + (1 - math.log10(median)) * better,
        }
        held.append(record.model_copy(update={"metrics": metrics}))
    return held


def test_the_lab_by_other_means_over_its_problems(make_record: MakeRecord) -> None:
    one = contrast(measured(make_record, plain=100, median=0.1), "gelu-sine", "relu", "lab")
    assert one.verdict == "better"
    assert one.mean is not None
    assert one.mean.value == pytest.approx(math.log(10), abs=1e-6)
    values = {name: estimate.value for name, estimate in one.otherwise.items()}
    assert values == pytest.approx({"plain mean": math.log(100), "median": math.log(0.1)})
    assert one.unlike == ("median",)
    text = render_findings([evidence_of(measured(make_record, plain=1, median=0.1))])
    assert "; not told by the plain mean nor by the median)" in text
    assert "Lab, by other means over its problems:" in text
    assert "not told by" not in render_findings([evidence_of(measured(make_record, plain=100, median=10))])


def test_the_lab_with_learning_rates_tuned_anew(make_record: MakeRecord) -> None:
    held = records(make_record, "l", four(sine=-1), "lab", **LOG)
    worse, few = four(sine=2), {name: scores[:4] for name, scores in four(sine=2).items()}
    without_gelu = {**worse, "gelu": []}

    def text(tuned: dict[str, Sequence[float]], task: str = "l") -> str:
        again = evidence_of(records(make_record, task, tuned, "lab", **LOG))
        return render_findings([replace(evidence_of(held), tuned=again)])

    title = "Lab, with each function's learning rate re-tuned:"
    assert "not told by" not in text(four(sine=-1))
    told = text(worse)
    assert title in told
    assert "| re-tuned rates" in told
    assert "gelu-sine is better than relu (+2.303 [" in told
    assert "; not told by the re-tuned rates)" in told
    assert "Re-tuned: 5 pairs or more a task.\n" in told
    assert title not in text(few)
    assert title not in text(worse, task="other")
    assert title in text(without_gelu), "pairs with ReLU need no GELU"
    held = measured(make_record, plain=100, median=10)
    assert "Lab, by other means over its problems and with each function's learning rate re-tuned:" in text(worse)


def test_who_chose_the_edge_of_the_grid_is_said_beside_the_re_tuned_answer(make_record: MakeRecord) -> None:
    held, again = records(make_record, "l", four(sine=-1), "lab", **LOG), []
    for record in records(make_record, "l", {**four(sine=2), "silu": RELU}, "lab", **LOG):
        chosen = 2.0 if record.activation.name in ("gelu-sine", "silu") else 1.0
        tuning = Tuning(
            lr="lr",
            base=0.1,
            factors=(0.5, 1.0, 2.0),
            seeds=(1000,),
            metric="loss",
            higher_is_better=False,
            trials={},
            means=tuple(abs(factor - chosen) for factor in (0.5, 1.0, 2.0)),
            chosen=chosen,
        )
        again.append(record.model_copy(update={"tuning": tuning}))
    told = render_findings([replace(evidence_of(held), tuned=evidence_of(again))])
    assert (
        "Re-tuned: 5 pairs or more a task. A better rate may lie beyond the grid for gelu-sine, which chose its edge.\n"
        in told
    )


def test_a_record_without_other_means_leaves_them_out(make_record: MakeRecord) -> None:
    held = measured(make_record, plain=10, median=10)
    held[0] = held[0].model_copy(update={"metrics": {"median_log10_sealed_loss": held[0].score}})
    assert list(contrast(held, "gelu-sine", "relu", "lab").otherwise) == ["median"]
    for odd in (0.0, math.inf, math.nan):
        held[0] = held[0].model_copy(update={"metrics": {**held[0].metrics, "mean_sealed_loss": odd}})
        assert list(contrast(held, "gelu-sine", "relu", "lab").otherwise) == ["median"]
    visitor = make_record("l", "visitor", 0, 70.0, family="lab", track="real", **LOG)
    whole = [*measured(make_record, plain=10, median=10), visitor]
    assert list(contrast(whole, "gelu-sine", "relu", "lab").otherwise) == ["plain mean", "median"]
    assert contrast(records(make_record, "m", four(), "molecules"), "gelu-sine", "relu").otherwise == {}
    assert "by other means" not in render_findings([evidence_of(records(make_record, "m", four(), "molecules"))])


def test_a_name_of_several_functions_is_not_called_missing(make_record: MakeRecord) -> None:
    held = records(make_record, "m", four(), "molecules")
    held.append(make_record("m", "gelu", 9, 70.0, family="molecules", track="real", graph_hash="another"))
    found = outside(board_of(held))
    assert found is not None
    assert found.left_out == ("gelu names several functions on m",)
    assert {one.other for one in found.contrasts} == {"relu"}


def test_a_lost_cell_fails_the_comparisons_of_its_function(make_record: MakeRecord) -> None:
    """It would otherwise be called better by the tasks on which it did not fail."""
    held = [*records(make_record, "m", four(), "molecules"), *records(make_record, "d", four(), "clrs30")]
    held.append(make_record("d", "gelu-sine", 5, outcome="diverged", family="clrs30", track="real"))
    one = contrast(held, "gelu-sine", "relu")
    assert (one.verdict, one.failed) == ("failed", ("d",))
    assert contrast(held, "gelu-sinc-perturbation", "relu").verdict == "cannot tell"
    text = render_findings([evidence_of(held)])
    assert "gelu-sine against relu failed on d" in text
    assert "is better" not in text


def test_tasks_with_few_pairs_are_shown_and_do_not_count(make_record: MakeRecord) -> None:
    few = {name: scores[:3] for name, scores in four(sine=-18).items()}
    held = [*records(make_record, "m", four(), "molecules"), *records(make_record, "c", few, "clrs30")]
    one = contrast(held, "gelu-sine", "relu")
    assert one.verdict == "better"
    assert [task.table.task.name for task in one.counted] == ["m"]
    assert [(task.table.task.name, task.pairs) for task in one.tasks] == [("m", 5), ("c", 3)]


def test_few_pairs_alone_are_not_tested_and_the_page_says_so(make_record: MakeRecord) -> None:
    held = records(make_record, "m", {name: scores[:4] for name, scores in four().items()}, "molecules")
    one = contrast(held, "gelu-sine", "relu")
    assert math.isnan(one.p)
    assert one.verdict == "not tested"
    text = render_findings([evidence_of(held)])
    assert "In the field 4 of 4 comparisons are not tested for want of 5 pairs on any task." in text


def test_functions_that_never_met_are_not_compared(make_record: MakeRecord) -> None:
    scores = four()
    held = records(
        make_record, "m", {name: scores[name] for name in ("relu", "gelu", "gelu-sinc-perturbation")}, "molecules"
    )
    held += [
        make_record("m", name, 10 + seed, 70.0 + seed, family="molecules", track="real")
        for name in ("relu", "gelu-sine")
        for seed in range(5)
    ]
    found = outside(board_of(held))
    assert found is not None
    assert ("gelu-sine", "gelu") not in [(one.function, one.other) for one in found.contrasts]
    assert render_findings([evidence_of(held)])


def test_no_answer_without_the_functions(make_record: MakeRecord) -> None:
    assert outside(board_of(records(make_record, "m", {"relu": RELU, "gelu": RELU}, "molecules"))) is None
