"""The suite's questions on boards small enough to answer by hand, and the page that says so."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from bench.compare import Board, make_boards
from bench.evidence import Evidence, gather
from bench.findings import render_findings
from bench.findings.collapse import KEPT, Fate, State, fates
from bench.findings.hours import hours
from bench.findings.outside import Contrast, outside
from bench.findings.predict import Prediction, learned_tasks, predict
from bench.publish import write_findings
from bench.records import Record
from bench.store import Store

from .conftest import MakeRecord

CHANCE = 50.0
"""Of the records that the fixture makes."""
LOG: dict[str, Any] = {"unit": "log10 loss", "higher": False}
RELU = (70.0, 71.0, 69.0, 70.5, 69.5)
Scores = Mapping[str, Sequence[float]]


def records(make_record: MakeRecord, task: str, scores: Scores, family: str, **others: Any) -> list[Record]:
    """Some activations on one task, by seed."""
    return [
        make_record(task, name, seed, score, family=family, track="real", **others)
        for name, of_name in scores.items()
        for seed, score in enumerate(of_name)
    ]


def not_pointwise(held: Sequence[Record], name: str) -> list[Record]:
    return [
        record.model_copy(update={"activation": record.activation.model_copy(update={"pointwise": False})})
        if record.activation.name == name
        else record
        for record in held
    ]


def board_of(held: Sequence[Record]) -> Board:
    (board,) = make_boards(held)
    return board


def evidence_of(held: Sequence[Record]) -> Evidence:
    (evidence,) = gather(held)
    return evidence


def near(base: float, *scatter: float) -> list[float]:
    return [score + base + more for score, more in zip(RELU, scatter, strict=True)]


def four(sine: float = 10.0, sinc: float = 0.0) -> dict[str, Sequence[float]]:
    """ReLU, GELU like it, GELUSine and GELU-Sinc-Perturbation so far from it, each with scatter of its own."""
    return {
        "relu": RELU,
        "gelu": near(0, 0.4, -0.4, 0.2, -0.2, 0),
        "gelu-sine": near(sine, -0.2, 0.1, 0.3, -0.3, 0.1),
        "gelu-sinc-perturbation": near(sinc, 0.5, -0.6, 0.4, -0.3, 0),
    }


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


def fate(held: Sequence[Record], name: str) -> Fate:
    evidence = evidence_of(held)
    (found,) = [one for one in fates(evidence, learned_tasks(evidence.board)) if one.function == name]
    return found


def test_collapsed_held_or_open(make_record: MakeRecord) -> None:
    """ReLU's skill is 20: half of it is gone, a twentieth is gone, a quarter with too wide a scatter, and too few."""
    scores = {
        "relu": RELU,
        "gone": near(-10, 0.1, -0.1, 0.2, -0.2, 0),
        "near": near(-1, 0.1, -0.1, 0.2, -0.2, 0),
        "wild": near(-5, 20, -20, 10, -10, 0),
        "few": near(-15, 0.1, -0.1, 0.2, -0.2, 0)[:4],
    }
    held = records(make_record, "v", scores, "vision")
    gone = fate(held, "gone")
    assert gone.state is State.COLLAPSED
    assert gone.collapsed == ("v",)
    assert gone.tasks[0].ratio is not None
    assert gone.tasks[0].ratio.value == pytest.approx(math.log(10 / 20))
    assert fate(held, "near").state is State.HELD
    assert fate(held, "wild").state is State.OPEN
    assert fate(held, "few").state is State.OPEN
    evidence = evidence_of(held)
    named = [one.function for one in fates(evidence, learned_tasks(evidence.board))]
    assert named == ["few", "gone", "near", "wild"], "ReLU is no row"


def excess(own: Sequence[float]) -> list[float]:
    return [(a - CHANCE) - KEPT * (b - CHANCE) for a, b in zip(own, RELU, strict=True)]


def test_its_tests_are_one_sided_and_only_collapse_is_corrected(make_record: MakeRecord) -> None:
    """Over the tasks of a function: it must hold its ground on each of them, but collapse on one alone."""
    first, second = near(-2.2, 0.3, -0.3, 0.6, -0.6, 0), near(-3.2, 1.3, -1.3, 0.6, -0.6, 0)
    held = [
        *records(make_record, "v", {"relu": RELU, "gelu": first}, "vision"),
        *records(make_record, "w", {"relu": RELU, "gelu": second}, "vision"),
    ]
    below = [float(stats.ttest_1samp(excess(own), 0, alternative="less").pvalue) for own in (first, second)]
    smaller, larger = sorted(below)
    found = fate(held, "gelu")
    assert sorted(one.below for one in found.tasks) == pytest.approx([2 * smaller, max(2 * smaller, larger)])
    assert [one.above for one in found.tasks] == pytest.approx([1 - p for p in below])


def test_where_lower_is_better_and_where_scores_are_logarithms(make_record: MakeRecord) -> None:
    """Losses of 2 and 1.05 against 1; log10 losses 0.3 and 0.01 above ReLU's."""
    wobble = (0.01, -0.01, 0.02, -0.02, 0.0)
    losses = {name: [loss + more for more in wobble] for name, loss in (("relu", 1.0), ("bad", 2.0), ("good", 1.05))}
    losses["bad"] = [2.0, 2.02, 1.98, 2.01, 1.99]
    losses["good"] = [1.05, 1.06, 1.05, 1.04, 1.05]
    plain = records(make_record, "v", losses, "vision", unit="MSE", higher=False)
    logs = {"relu": wobble, "bad": [0.3, 0.31, 0.29, 0.3, 0.32], "good": [0.01, 0.02, 0.0, 0.0, 0.01]}
    held = [*plain, *records(make_record, "w", logs, "vision", **LOG)]
    assert [one.state for one in fate(held, "bad").tasks] == [State.COLLAPSED] * 2
    assert [one.state for one in fate(held, "good").tasks] == [State.HELD] * 2


@pytest.mark.parametrize(
    ("outcome", "state"), [("diverged", State.COLLAPSED), ("out_of_memory", State.COLLAPSED), ("crashed", State.OPEN)]
)
def test_a_training_that_broke_down_is_a_collapse_and_a_machine_that_failed_is_not(
    make_record: MakeRecord, outcome: str, state: State
) -> None:
    held = records(make_record, "v", {"relu": [*RELU, 70.2], "lost": near(1, 0, 0.1, 0.2, 0.1, 0)}, "vision")
    assert fate(held, "lost").state is State.HELD
    held.append(make_record("v", "lost", 5, outcome=outcome, family="vision", track="real"))
    assert fate(held, "lost").state is state


def test_a_guess_is_tested_like_any_other_score(make_record: MakeRecord) -> None:
    guess = [49.0, 50.2, 49.5, 50.1, 49.7]
    assert fate(records(make_record, "v", {"relu": RELU, "guess": guess}, "vision"), "guess").state is State.COLLAPSED
    one = fate(records(make_record, "v", {"relu": RELU, "guess": guess[:1]}, "vision"), "guess")
    assert one.state is State.OPEN
    assert one.tasks[0].ratio is None


def test_where_relu_is_at_a_guess_nothing_can_collapse(make_record: MakeRecord) -> None:
    held = records(make_record, "v", {"relu": [49.0, 49.5, 49.2, 49.1, 49.3], "gelu": near(0, 1, 0, 0, 0, 0)}, "vision")
    evidence = evidence_of(held)
    assert fates(evidence, learned_tasks(evidence.board)) == ()


def test_a_function_that_shares_no_seed_with_relu_is_open(make_record: MakeRecord) -> None:
    held = records(make_record, "v", {"relu": RELU}, "vision")
    held.append(make_record("v", "other", 9, 49.0, family="vision", track="real"))
    assert fate(held, "other").state is State.OPEN


def test_the_lab_is_not_the_field(make_record: MakeRecord) -> None:
    held = [
        *records(make_record, "l", {"relu": RELU, "gelu": near(30, 0, 0, 0, 0, 1)}, "lab", **LOG),
        *records(make_record, "v", {"relu": RELU, "gelu": near(0, 0, 0, 0, 0, 1)}, "vision"),
    ]
    assert [one.task for one in fate(held, "gelu").tasks] == ["v"]


def test_what_is_not_pointwise_stands_first_and_is_counted_apart(make_record: MakeRecord) -> None:
    scores = {
        "relu": RELU,
        "batch": near(-10, 0.1, -0.1, 0.2, -0.2, 0),
        "alone": near(0, 0.1, -0.1, 0.2, -0.2, 0),
        "few": RELU[:2],
    }
    held = not_pointwise(records(make_record, "v", scores, "vision"), "batch")
    held.append(make_record("v", "few", 2, outcome="out_of_memory", family="vision", track="real"))
    text = render_findings([evidence_of(held)])
    assert (
        "Not pointwise: 1 of 1 function collapsed somewhere in the field (batch on v), 0 held on every task, 0 open. "
        "Pointwise: 1 of 2 functions collapsed somewhere in the field (few on v), 1 held on every task, 0 open."
    ) in text
    rows = [line for line in text.splitlines() if line.startswith(("| batch", "| alone", "| few"))]
    assert [row.split("|")[1].strip() for row in rows] == ["batch", "alone", "few"]
    assert "✕ " in rows[2]
    assert "(2), 1 training broke down" in rows[2]


FUNCTIONS = ("a", "b", "c", "d", "e", "f", "g")
WORTH = {name: 2.0 * place for place, name in enumerate(FUNCTIONS, start=1)}
OPPOSED = {name: 16 - more for name, more in WORTH.items()}


def graded(make_record: MakeRecord, task: str, family: str, worth: Mapping[str, float], **others: Any) -> list[Record]:
    """Functions whose score is ReLU's plus their worth, on two seeds."""
    sign = -0.01 if others else 1.0
    scores = {name: (sign * (70.0 + more),) * 2 for name, more in {"relu": 0.0, **worth}.items()}
    return records(make_record, task, scores, family, **others)


def predicted(held: Sequence[Record]) -> Prediction:
    found = predict(board_of(held))
    assert found is not None
    return found


def sentence(held: Sequence[Record]) -> str:
    """What the page answers to the third question."""
    return render_findings([evidence_of(held)]).split("## 3.")[1].split("**")[5]


def test_lab_and_field_in_the_same_order(make_record: MakeRecord) -> None:
    held = [*graded(make_record, "l", "lab", WORTH, **LOG), *graded(make_record, "v", "vision", WORTH)]
    found = predicted(held)
    assert found.tau.tau == pytest.approx(1)
    assert [one.function for one in found.order] == [*reversed(FUNCTIONS), "relu"]
    assert dict(found.families)["vision"].tau == pytest.approx(1)
    assert (found.weak, found.with_weak, found.pairs) == ((), None, 2)
    assert sentence(held).startswith("Yes, in part: tau +1.00 [")
    assert sentence(held).endswith("The best of the lab, g, has +0.531 in the field, and is the best there, too.")


def test_lab_and_field_in_the_opposite_order(make_record: MakeRecord) -> None:
    """ReLU is last in the lab, so it has to be first in the field."""
    lab = graded(make_record, "l", "lab", WORTH, **LOG)
    held = [*lab, *graded(make_record, "v", "vision", {name: -more for name, more in WORTH.items()})]
    assert predicted(held).tau.tau == pytest.approx(-1)
    assert sentence(held).startswith("No, the orders are opposed: tau -1.00 [")
    assert "behind the best there, relu." in sentence(held)


def test_too_few_functions(make_record: MakeRecord) -> None:
    few = {name: WORTH[name] for name in "abc"}
    held = [*graded(make_record, "l", "lab", few, **LOG), *graded(make_record, "v", "vision", few)]
    assert sentence(held).startswith("We cannot tell, the functions are too few: tau +1.00 over 4 functions.")


def weak(make_record: MakeRecord) -> list[Record]:
    """A task on which ReLU lies a point above a guess, so that small differences turn the order of the field round."""
    return records(
        make_record,
        "weak",
        {"relu": (51.0, 51.0)} | {n: (50 + more, 50 + more) for n, more in OPPOSED.items()},
        "vision",
    )


def test_a_task_that_relu_hardly_learns_does_not_decide(make_record: MakeRecord) -> None:
    lab, good = graded(make_record, "l", "lab", WORTH, **LOG), graded(make_record, "good", "vision", WORTH)
    held = [*lab, *good, *weak(make_record)]
    found = predicted(held)
    assert found.weak == ("weak",)
    assert found.tau.tau == pytest.approx(1)
    assert found.with_weak is not None
    assert found.with_weak.tau < 0.5
    assert "over 8 functions without weak, where ReLU hardly beats a guess." in sentence(held)
    alone = [*lab, *weak(make_record)]
    assert predicted(alone).with_weak is None
    assert sentence(alone).startswith("We cannot tell, since ReLU hardly beats a guess on any task of the field")


def test_odd_and_even_seeds_that_disagree_are_seen(make_record: MakeRecord) -> None:
    turned = {"relu": (70.0, 70.0)} | {name: (70 + more, 86 - more) for name, more in WORTH.items()}
    held = [*graded(make_record, "l", "lab", WORTH, **LOG), *records(make_record, "v", turned, "vision")]
    halves = dict(predicted(held).halves)
    assert halves["lab"].tau == pytest.approx(1)
    assert halves["field"].tau < 0


def test_what_the_labs_data_chose_is_marked(make_record: MakeRecord) -> None:
    held = [*graded(make_record, "l", "lab", WORTH, **LOG), *graded(make_record, "v", "vision", WORTH)]
    assert "†" not in render_findings([evidence_of(held)])
    mined = [
        record.model_copy(update={"activation": record.activation.model_copy(update={"mined_on": ("l",)})})
        if record.activation.name == "g"
        else record
        for record in held
    ]
    text = render_findings([evidence_of(mined)])
    assert "| g †" in text
    assert "† the lab's own data chose this function" in text


def test_no_prediction_without_lab_or_field(make_record: MakeRecord) -> None:
    assert predict(board_of(graded(make_record, "v", "vision", WORTH))) is None
    assert predict(board_of(graded(make_record, "l", "lab", WORTH, **LOG))) is None


def test_an_hour_is_divided_by_what_was_scored(make_record: MakeRecord) -> None:
    """Each cell takes 3.5 s and half a second of start, 2 s of it training and 1 s testing."""
    held = [make_record("v", "relu", seed, 70.0, family="vision", track="real", train=2.0) for seed in range(3)]
    held.append(make_record("v", "relu", 3, outcome="timeout", family="vision", track="real", train=2.0))
    (hour,) = hours(board_of(held))
    assert hour.cells == 3
    assert hour.seconds == pytest.approx(16 / 3)
    assert hour.an_hour == pytest.approx(3600 * 3 / 16)
    assert (hour.training, hour.testing) == pytest.approx((8 / 16, 4 / 16))


def test_the_page_says_what_it_cannot_tell(make_record: MakeRecord) -> None:
    held = records(make_record, "m", four(sine=0.1), "molecules")
    text = render_findings([evidence_of(held)])
    assert "**In the field we cannot tell 4 of 4 comparisons from 0.**" in text
    assert text.count("No records say anything to it yet.") == 2


def test_the_page_of_a_told_difference(make_record: MakeRecord) -> None:
    text = render_findings([evidence_of(records(make_record, "m", four(), "molecules"))])
    assert "gelu-sine is better than relu (+0.4" in text
    assert "we cannot tell 2 of 4 comparisons from 0.**" in text


def test_stand_ins_and_no_records_answer_nothing(make_record: MakeRecord) -> None:
    standin = [
        make_record("m", name, seed, score, family="molecules", track="stand-in")
        for name, scores in four().items()
        for seed, score in enumerate(scores)
    ]
    assert render_findings(gather(standin)) == render_findings([])
    assert render_findings([]).count("No records say anything to it yet.") == 3


def test_the_gap_to_the_published_number(make_record: MakeRecord) -> None:
    reference = {"value": 95.0, "low": 94.0, "high": 96.0, "source": "a paper"}
    held = records(make_record, "m", {"relu": (90.0, 92.0)}, "molecules", reference=reference, profile="paper")
    lines = render_findings([evidence_of(held)]).split("## Is anything reproduced?")[1].splitlines()
    row = next(line for line in lines if line.startswith("| `paper`"))
    assert [cell.strip() for cell in row.strip("|").split("|")][3:] == ["95.00", "-4.00", "not anchored"]


def test_it_is_written_beside_the_records_whole_or_not_at_all(make_record: MakeRecord, tmp_path: Path) -> None:
    results = tmp_path / "results"
    for record in records(make_record, "m", four(), "molecules"):
        Store(results).write(record)
        Store(results / "local").write(record)
    assert write_findings(results, local=False) == tmp_path / "docs" / "findings.md"
    assert write_findings(results, local=True) == results / "local" / "findings.md"
    text = (tmp_path / "docs" / "findings.md").read_text(encoding="utf-8")
    assert text == (results / "local" / "findings.md").read_text(encoding="utf-8")
    assert list((tmp_path / "docs").iterdir()) == [tmp_path / "docs" / "findings.md"]
