"""A record survives the way to disk and back, and a wrong one is refused with a sentence."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.compare import make_table
from bench.errors import DamagedRecord
from bench.records import Record, Tuning, cell_id, read_record

from .conftest import ROOT, record_fields

FLOATS = st.floats(allow_nan=True, allow_infinity=True, width=64)


def same(left: float, right: float) -> bool:
    return (left == right and math.copysign(1, left) == math.copysign(1, right)) or (left != left and right != right)


@given(metrics=st.dictionaries(st.text(max_size=5), FLOATS), curve=st.lists(FLOATS, max_size=20))
def test_every_float_survives_the_round_trip(metrics: dict[str, float], curve: list[float]) -> None:
    record = Record.model_validate({**record_fields(), "metrics": metrics, "curves": {"train_loss": curve}})
    text = record.to_json()
    json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    back = read_record(text, "here")
    assert all(same(back.metrics[name], value) for name, value in metrics.items())
    assert all(same(*pair) for pair in zip(back.curves["train_loss"], curve, strict=True))
    assert back.to_json() == text


def test_a_file_has_a_line_a_field() -> None:
    record = Record.model_validate(record_fields())
    lines = record.to_json().splitlines()
    assert lines[0] == "{"
    assert lines[-1] == "}"
    assert len(lines) == 2 + len(Record.model_fields.keys() - {"tuning", "race"})


def test_how_a_cell_was_run_travels_with_the_record() -> None:
    plain = Record.model_validate(record_fields())
    times = plain.times.model_copy(update={"together": 8, "compile": 2.5})
    machine = plain.machine.model_copy(update={"fused": True})
    record = plain.model_copy(update={"race": 0.01, "times": times, "machine": machine})
    assert read_record(record.to_json(), "here") == record
    assert read_record(plain.to_json(), "here") == plain


def test_costs_are_divided_between_cells_that_were_run_alike() -> None:
    def row(**changes: object) -> float | None:
        """GELU's ratio of training time, its cell changed so."""
        records = [Record.model_validate(record_fields(activation=name)) for name in ("relu", "gelu")]
        gelu = records[1]
        times = gelu.times.model_copy(update={"together": changes.get("together", 1)})
        machine = gelu.machine.model_copy(update={"fused": changes.get("fused", False)})
        records[1] = gelu.model_copy(update={"times": times, "machine": machine})
        return make_table(records).by_label["gelu"].time_ratio

    assert row() is not None
    assert row(together=2) is None
    assert row(fused=True) is None


TUNING: dict[str, object] = {
    "lr": "rate",
    "base": 0.1,
    "factors": [0.5, 1.0, 2.0],
    "seeds": [1000, 1001],
    "metric": "valid",
    "higher_is_better": True,
    "trials": {"held_out": 7},
    "means": [0.25, 0.75, None],
    "chosen": 1.0,
}


def tuned_fields(rate: float = 0.1, profile: str = "smoke-tuned", **changes: object) -> dict[str, object]:
    return {**record_fields(recipe={"rate": rate}, profile=profile), "tuning": {**TUNING, **changes}}


def test_tuning_travels_with_the_record() -> None:
    record = Record.model_validate(tuned_fields())
    back = read_record(record.to_json(), "here")
    assert back == record
    assert back.to_json() == record.to_json()
    assert json.loads(record.to_json())["tuning"] == TUNING
    assert record.protocol == {
        "rate": "0.1 times one of 0.5, 1, 2, by the highest mean valid over seeds 1000, 1001, trials with held_out 7"
    }


def test_a_record_of_the_fixed_recipe_says_nothing_of_tuning() -> None:
    """What was published before there was tuning reads and is written as it was."""
    plain = Record.model_validate(record_fields())
    assert "tuning" not in json.loads(plain.to_json())
    assert plain.protocol == plain.recipe
    paths = sorted((ROOT / "results" / "cpu").glob("*/relu-s0-*.json"))
    assert paths
    for path in paths:
        held = json.loads(path.read_text())
        held["activation"].setdefault("mined_on", [])  # the older ones were written before this field
        assert json.loads(read_record(path.read_bytes(), path.name).to_json()) == held


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        (tuned_fields(profile="smoke"), "carry their tuning, and no others do"),
        ({**tuned_fields(), "tuning": None}, "carry their tuning, and no others do"),
        (tuned_fields(rate=0.2), "not the one that its tuning chose"),
        (tuned_fields(lr="speed"), "not the one that its tuning chose"),
        (tuned_fields(seeds=[0, 1]), "seed 0 chose the learning rate"),
        (tuned_fields(rate=0.05, chosen=0.5), "not one with the best mean"),
        (tuned_fields(higher_is_better=False), "not one with the best mean"),
        (tuned_fields(means=[None, None, None]), "not one with the best mean"),
        (tuned_fields(rate=0.8, chosen=8.0), "not one with the best mean"),
        (tuned_fields(means=[0.75]), "3 factors have 1 means"),
        (tuned_fields(extra=1), "tuning.extra"),
    ],
)
def test_a_tuning_that_contradicts_its_record_is_refused(fields: dict[str, object], complaint: str) -> None:
    with pytest.raises(DamagedRecord, match=r"here is no valid record") as caught:
        read_record(json.dumps(fields), "here")
    assert complaint in str(caught.value)


def test_the_lower_number_can_be_the_better_one() -> None:
    tuning = Tuning.model_validate({**TUNING, "higher_is_better": False, "chosen": 0.5})
    assert "by the lowest mean valid" in tuning.budget


def test_the_id_is_pinned() -> None:
    """A change here makes every published record the record of another cell."""
    assert cell_id("task", 1, "hash", 0, {"lr": 0.1, "steps": [1, 2]}) == "ed1c6a222798008c"


def test_the_id_depends_on_every_part_and_not_on_order() -> None:
    one = cell_id("task", 1, "hash", 0, {"a": 1, "b": 2})
    assert one == cell_id("task", 1, "hash", 0, {"b": 2, "a": 1})
    others = [
        cell_id("tusk", 1, "hash", 0, {"a": 1, "b": 2}),
        cell_id("task", 2, "hash", 0, {"a": 1, "b": 2}),
        cell_id("task", 1, "mash", 0, {"a": 1, "b": 2}),
        cell_id("task", 1, "hash", 1, {"a": 1, "b": 2}),
        cell_id("task", 1, "hash", 0, {"a": 1, "b": 3}),
    ]
    assert len({one, *others}) == 6


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"seed": 5}, "the id"),
        ({"seed": 2**63}, "seed"),
        ({"score": None}, "finite"),
        ({"score": math.nan}, "finite"),
        ({"score": "NaN"}, "finite"),
        ({"outcome": "diverged"}, "carries a score"),
        ({"outcome": "excellent"}, "outcome"),
        ({"injection": None}, "audit"),
        ({"injection": {"found": 2, "swapped": 1, "left": 1, "sites": ["a"], "executed": 1}}, "audit"),
        ({"injection": {"found": 3, "swapped": 2, "left": 1, "sites": ["a", "b"], "executed": 2}}, "audit"),
        ({"metrics": {"loss": "low"}}, "metrics.loss"),
        ({"extra": 1}, "extra"),
        ({"schema_version": 2}, "schema_version"),
        ({"profile": "../../etc"}, "profile"),
    ],
)
def test_a_record_that_contradicts_itself_is_refused(change: dict[str, object], complaint: str) -> None:
    with pytest.raises(DamagedRecord, match=r"here is no valid record") as caught:
        read_record(json.dumps({**record_fields(), **change}), "here")
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_field_is_named() -> None:
    fields = record_fields()
    del fields["times"]["train"]
    with pytest.raises(DamagedRecord, match=r"times\.train"):
        read_record(json.dumps(fields), "here")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"id": 1', "\x00" * 100])
def test_what_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(DamagedRecord, match="here is no valid record"):
        read_record(text, "here")
