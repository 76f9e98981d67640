"""Records that cannot all be true are named; those that may honestly be alike are not."""

import json
from pathlib import Path

import pytest

import activations
from activations import Activation, Graph
from bench.tuning import FACTORS
from bench.validate import Report, validate

from .forging import Fields, become, published, put, sentences


def test_one_cell_twice(tmp_path: Path) -> None:
    put(tmp_path, published())
    again = published()
    again["activation"]["name"] = "rectifier"
    put(tmp_path, again)
    report = validate(tmp_path)
    assert "relu-s0-" in report.faults[0].file
    assert "is the same cell as cpu/cifar10-vgg16/rectifier-s0-" in sentences(report)


@pytest.mark.parametrize("noise", [0.0, 1e-9])
def test_a_run_copied_to_another_seed(tmp_path: Path, noise: float) -> None:
    put(tmp_path, published())
    copy = published()
    copy["seed"] = 7
    copy["curves"]["train_loss"] = [value * (1 + noise) for value in copy["curves"]["train_loss"]]
    put(tmp_path, copy)
    report = validate(tmp_path)
    assert "has the loss curve of cpu/cifar10-vgg16/relu-s0-" in sentences(report)
    assert "a run of another seed" in sentences(report)
    assert report.refused == 1


def test_a_run_copied_to_another_function(tmp_path: Path) -> None:
    put(tmp_path, published())
    copy = published()
    become(copy, activations.get("gelu"))
    put(tmp_path, copy)
    assert "a run of another function" in sentences(validate(tmp_path))


def test_functions_that_hardly_differ_may_run_alike(tmp_path: Path) -> None:
    put(tmp_path, published())
    twin = published()
    become(twin, Activation("capped", lambda x: x.clamp(0.0, 1e6), "min(max(0, x), 1e6)"))
    assert twin["activation"]["graph_hash"] != published()["activation"]["graph_hash"]
    put(tmp_path, twin)
    assert validate(tmp_path) == Report(2, ())


def test_a_graph_that_cannot_run_excuses_nothing(tmp_path: Path) -> None:
    put(tmp_path, published())
    copy = published()
    mean = {"op": "mean", "inputs": ["x"], "attributes": {"dim": [-3], "keepdim": True}}
    nodes = [mean, {"op": "sub", "inputs": ["x", "v0"], "attributes": {}}]
    text = json.dumps({"format": 1, "inputs": ["x"], "parameters": [], "nodes": nodes, "outputs": ["v1"]})
    become(copy, Activation.from_graph("far-mean", Graph.from_json(text), "x - mean(x)"))
    put(tmp_path, copy)
    assert "a run of another function" in sentences(validate(tmp_path))


def test_flat_and_short_curves_tell_nothing(tmp_path: Path) -> None:
    for seed in (0, 1):
        for curve in ([2.3] * 200, [2.0, 1.0]):
            fields = published(seed=seed)
            fields["curves"] = {"train_loss": curve}
            put(tmp_path, fields)
    assert validate(tmp_path) == Report(2, ())


def test_the_score_is_the_metric_of_the_others(tmp_path: Path) -> None:
    for seed in (0, 1, 2):
        fields = published("molhiv-gcn", seed=seed)
        if seed == 1:
            fields["score"] = fields["metrics"]["valid_roc_auc"]
        put(tmp_path, fields)
    report = validate(tmp_path)
    assert report.refused == 1
    assert "relu-s1-" in report.faults[0].file
    assert "its valid_roc_auc as the score, where other records of molhiv-gcn have their test_roc_auc" in sentences(
        report
    )


def tuned(factor: float, metric: str = "valid_roc_auc", base: float = 0.002) -> Fields:
    """A record as `bench tune` makes it: one of the trials' rates was chosen."""
    fields = published("molhiv-gcn")
    fields["profile"] = "cpu-tuned"
    fields["recipe"]["lr"] = base * factor
    fields["tuning"] = {
        **{"lr": "lr", "base": base, "factors": list(FACTORS), "seeds": [1000], "metric": metric},
        **{"higher_is_better": True, "trials": {}, "chosen": factor},
        "means": [0.7 if each == factor else None for each in FACTORS],
    }
    return fields


def test_a_tuned_learning_rate_passes(tmp_path: Path) -> None:
    for fields in (published("molhiv-gcn"), tuned(1.0)):  # the recipe's own rate was chosen: the same cell, honestly
        put(tmp_path, fields)
    assert validate(tmp_path) == Report(2, ())
    fields = tuned(2.0)
    fields["curves"]["train_loss"] = [value / 2 for value in fields["curves"]["train_loss"]]
    put(tmp_path, fields)
    assert validate(tmp_path) == Report(3, ())


def test_a_tuned_record_may_differ_in_nothing_else(tmp_path: Path) -> None:
    wider, based, peeked = tuned(2.0), tuned(2.0, base=0.1), tuned(4.0, metric="test_roc_auc")
    wider["recipe"]["width"] = 999
    for fields in (wider, based, peeked):
        put(tmp_path, fields)
    text = sentences(validate(tmp_path))
    assert text.count("another recipe than molhiv-gcn has for the profile cpu-tuned") == 2
    assert "was tuned by test_roc_auc where its task chooses by valid_roc_auc" in text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"higher_is_better": False, "means": [0.7, 0.7, 0.6, 0.7, 0.7]}, "higher_is_better"),
        ({"trials": {"steps": 999_999}}, "trials"),
        ({"seeds": []}, "no seeds"),
        ({"factors": [1.0], "means": [0.7]}, "factors"),
    ],
)
def test_every_rate_is_tuned_by_the_same_rules(tmp_path: Path, change: Fields, words: str) -> None:
    fields = tuned(1.0)
    fields["tuning"] |= change
    put(tmp_path, fields)
    assert f"by other rules than `bench tune` has for its task ({words}): remove it" in sentences(validate(tmp_path))
