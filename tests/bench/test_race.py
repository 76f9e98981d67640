"""Racing stops what is clearly worse, seldom anything else, and says so from the records alone."""

import importlib
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy import stats

import activations
from bench.compare import make_table
from bench.plan import Cell, make_plan
from bench.race import ALPHA, FIRST_LOOK, Race, bar, explain, first_stop, level, stopped_rows
from bench.records import Record
from tasks import Task

from .conftest import MakeRecord

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
WORSE = (-5.0, -5.1, -4.9, -5.2, -5.0)
"""Differences to ReLU that stop a function at the third seed."""

Grid = dict[tuple[str, int], Cell]
"""Cells by activation and seed."""
Ended = Callable[..., Record]


@pytest.fixture
def grid(fake_tasks: dict[str, Task]) -> Grid:
    """ReLU, GELU and SiLU with five seeds on one task."""
    functions = [activations.get(name) for name in ("relu", "gelu", "silu")]
    cells = make_plan("smoke", [fake_tasks["fake-good"].spec], functions, range(5)).cells
    return {(cell.activation.name, cell.seed): cell for cell in cells}


@pytest.fixture
def ended(make_record: MakeRecord) -> Ended:
    """Make the record of a cell; a score of None is a divergence."""

    def end(cell: Cell, score: float | None, outcome: str = "", **changes: object) -> Record:
        record = make_record(
            cell.task.name, cell.activation.name, cell.seed, score,
            outcome=outcome or ("diverged" if score is None else "ok"), profile=cell.profile, family=cell.task.family,
            version=cell.task.version, recipe=cell.recipe, graph_hash=cell.activation.graph.hash,
            higher=cell.task.metric.higher_is_better,
        )  # fmt: skip
        return record.model_copy(update=changes)

    return end


def of_two(grid: Grid, ended: Ended, differences: Sequence[float | None], name: str = "silu") -> list[Record]:
    """Records of ReLU, which scores 70 and something, and of a function, on the first seeds."""
    found = []
    for seed, difference in enumerate(differences):
        relu = 70.0 + seed
        found.append(ended(grid["relu", seed], relu))
        found.append(ended(grid[name, seed], None if difference is None else relu + difference))
    return found


def race_of(grid: Grid, records: Sequence[Record], alpha: float = ALPHA) -> Race:
    race = Race(grid.values(), alpha)
    for record in records:
        race.observe(record)
    return race


def hash_of(name: str) -> str:
    return activations.get(name).graph.hash


def test_the_levels_sum_up_to_the_error_however_many_seeds_there_are() -> None:
    assert [level(n, 0.06) for n in range(1, 6)] == pytest.approx([0, 0, 0.03, 0.01, 0.005])
    assert math.fsum(level(n) for n in range(2000)) == pytest.approx(ALPHA, rel=1e-3)
    assert math.fsum(level(n) for n in range(2000)) < ALPHA


@pytest.mark.parametrize("margin", [0.0, 0.7])
def test_it_is_the_one_sided_t_test_at_these_levels(margin: float) -> None:
    fired = 0
    for row in np.random.default_rng(0).normal(-2, 1, size=(200, 8)).tolist():
        tests = [stats.ttest_1samp(row[:n], -margin, alternative="less").pvalue for n in range(FIRST_LOOK, 9)]
        expected = next((n for n, p in enumerate(tests, start=FIRST_LOOK) if p < level(n)), None)
        assert first_stop([(50 + value, 50.0) for value in row], margin) == expected
        fired += expected is not None
    assert 0 < fired < 200
    assert bar(4) == pytest.approx(stats.t.isf(ALPHA / 6, 3))


@pytest.mark.parametrize("difference", [-5.0, -5e-12, 0.0])
def test_differences_that_are_all_alike_are_a_coarse_metric_and_no_test(difference: float) -> None:
    assert first_stop([(70.1 * (1 + seed) + difference, 70.1 * (1 + seed)) for seed in range(9)]) is None


def test_of_functions_like_relu_no_more_are_stopped_than_promised() -> None:
    draws = np.random.default_rng(1).normal(size=(4000, 10)).tolist()
    stopped = sum(first_stop([(value, 0.0) for value in row], alpha=0.05) is not None for row in draws)
    assert 0 < stopped / 4000 < 0.05


def test_what_is_clearly_worse_stops_at_the_third_seed(grid: Grid, ended: Ended) -> None:
    records = of_two(grid, ended, WORSE)
    assert race_of(grid, records[:4]).stopped("fake-good", hash_of("silu")) is None
    stop = race_of(grid, records[:6]).stopped("fake-good", hash_of("silu"))
    assert stop is not None
    assert (stop.pairs, stop.failures) == (3, 0)
    assert stop.difference == pytest.approx(-5.0)
    assert stop.sentence == (
        "worse than ReLU beyond chance after 3 seeds (mean difference -5 %, sequential test at 0.01)"
    )
    assert race_of(grid, records).stopped("fake-good", hash_of("silu")) == stop


def test_the_order_in_which_cells_end_changes_nothing(grid: Grid, ended: Ended) -> None:
    records = of_two(grid, ended, WORSE[:3])
    race, seen = Race(grid.values()), set()
    for record in records:
        race.observe(record)
        seen.add(race.stopped("fake-good", hash_of("silu")) is None)
    assert seen == {True, False}, "it is asked anew after every record"
    stops = {race_of(grid, order).stopped("fake-good", hash_of("silu")) for order in permutations(records)}
    assert len(stops) == 1
    assert None not in stops


@pytest.mark.parametrize("name", ["silu", "relu"])
def test_nothing_is_looked_at_behind_an_open_seed(grid: Grid, ended: Ended, name: str) -> None:
    records = [record for record in of_two(grid, ended, WORSE) if (record.activation.name, record.seed) != (name, 1)]
    assert race_of(grid, records).stopped("fake-good", hash_of("silu")) is None
    race = race_of({pair: cell for pair, cell in grid.items() if pair[1] != 1}, records)
    stop = race.stopped("fake-good", hash_of("silu"))
    assert stop is not None, "a seed that nobody planned is not waited for"
    assert stop.pairs == 3


@pytest.mark.parametrize("name", ["relu", "gelu"])
def test_the_baselines_run_to_the_end(grid: Grid, ended: Ended, name: str) -> None:
    records = of_two(grid, ended, WORSE, "gelu")
    assert race_of(grid, records).stopped("fake-good", hash_of(name)) is None


def test_better_and_a_little_worse_go_on(grid: Grid, ended: Ended) -> None:
    for differences in ([-value for value in WORSE], (-5.0, 2.0, -6.0, -1.0, 0.5), (-1.0, -1.3, -1.6)):
        assert race_of(grid, of_two(grid, ended, differences)).stopped("fake-good", hash_of("silu")) is None


def test_where_lower_is_better_higher_is_worse(grid: Grid, ended: Ended) -> None:
    cells = {}
    for pair, cell in grid.items():
        metric = replace(cell.task.metric, higher_is_better=False)
        cells[pair] = replace(cell, task=replace(cell.task, metric=metric))
    assert race_of(cells, of_two(cells, ended, WORSE)).stopped("fake-good", hash_of("silu")) is None
    stop = race_of(cells, of_two(cells, ended, [-value for value in WORSE])).stopped("fake-good", hash_of("silu"))
    assert stop is not None
    assert stop.difference == pytest.approx(5.0)


def test_what_could_be_no_different_goes_on(grid: Grid, ended: Ended) -> None:
    cells = {pair: replace(cell, task=replace(cell.task, family="clrs30")) for pair, cell in grid.items()}
    slight = (-0.9, -0.91, -0.89, -0.9, -0.92)
    assert race_of(grid, of_two(grid, ended, slight)).stopped("fake-good", hash_of("silu")) is not None
    assert race_of(cells, of_two(cells, ended, slight)).stopped("fake-good", hash_of("silu")) is None
    stop = race_of(cells, of_two(cells, ended, WORSE)).stopped("fake-good", hash_of("silu"))
    assert stop is not None
    assert "by more than 1 beyond chance" in stop.sentence


def test_two_divergences_stop_and_one_does_not(grid: Grid, ended: Ended) -> None:
    records = of_two(grid, ended, (None, -1.0, None))
    assert race_of(grid, records[:4]).stopped("fake-good", hash_of("silu")) is None
    stop = race_of(grid, records).stopped("fake-good", hash_of("silu"))
    assert stop is not None
    assert (stop.pairs, stop.failures) == (1, 2)
    assert stop.difference == pytest.approx(-1.0)
    assert stop.sentence == "no score on 2 seeds on which ReLU has one"


def test_where_relu_diverges_too_nothing_is_held_against_a_function(grid: Grid, ended: Ended) -> None:
    records = [*of_two(grid, ended, (None, None)), ended(grid["relu", 1], None)]
    assert race_of(grid, records).stopped("fake-good", hash_of("silu")) is None


def test_failures_of_the_machine_are_passed_over(grid: Grid, ended: Ended) -> None:
    records = [ended(grid["silu", seed], None, outcome="crashed") for seed in (0, 1)]
    relu = [ended(grid["relu", seed], 70.0) for seed in range(5)]
    later = [ended(grid["silu", seed], 70 + WORSE[seed]) for seed in (2, 3, 4)]
    assert race_of(grid, [*relu, *records, *later[:2]]).stopped("fake-good", hash_of("silu")) is None
    stop = race_of(grid, [*relu, *records, *later]).stopped("fake-good", hash_of("silu"))
    assert stop is not None
    assert (stop.pairs, stop.failures) == (3, 0)


def test_other_protocols_and_tasks_have_no_say(grid: Grid, ended: Ended, make_record: MakeRecord) -> None:
    records = of_two(grid, ended, WORSE)
    tasks = {pair: replace(cell, task=replace(cell.task, name="another")) for pair, cell in grid.items()}
    recipes = {pair: replace(cell, recipe={**cell.recipe, "steps": 99}) for pair, cell in grid.items()}
    versions = {pair: replace(cell, task=replace(cell.task, version=2)) for pair, cell in grid.items()}
    for others in (tasks, recipes, versions):
        race = race_of(others, records)
        assert race.stopped("fake-good", hash_of("silu")) is None
        assert race.stopped("another", hash_of("silu")) is None
        assert race.admit(list(others.values())) == list(others.values())


def test_the_cells_of_a_stopped_function_are_left_out(grid: Grid, ended: Ended) -> None:
    race = race_of(grid, of_two(grid, ended, WORSE[:3]))
    left = [cell for (_, seed), cell in grid.items() if seed > 2]
    assert [cell.activation.name for cell in race.admit(left)] == ["relu", "gelu", "relu", "gelu"]


def test_one_program_does_not_run_ahead_of_the_test(grid: Grid, ended: Ended) -> None:
    records = of_two(grid, ended, (0.1, -0.2, 0.3, 0.1))
    found = [race_of(grid, records[:most]).ahead(grid["silu", 4]) for most in (0, 2, 4, 6, 8)]
    assert found == [3, 2, 1, 3, 4]


def test_a_board_says_who_was_stopped(grid: Grid, ended: Ended) -> None:
    records = [record.model_copy(update={"race": ALPHA}) for record in of_two(grid, ended, WORSE)]
    early = [record for record in records if record.seed < 3 or record.activation.name == "relu"]
    ((label, stop),) = stopped_rows(make_table(early)).items()
    assert (label, stop.pairs) == ("silu", 3)
    said = explain(stopped_rows(make_table(early)))
    assert said.startswith("Stopped early by racing: silu: worse than ReLU beyond chance after 3")
    assert "away from 0" in said
    assert (stopped_rows(make_table(records)), explain({})) == ({}, ""), "it has all of ReLU's seeds"
    unraced = [record.model_copy(update={"race": None}) for record in early]
    assert stopped_rows(make_table(unraced)) == {}
    later = next(r for r in records if r.seed == 3 and r.activation.name == "silu")
    resumed = [*early, later.model_copy(update={"race": None})]
    seeds = {record.seed for record in resumed if record.activation.name == "silu"}
    assert (seeds, stopped_rows(make_table(resumed))) == ({0, 1, 2, 3}, {}), "it was run on without --race"
    alone = [record for record in early if record.activation.name != "relu"]
    assert stopped_rows(make_table(alone)) == {}


def test_few_seeds_for_another_reason_are_not_called_stopped(grid: Grid, ended: Ended) -> None:
    records = [record.model_copy(update={"race": ALPHA}) for record in of_two(grid, ended, (0.1, -0.2, 0.3, 0.1))]
    early = [record for record in records if record.seed < 3 or record.activation.name == "relu"]
    assert stopped_rows(make_table(early)) == {}


@pytest.fixture
def racing(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("racing")


def test_the_benchmark_makes_every_table(racing: ModuleType) -> None:
    """A few draws, which it holds against `first_stop` itself: the shape of the tables, not their numbers."""
    for name, table in racing.TABLES.items():
        title, columns, rows = table(50, 0.05)
        assert title, name
        assert rows or name == "bias", name
        assert {len(row) for row in rows} <= {len(columns)}, name


def test_the_benchmark_stops_where_the_test_does(racing: ModuleType) -> None:
    differences = np.array([[*WORSE], [5.0, 5.1, 4.9, 5.0, 5.0], [0.1, -0.2, 0.1, 0.3, -0.4]])
    assert racing.stops(differences, level).tolist() == [3, 5, 5]
