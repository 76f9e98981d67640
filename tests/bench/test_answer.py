"""Whatever a stranger's task answers is taken down as plain data or refused in one sentence."""

from dataclasses import asdict, replace
from typing import Any

import numpy
import pytest
import torch

from activations import Injection
from bench.answer import BadAnswer, plain
from tasks import Measurement

AUDIT = Injection(found=2, swapped=2, left=0, sites=("a", "b"), executed=2)
GOOD = Measurement(
    score=90.0,
    metrics={"odd": float("nan")},
    curves={"loss": [1.0, 0.5]},
    injection=AUDIT,
    parameters=10,
    train_seconds=1.0,
    train_cpu_seconds=1.0,
    eval_seconds=0.5,
    dataset={"file": "md5:0"},
    notes=["a note"],
)


def test_a_sound_answer_is_unchanged() -> None:
    found = plain(GOOD)
    assert found["injection"] == asdict(AUDIT)
    assert found["notes"] == ("a note",)
    assert {name: found[name] for name in ("score", "curves", "parameters", "dataset", "eval_seconds")} == {
        "score": 90.0,
        "curves": {"loss": [1.0, 0.5]},
        "parameters": 10,
        "dataset": {"file": "md5:0"},
        "eval_seconds": 0.5,
    }


def test_numbers_of_libraries_become_those_of_python() -> None:
    changes: dict[str, Any] = {"score": torch.tensor(1.5), "parameters": numpy.int64(7)}
    found = plain(replace(GOOD, curves={"loss": numpy.ones(2)}, **changes))  # type: ignore[dict-item]
    assert [type(found[name]) for name in ("score", "parameters")] == [float, int]
    assert found["curves"] == {"loss": [1.0, 1.0]}
    assert type(found["curves"]["loss"][0]) is float


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"score": "abc"}, "score is 'abc', where a number is due"),
        ({"score": None}, "score is None"),
        ({"score": torch.ones(2)}, "score is tensor"),
        ({"metrics": {"loss": "1.5"}}, r"metrics\['loss'\] is '1.5'"),
        ({"metrics": [1.0]}, "metrics is"),
        ({"metrics": {1: 1.0}}, "a name in metrics is 1"),
        ({"curves": {"loss": 3}}, r"curves\['loss'\] is 3, where a sequence is due"),
        ({"curves": None}, "curves is None"),
        ({"parameters": "ten"}, "parameters is 'ten', where a whole number is due"),
        ({"parameters": 1.5}, "parameters is 1.5"),
        ({"injection": None}, "injection is None, where an Injection is due"),
        ({"injection": replace(AUDIT, left="none")}, r"injection.left is 'none'"),  # type: ignore[arg-type]
        ({"train_seconds": "long"}, "train_seconds is 'long'"),
        ({"dataset": {"file": 1}}, r"dataset\['file'\] is 1"),
        ({"notes": "one"}, "notes is 'one', where a sequence is due"),
    ],
)
def test_a_bad_part_is_named(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(BadAnswer, match=complaint):
        plain(replace(GOOD, **changes))


@pytest.mark.parametrize("answer", [None, 90.0, {"score": 90.0}])
def test_what_is_no_measurement_is_refused(answer: object) -> None:
    with pytest.raises(BadAnswer, match="where a Measurement is due"):
        plain(answer)
