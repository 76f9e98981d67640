"""The simulated boards of `benchmarks/evidence.py` are what the measurements on them take them for."""

import importlib
import math
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from bench.compare import Board

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("simulated")


def test_scatters_have_mean_0_and_deviation_1(simulated: ModuleType) -> None:
    for draw in {*simulated.RUNS.values(), *simulated.DIFFERENCES.values()}:
        drawn = draw(np.random.default_rng(0), (100_000, 3))
        assert drawn.shape == (100_000, 3)
        assert float(drawn.mean()) == pytest.approx(0, abs=0.02)
        assert float(drawn.std()) == pytest.approx(1, abs=0.1)  # of heavy tails it settles slowly


def test_one_run_in_five_fails(simulated: ModuleType) -> None:
    drawn = simulated.failing(np.random.default_rng(0), (100_000,))
    assert float(np.mean(drawn < -1)) == pytest.approx(0.2, abs=0.01)


def test_a_board_holds_the_scores_and_pairs_them_with_relu(simulated: ModuleType) -> None:
    tasks = simulated.copies("vision", 2)
    scores = np.array([[[70.0, 72.0, 71.0], [71.0, 74.0, math.nan]], [[60.0, 61.0, 62.0], [60.0, 61.0, 62.5]]])
    board: Board = simulated.make_board(tasks, scores)
    assert [table.task.name for table in board.tables] == ["vision-00000", "vision-00001"]
    assert board.labels == ["f01", "relu"]
    row = board.tables[0].by_label["f01"]
    assert row.scores == {0: 71.0, 1: 74.0}
    assert row.difference is not None
    assert (row.difference.mean, row.difference.n) == (1.5, 2)


def test_the_residuals_are_centred_and_of_unit_scatter(simulated: ModuleType) -> None:
    found = simulated.residuals()
    assert float(found.mean()) == pytest.approx(0, abs=1e-9)
    assert float(found.std()) == pytest.approx(1)


def test_every_table_is_made(simulated: ModuleType) -> None:
    """A few draws: the shape of the tables, not their numbers."""
    evidence = importlib.import_module("evidence")
    title, head, rows = evidence.tau(8)
    assert "Kendall" in title
    assert {len(row) for row in rows} == {len(head)}
    assert evidence.student(simulated.normal(np.random.default_rng(0), (40, 5))) > 0.8
    assert evidence.no_different(simulated.normal, 0.0, 0.001, 5, 4) == 1
    effects = np.zeros((9, 1))
    effects[0, 0] = 50
    assert evidence.verdicts(simulated.normal, 1, 5, effects, 2) == (0, 1)
    held, ranked = evidence.covered(simulated.copies("lab", 2), 0.0, simulated.normal, 10, 0, 4)
    assert (held >= 0.5, ranked) == (True, 1)
    assert evidence.true_ratio(simulated.copies("vision", 1), np.array([20.0]), np.array([30.0])) == math.log(2)
    assert evidence.misranked(simulated.normal, 2, 5, 2) <= 0.5
