"""Who collapses in the field, holds its ground or is open, on boards small enough to do by hand."""

import math
from collections.abc import Sequence

import pytest
from scipy import stats

from bench.findings import render_findings
from bench.findings.collapse import KEPT, Fate, State, fates
from bench.records import Record

from .conftest import MakeRecord
from .small_boards import CHANCE, LOG, RELU, evidence_of, near, not_pointwise, records


def fate(held: Sequence[Record], name: str) -> Fate:
    evidence = evidence_of(held)
    (found,) = [one for one in fates(evidence) if one.function == name]
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
    named = [one.function for one in fates(evidence)]
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
    assert fates(evidence) == ()


def test_where_few_learn_nothing_collapses_or_holds_its_ground(make_record: MakeRecord) -> None:
    weak = [51.0, 51.5, 50.5, 51.2, 50.8]
    held = [
        *records(make_record, "v", {"relu": RELU, "gelu": near(0, 0, 0, 0, 0, 1)}, "vision"),
        *records(make_record, "weak", {"relu": weak, "gelu": [49.0] * 5}, "vision"),
    ]
    assert [one.task for one in fate(held, "gelu").tasks] == ["v"]
    assert "Left out, since few functions learn them: weak." in render_findings(
        [evidence_of(not_pointwise(held, "gelu"))]
    )


def test_a_function_that_missed_a_task_has_not_held_on_every_one(make_record: MakeRecord) -> None:
    scores = {"relu": RELU, "near": near(-1, 0.1, -0.1, 0.2, -0.2, 0)}
    held = records(make_record, "v", scores, "vision")
    assert fate(held, "near").state is State.HELD
    held += records(make_record, "w", {"relu": RELU, "other": RELU}, "vision")
    assert (fate(held, "near").state, fate(held, "near").judged) == (State.OPEN, False)


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
        "Pointwise: 0 of 1 function collapsed somewhere in the field, 1 held on every task, 0 open. 1 more cannot be "
        "counted, for want of pairs, of which 1 collapsed so far (few on v)."
    ) in text
    rows = [line for line in text.splitlines() if line.startswith(("| batch", "| alone", "| few"))]
    assert [row.split("|")[1].strip() for row in rows] == ["batch", "alone", "few"]
    assert "✕ " in rows[2]
    assert "(2), 1 training broke down" in rows[2]
