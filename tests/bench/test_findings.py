"""The suite's questions on boards small enough to answer by hand, and the page that says so."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from bench.compare import Board, make_boards
from bench.evidence import Evidence, gather
from bench.findings import KEPT, Contrast, Fate, fates, hours, out_of_distribution, prediction
from bench.findings_text import render_findings
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
    found = out_of_distribution(board_of(held))
    assert found is not None
    (one,) = [one for one in found.contrasts if (one.function, one.other, one.place) == (function, other, place)]
    return one


def test_a_periodic_function_that_is_better_is_told(make_record: MakeRecord) -> None:
    held = records(make_record, "m", four(), "molecules")
    one = contrast(held, "gelu-sine", "relu")
    assert one.told == 1
    assert one.mean is not None
    assert one.mean.value == pytest.approx(math.log(30 / 20))
    assert contrast(held, "gelu-sinc-perturbation", "relu").told == 0
    assert contrast(records(make_record, "m", four(sine=-10), "molecules"), "gelu-sine", "gelu").told == -1


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
    assert [table.task.name for table, _, _ in contrast(held, "gelu-sine", "relu").tasks] == ["c"]
    assert contrast(held, "gelu-sine", "relu").told == 1
    lab = contrast(held, "gelu-sine", "relu", "lab")
    assert lab.mean is not None
    assert lab.mean.value == pytest.approx(math.log(10)), "a lower loss is better"


def test_a_task_that_lacks_a_function_is_left_out_and_named(make_record: MakeRecord) -> None:
    without = {name: scores for name, scores in four().items() if name != "gelu"}
    held = [*records(make_record, "m", four(), "molecules"), *records(make_record, "c", without, "clrs30")]
    failed = make_record("d", "gelu-sine", 0, outcome="diverged", family="clrs30", track="real")
    held += [*records(make_record, "d", {**four(), "gelu-sine": []}, "clrs30"), failed]
    found = out_of_distribution(board_of(held))
    assert found is not None
    assert found.left_out == ("c lacks gelu", "d lacks gelu-sine")
    assert {table.task.name for one in found.contrasts for table, _, _ in one.tasks} == {"m"}
    assert out_of_distribution(board_of(records(make_record, "c", without, "clrs30"))) is None


def test_few_pairs_are_not_tested(make_record: MakeRecord) -> None:
    held = records(make_record, "m", {name: scores[:4] for name, scores in four().items()}, "molecules")
    one = contrast(held, "gelu-sine", "relu")
    assert math.isnan(one.p)
    assert one.told == 0
    assert one.pairs == 4


def fate(held: Sequence[Record], name: str) -> Fate:
    (found,) = [one for one in fates(evidence_of(held)) if one.function == name]
    return found


def test_less_than_the_kept_share_beyond_chance_is_a_collapse(make_record: MakeRecord) -> None:
    """ReLU's skill is 20: half of it is gone, a twentieth is gone, and a quarter with too wide a scatter to say."""
    scores = {
        "relu": RELU,
        "gone": near(-10, 0.1, -0.1, 0.2, -0.2, 0),
        "near": near(-1, 0.1, -0.1, 0.2, -0.2, 0),
        "wild": near(-5, 20, -20, 10, -10, 0),
    }
    held = records(make_record, "v", scores, "vision")
    (gone,) = fate(held, "gone").collapsed
    assert gone.ratio is not None
    assert gone.ratio.value == pytest.approx(math.log(10 / 20))
    assert fate(held, "near").collapsed == ()
    assert fate(held, "near").judged
    assert fate(held, "wild").collapsed == ()
    assert [one.function for one in fates(evidence_of(held))] == ["gone", "near", "wild"], "ReLU is no row"


def test_its_test_is_one_sided_at_the_kept_share(make_record: MakeRecord) -> None:
    """A single function on a single task, so nothing is corrected."""
    own = near(-2.2, 0.3, -0.3, 0.6, -0.6, 0)
    held = records(make_record, "v", {"relu": RELU, "gelu": own}, "vision")
    expected = stats.ttest_1samp(linear(own, RELU), math.log(KEPT), alternative="less").pvalue
    assert fate(held, "gelu").tasks[0].p == pytest.approx(expected)


def test_a_failed_cell_and_a_score_of_a_guess_are_collapses(make_record: MakeRecord) -> None:
    held = records(make_record, "v", {"relu": RELU, "lost": near(0, 0, 0, 0, 0, 0)[:4], "guess": [49.0] * 5}, "vision")
    held.append(make_record("v", "lost", 4, outcome="out_of_memory", family="vision", track="real"))
    (lost,), (guess,) = fate(held, "lost").collapsed, fate(held, "guess").collapsed
    assert lost.failed == 1
    assert guess.ratio is None


def test_a_function_that_shares_no_seed_with_relu_has_not_collapsed(make_record: MakeRecord) -> None:
    held = records(make_record, "v", {"relu": RELU}, "vision")
    held.append(make_record("v", "other", 9, 49.0, family="vision", track="real"))
    found = fate(held, "other")
    assert found.collapsed == ()
    assert not found.judged


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
    assert [one.function for one in fates(evidence_of(held))] == ["batch", "alone", "few"]
    text = render_findings([evidence_of(held)])
    assert "Not pointwise: 1 of 1 collapsed somewhere in the field (batch on v)." in text
    assert "Pointwise: 0 of 2 collapsed somewhere in the field, and 1 cannot be judged for want of pairs." in text


FUNCTIONS = ("a", "b", "c", "d", "e")


def graded(make_record: MakeRecord, task: str, family: str, worth: Mapping[str, float], **others: Any) -> list[Record]:
    """Functions whose score is ReLU's plus their worth, on two seeds."""
    sign = -0.01 if others else 1.0
    scores = {name: (sign * (70.0 + more),) * 2 for name, more in {"relu": 0.0, **worth}.items()}
    return records(make_record, task, scores, family, **others)


def test_lab_and_field_in_the_same_order_and_in_the_opposite_one(make_record: MakeRecord) -> None:
    worth = {name: 2.0 * place for place, name in enumerate(FUNCTIONS, start=1)}
    lab, same = graded(make_record, "l", "lab", worth, **LOG), graded(make_record, "v", "vision", worth)
    found = prediction(evidence_of([*lab, *same]))
    assert found is not None
    assert found.tau.tau == pytest.approx(1)
    assert [name for name, _, _ in found.order] == ["e", "d", "c", "b", "a", "relu"]
    assert dict(found.families)["vision"].tau == pytest.approx(1)
    opposed = graded(make_record, "v", "vision", {name: 12 - more for name, more in worth.items()})
    against = prediction(evidence_of([*lab, *opposed]))
    assert against is not None
    assert against.tau.tau < 0
    assert against.learned is None, "ReLU has learned the only task"


def test_a_task_that_relu_hardly_learns_is_left_out_in_a_second_look(make_record: MakeRecord) -> None:
    """On `weak` ReLU lies 1 point above a guess, so that small differences there turn the order of the field round."""
    worth = {name: 2.0 * place for place, name in enumerate(FUNCTIONS, start=1)}
    weak = {"relu": (51.0, 51.0)} | {name: (64.0 - more, 64.0 - more) for name, more in worth.items()}
    held = [
        *graded(make_record, "l", "lab", worth, **LOG),
        *graded(make_record, "good", "vision", worth),
        *records(make_record, "weak", weak, "vision"),
    ]
    found = prediction(evidence_of(held))
    assert found is not None
    assert found.learned is not None
    assert found.learned[0] == ("weak",)
    assert found.learned[1].tau == pytest.approx(1)
    assert found.tau.tau < 0.9


def test_odd_and_even_seeds_that_disagree_are_seen(make_record: MakeRecord) -> None:
    worth = {name: 2.0 * place for place, name in enumerate(FUNCTIONS, start=1)}
    turned = {"relu": (70.0, 70.0)} | {name: (70 + more, 82 - more) for name, more in worth.items()}
    held = [*graded(make_record, "l", "lab", worth, **LOG), *records(make_record, "v", turned, "vision")]
    found = prediction(evidence_of(held))
    assert found is not None
    halves = dict(found.halves)
    assert halves["lab"].tau == pytest.approx(1)
    assert halves["field"].tau < 0


def test_no_answer_without_lab_or_field(make_record: MakeRecord) -> None:
    worth = {name: 1.0 for name in FUNCTIONS}
    assert prediction(evidence_of(graded(make_record, "v", "vision", worth))) is None
    assert prediction(evidence_of(graded(make_record, "l", "lab", worth, **LOG))) is None


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
    assert "In the field we cannot tell: none of 4 comparisons differs beyond chance." in text
    assert "In the lab" not in text.split("## 2.")[0].split("### ")[1]
    assert text.count("No records say anything to it yet.") == 2


def test_the_page_of_a_told_difference(make_record: MakeRecord) -> None:
    text = render_findings([evidence_of(records(make_record, "m", four(), "molecules"))])
    assert "gelu-sine is better than relu (+0.4" in text
    assert "2 other comparisons cannot be told." in text


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
