"""The order in the lab against that in the field, on boards small enough to do by hand."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from bench.findings import render_findings
from bench.findings.predict import Prediction, predict
from bench.records import Record

from .conftest import MakeRecord
from .small_boards import LOG, board_of, evidence_of, records

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
