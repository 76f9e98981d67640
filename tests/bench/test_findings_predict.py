"""The order in the lab against that in the field, on boards small enough to do by hand."""

import math
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
    assert (found.weak, found.without_weak, found.without, found.pairs) == ((), None, (), 2)
    assert sentence(held).startswith("Yes, in part: tau +1.00 [")
    assert sentence(held).endswith("The best of the lab, g, has +0.531 in the field, and is the best there, too.")


def test_kinds_of_functions_are_left_out_in_turn(make_record: MakeRecord) -> None:
    """Without the mined `a`, last in the field and first in the lab, both orders are the same."""
    field = {"a": -2.0, **{name: WORTH[name] for name in "bcdefg"}}
    held = [*graded(make_record, "l", "lab", {**WORTH, "a": 40.0}, **LOG), *graded(make_record, "v", "vision", field)]
    mined = [
        record.model_copy(update={"activation": record.activation.model_copy(update={"mined_on": ("l",)})})
        if record.activation.name == "a"
        else record
        for record in held
    ]
    assert predicted(held).subsets == ()
    ((name, tau),) = predicted(mined).subsets
    assert (name, tau.n) == ("without mined functions", 7)
    assert tau.tau == pytest.approx(1)
    assert predicted(mined).tau.tau < 0.9


def test_the_best_of_the_lab_is_shown_without_its_worst_and_its_best_task(make_record: MakeRecord) -> None:
    lab = graded(make_record, "l", "lab", WORTH, **LOG)
    fields = [
        graded(make_record, f"v{place}", "vision", WORTH | {"g": worth}) for place, worth in enumerate((3, 4, -15))
    ]
    held = [*lab, *(record for task in fields for record in task)]
    (hurt, lowest), (helped, highest) = predicted(held).pick_without
    assert (hurt, helped) == ("v1", "v2")
    assert lowest.value < 0 < highest.value
    assert f"({lowest} without v1; {highest} without v2), " in sentence(held)


def test_the_best_of_the_lab_is_shown_with_rates_of_its_own(make_record: MakeRecord) -> None:
    """Its one bad task of two is re-tuned: its mean takes the new scores there and the old ones elsewhere."""
    lab = graded(make_record, "l", "lab", WORTH, **LOG)
    good, bad = (
        graded(make_record, f"v{place}", "vision", WORTH | {"g": worth}) for place, worth in ((0, 4), (1, -15))
    )
    again = board_of(graded(make_record, "v1", "vision", {"g": 6.0}))
    found = predict(board_of([*lab, *good, *bad]), again)
    assert found is not None
    assert found.pick_retuned is not None
    tasks, mean = found.pick_retuned
    assert tasks == ("v1",)
    assert mean.value == pytest.approx((math.log(24 / 20) + math.log(26 / 20)) / 2)
    others = board_of(graded(make_record, "v1", "vision", {"f": 6.0}))
    missed = predict(board_of([*lab, *good, *bad]), others)
    assert missed is not None
    assert missed.pick_retuned is None


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


def weak(make_record: MakeRecord, more: float = 4.0) -> list[Record]:
    """A task on which ReLU lies a point above a guess while the others learn, in the opposite order."""
    scores = {"relu": (51.0, 51.0)} | {name: (50 + more + worth,) * 2 for name, worth in OPPOSED.items()}
    return records(make_record, "weak", scores, "vision")


def test_without_a_task_that_relu_hardly_learns_the_answer_must_be_the_same(make_record: MakeRecord) -> None:
    lab, good = graded(make_record, "l", "lab", WORTH, **LOG), graded(make_record, "good", "vision", WORTH)
    held = [*lab, *good, *weak(make_record)]
    found = predicted(held)
    assert found.weak == ("weak",)
    assert found.without_weak is not None
    assert found.without_weak.tau == pytest.approx(1)
    assert found.tau.low < 0
    assert dict(found.without) == {"good": dict(found.without)["good"], "weak": found.without_weak}
    assert sentence(held).startswith("We cannot tell, the answer hangs on weak: tau ")
    assert "] without weak, which ReLU hardly learns. " in sentence(held)
    alone = [*lab, *weak(make_record)]
    assert predicted(alone).without_weak is None


def test_a_task_that_few_learn_does_not_count(make_record: MakeRecord) -> None:
    """The lab's guess is in its records: where every loss is above it, the order of the lab is that of the rest."""
    lab, good = graded(make_record, "l", "lab", WORTH, **LOG), graded(make_record, "good", "vision", WORTH)
    guess = {"log10_sealed_loss_of_mean": -2.0}
    turned = graded(make_record, "unlearned", "lab", OPPOSED, **LOG)
    turned = [record.model_copy(update={"metrics": {**record.metrics, **guess}}) for record in turned]
    found = predicted([*lab, *turned, *good])
    assert found.tau.tau == pytest.approx(1)
    assert found.without == ()
    assert found.whole_lab == ("unlearned",)
    assert found.with_whole_lab is not None
    assert found.with_whole_lab.tau < 1, "with it the lab's order is another one"
    text = render_findings([evidence_of([*lab, *turned, *good])])
    assert "| lab and field, with unlearned" in text
    assert "| lab, with unlearned" in text
    assert sentence([*lab, *turned, *good]).startswith("We cannot tell, the answer hangs on unlearned: tau +1.00 [")
    assert predicted([*lab, *good]).with_whole_lab is None
    few = [record for record in turned if record.activation.name in ("relu", "a", "b", "c")]
    assert predicted([*lab, *few, *good]).whole_lab == (), "too few functions were run on it"
    assert sentence([*turned, *good]).startswith(
        "We cannot tell, since few functions are better than the training mean"
    )
    unlearned = weak(make_record, more=-10.0)
    assert predicted([*lab, *good, *unlearned]).tau.tau == pytest.approx(1)
    assert sentence([*lab, *unlearned]).startswith("We cannot tell, since few functions learn any task of the field")


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
