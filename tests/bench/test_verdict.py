"""Few seeds say little, and the verdict says so."""

import math
import random
from typing import Any

import pytest
from scipy.stats import ttest_rel

from bench.compare import TaskTable, make_table
from bench.inference import ALPHA
from bench.verdict import compare, comparison_table, score_table, sentence

from .conftest import MakeRecord


def table_of(make_record: MakeRecord, differences: list[float], **options: Any) -> TaskTable:
    records = []
    for seed, difference in enumerate(differences):
        records.append(make_record("t", "relu", seed, 90.0 + seed, **options))
        records.append(make_record("t", "mine", seed, 90.0 + seed + difference, graph_hash="me", **options))
    return make_table(records)


@pytest.mark.parametrize(
    ("differences", "higher", "verdict"),
    [
        ([2.0, 2.1, 1.9, 2.0], True, "better"),
        ([-2.0, -2.1, -1.9, -2.0], True, "worse"),
        ([-2.0, -2.1, -1.9, -2.0], False, "better"),
        ([2.0, -2.1, 1.9, -2.0], True, "cannot tell"),
        ([5.0], True, "cannot tell"),
        ([1.0, 1.0, 1.0], True, "cannot tell"),
    ],
)
def test_verdicts(make_record: MakeRecord, differences: list[float], higher: bool, verdict: str) -> None:
    found = compare(table_of(make_record, differences, higher=higher), "me", "relu", 1)
    assert found.verdict == verdict


def test_the_interval_is_that_of_a_paired_t_test(make_record: MakeRecord) -> None:
    draw = random.Random(0)
    for _ in range(50):
        differences = [draw.gauss(0.5, 0.5) for _ in range(5)]
        found = compare(table_of(make_record, differences), "me", "relu", 3)
        p = ttest_rel(differences, [0.0] * 5).pvalue
        assert (found.verdict != "cannot tell") == (p < ALPHA / 3)


def test_a_failed_cell_is_a_verdict(make_record: MakeRecord) -> None:
    records = [make_record("t", "relu", 0), make_record("t", "mine", 0, outcome="diverged", graph_hash="me")]
    found = compare(make_table(records), "me", "relu", 1)
    assert found.verdict == "failed"
    assert math.isnan(found.resolution)
    assert "failed on 1 (t)" in sentence("mine", "relu", [found])
    assert "diverged" in score_table([make_table(records)], [("mine", "me")])


def test_the_sentence_counts_tasks_and_seeds(make_record: MakeRecord) -> None:
    found = [
        compare(table_of(make_record, differences), "me", "relu", 2)
        for differences in ([2.0, 2.01, 1.99], [1.0, -1.0, 0.1])
    ]
    text = sentence("mine", "relu", found)
    assert text.startswith("mine against relu on 2 tasks with 3 seeds: better on 1 (t); cannot be told apart on 1.")
    assert "needed to tell" in text
    assert "+2.00 ± 0.01 (3)" in comparison_table(found, "relu")
