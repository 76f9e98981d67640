"""Every activation gets the same trials, validation alone chooses, and what was chosen travels with the record."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import activations
import tasks
from bench.build import build_record
from bench.compare import make_boards, make_table
from bench.devices import lanes
from bench.errors import UsageError
from bench.leaderboard import render
from bench.messages import Report
from bench.plan import Cell, make_plan
from bench.publish import matching, publish
from bench.records import Record, read_record
from bench.session import Request
from bench.store import LOCAL, TUNING, Loaded, Store
from bench.tune import tune
from bench.tuning import FACTORS, Choice, Grid, decide, make_grids, obstacle
from tasks import Task

from .conftest import PLUGIN, ROOT, record_fields, start_bench
from .test_cli import wait_for

SEEDS = (1000, 1001)
AUDIT = {"found": 2, "swapped": 2, "left": 0, "sites": ["a", "b"], "executed": 2}


def ran(trace: Path) -> Counter[tuple[str, int]]:
    """How often each activation and seed was run."""
    return Counter((line.split()[1], int(line.split()[2])) for line in trace.read_text().splitlines())


def request(results: Path, functions: str = "relu,gelu", tasks: str = "fake-rated", **changes: Any) -> Request:
    fields: dict[str, Any] = {
        "profile": "smoke",
        "tasks": tasks.split(","),
        "activations": functions.split(","),
        "seeds": "0-1",
        "data": results,
        "device": None,
        "workers": 1,
        "plugins": (PLUGIN,),
        "results": results,
        "timeout": None,
        "retry_failed": False,
        "skip_published": False,
    }
    return Request(**fields | changes)


@pytest.fixture
def grid(fake_tasks: dict[str, Task]) -> Grid:
    """The trials of ReLU on a task that can be tuned."""
    plan = make_plan("smoke", [fake_tasks["fake-rated"].spec], [activations.get("relu")], SEEDS)
    (found,) = make_grids(plan.cells)
    return found


@pytest.fixture
def decided(grid: Grid) -> Callable[..., Choice]:
    """Choose among trials that ended as given: five numbers by factor, or the names of other outcomes."""

    def choose(*ends: float | str | None, higher: bool = True) -> Choice:
        by_cell = {cell.id: end for end, cells in zip(ends, grid.trials.values(), strict=True) for cell in cells}
        selection = type(grid.selection)("valid_accuracy", higher, grid.selection.recipe)
        changed = Grid(grid.task, selection, grid.activation, grid.base, grid.trials)
        return decide(changed, lambda cell: record_of(cell, by_cell[cell.id]))

    return choose


def record_of(cell: Cell, end: float | str | None) -> Record | None:
    if end is None:
        return None
    if isinstance(end, str):
        report = Report(end, "it did", started_at="now")
    else:
        report = Report("ok", score=50.0, metrics={"valid_accuracy": end}, injection=AUDIT, started_at="now")
    return build_record(cell, report, lanes("cpu", 1)[0])


@pytest.mark.parametrize(
    ("ends", "higher", "chosen"),
    [
        ((1, 2, 3, 4, 5), True, 4.0),
        ((1, 2, 3, 4, 5), False, 0.25),
        ((1, 5, 3, 5, 2), True, 0.5),
        ((1, 3, 3, 3, 3), True, 1.0),
        ((5, 1, 1, 1, 5), True, 0.25),
        ((1, 2, 3, 4, "diverged"), True, 2.0),
        ((5, "diverged", "diverged", "diverged", "diverged"), False, 0.25),
        ((1, 2, 3, 4, float("nan")), True, 2.0),
        ((1, 2, 3, float("inf"), 4), True, 4.0),
    ],
)
def test_the_best_mean_chooses(decided: Callable[..., Choice], ends: Any, higher: bool, chosen: float) -> None:
    choice = decided(*ends, higher=higher)
    assert choice.tuning is not None
    assert choice.tuning.chosen == chosen
    assert choice.tuning.means == choice.means
    assert choice.at_edge == (chosen in (0.25, 4.0))
    assert [mean is None for mean in choice.means] == [end in ("diverged", float("inf")) or end != end for end in ends]


@pytest.mark.parametrize(
    ("ends", "reason"),
    [
        (("diverged",) * 5, "a trial diverged at every learning rate"),
        ((1, 2, "crashed", 3, 4), "2 of 10 trials gave no number (2 crashed)"),
        ((1, None, "timeout", "diverged", 4), "4 of 10 trials gave no number (2 missing, 2 timeout)"),
    ],
)
def test_where_nothing_can_be_chosen(decided: Callable[..., Choice], ends: Any, reason: str) -> None:
    choice = decided(*ends)
    assert (choice.tuning, choice.reason, choice.at_edge) == (None, reason, False)
    numbers = [None if mean is None or mean != mean else mean for mean in choice.means]
    assert numbers == [end if isinstance(end, int) else None for end in ends], "what there is is shown all the same"


def test_a_trial_without_the_promised_number_chooses_nothing(grid: Grid) -> None:
    report = Report("ok", score=50.0, injection=AUDIT, started_at="now")
    choice = decide(grid, lambda cell: build_record(cell, report, lanes("cpu", 1)[0]))
    assert choice.tuning is None
    assert "measured no valid_accuracy" in choice.reason


def test_one_lost_seed_is_a_lost_factor(grid: Grid) -> None:
    lost = grid.trials[1.0][1].id
    choice = decide(grid, lambda cell: record_of(cell, "diverged" if cell.id == lost else 1.0))
    assert choice.means == (1.0, 1.0, None, 1.0, 1.0)
    assert choice.tuning is not None
    assert choice.tuning.chosen == 0.5


def test_all_activations_get_the_same_trials(fake_tasks: dict[str, Task]) -> None:
    functions = [activations.get("relu"), activations.get("gelu")]
    spec = fake_tasks["fake-rated"].spec
    relu, gelu = make_grids(make_plan("smoke", [spec], functions, SEEDS).cells)
    assert list(relu.trials) == list(gelu.trials) == list(FACTORS)
    for one, other in zip(relu.cells, gelu.cells, strict=True):
        assert (one.seed, one.recipe, one.overrides) == (other.seed, other.recipe, other.overrides)
    assert [cell.recipe["lr"] for cell in relu.cells[::2]] == [0.025, 0.05, 0.1, 0.2, 0.4]
    assert {cell.recipe["held_out"] for cell in relu.cells} == {7}
    assert len({cell.id for cell in relu.cells + gelu.cells}) == 20


def test_what_cannot_be_tuned_is_said(fake_tasks: dict[str, Task], tmp_path: Path) -> None:
    assert obstacle(fake_tasks["fake-rated"].spec, "smoke") == ""
    with pytest.raises(UsageError, match="fake-good cannot be tuned: it states no validation number"):
        tune(request(tmp_path, tasks="fake-good"))
    unrated = replace(fake_tasks["fake-good"].spec, selection=fake_tasks["fake-rated"].spec.selection)
    assert obstacle(unrated, "smoke") == "task fake-good cannot be tuned: its recipe has no learning rate 'lr'"


def test_every_task_but_those_of_imagenet_can_be_tuned() -> None:
    for name in tasks.names():
        spec = tasks.get(name).spec
        refused = {profile for profile in spec.recipes if obstacle(spec, profile)}
        assert refused == (set(spec.recipes) if "imagenet" in name else set()), name


def test_the_validation_numbers_are_measured() -> None:
    """As the published records show; the vision tasks measure theirs in trials only."""
    paths = sorted((ROOT / "results" / "cpu").glob("*/relu-s0-*.json"))
    records = [read_record(path.read_bytes(), path.name) for path in paths]
    chosen = [record for record in records if record.task.family != "vision"]
    assert chosen
    for record in chosen:
        selection = tasks.get(record.task.name).spec.selection
        assert selection is not None
        assert selection.metric in record.metrics
        assert selection.learning_rate in record.recipe


def test_tuning_and_evaluation_share_no_seed(fake_tasks: dict[str, Task], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name others than 1 in --tuning-seeds"):
        tune(request(tmp_path), "1,1000")


def test_trials_choose_and_evaluations_carry_the_evidence(
    fake_tasks: dict[str, Task], tmp_path: Path, trace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The test score rises with the rate, so a choice by it would be another one."""
    assert tune(request(tmp_path)) == 0
    trials = Store(tmp_path / LOCAL / TUNING).load().records
    assert len(trials) == 2 * len(FACTORS) * len(SEEDS)
    assert {record.seed for record in trials} == set(SEEDS)
    records = Store(tmp_path / LOCAL).load().records
    assert {record.profile for record in records} == {"smoke-tuned"}
    found = {(record.activation.name, record.seed): record for record in records}
    assert set(found) == {("relu", 0), ("relu", 1), ("gelu", 0), ("gelu", 1)}
    tuning = found["gelu", 1].tuning
    assert tuning is not None
    assert (tuning.base, tuning.chosen, tuning.seeds, tuning.factors) == (0.1, 2.0, SEEDS, FACTORS)
    assert tuning.means == pytest.approx((67.05, 68.05, 69.05, 70.05, None), nan_ok=False)
    assert found["gelu", 1].recipe == {"steps": 3, "pause": 0.0, "lengths": [4, 7], "lr": 0.2}
    assert found["gelu", 1].score == pytest.approx(81 + 1.5 + 2)
    plain = make_plan("smoke", [fake_tasks["fake-rated"].spec], [activations.get("relu")], (0,)).cells[0]
    assert found["relu", 0].id == plain.id
    (board,) = make_boards(records)
    (table,) = board.tables
    assert (len(table.rows), table.outdated) == (2, 0)
    out = capsys.readouterr().out
    (line,) = (line for line in out.splitlines() if line.startswith("| fake-rated") and " gelu " in line)
    assert [cell.strip() for cell in line.split("|")[3:-1]] == [
        *("valid_accuracy ↑", "67.05", "68.05", "69.05", "70.05", "diverged", "2", "0.2")
    ]
    before = ran(trace)
    assert set(before.values()) == {1, len(FACTORS)}
    assert tune(request(tmp_path)) == 0
    assert ran(trace) == before


def tuned(
    activation: str, chosen: float, seed: int = 0, seeds: tuple[int, ...] = SEEDS, started_at: str = "2026-01-01"
) -> Record:
    """A record whose learning rate was chosen among three."""
    factors = (0.5, 1.0, 2.0)
    tuning = {
        **{"lr": "lr", "base": 0.5, "factors": factors, "seeds": seeds, "metric": "valid", "higher_is_better": True},
        **{"trials": {}, "means": [float(factor == chosen) for factor in factors], "chosen": chosen},
    }
    recipe = {"steps": 3, "lr": 0.5 * chosen}
    fields = record_fields("t", activation, seed, profile="smoke-tuned", recipe=recipe)
    return Record.model_validate({**fields, "tuning": tuning, "started_at": started_at})


def test_rows_by_different_rates_share_a_table_and_budgets_do_not() -> None:
    records = [tuned("relu", 1.0), tuned("gelu", 2.0), tuned("silu", 0.5)]
    other = [tuned("relu", 1.0, seeds=(7,)), tuned("gelu", 0.5, seeds=(7,))]
    table = make_table([*other, *records])
    assert sorted(table.by_label) == ["gelu", "relu", "silu"]
    assert {record.tuning.seeds for record in table.records if record.tuning} == {SEEDS}
    assert table.by_label["gelu"].difference is not None
    assert table.outdated == 2
    shown = json.loads(table.recipe)
    assert shown == {"steps": 3, "lr": "0.5 times one of 0.5, 1, 2, by the highest mean valid over seeds 1000, 1001"}


def test_a_row_has_one_rate() -> None:
    """Trials that were made anew may choose otherwise: the commonest choice stands, of equal ones the newest."""
    common = [tuned("relu", 1.0, seed) for seed in (0, 1)]
    table = make_table([*common, tuned("relu", 2.0, 0, started_at="2027-01-01")])
    assert [record.recipe["lr"] for record in table.records] == [0.5, 0.5]
    table = make_table([tuned("relu", 1.0), tuned("relu", 2.0, started_at="2027-01-01")])
    assert [record.recipe["lr"] for record in table.records] == [1.0]
    assert table.outdated == 1


def test_tuned_and_fixed_records_share_no_board() -> None:
    fixed = Record.model_validate(record_fields("t", "relu", recipe={"steps": 3, "lr": 0.5}))
    assert fixed.id == tuned("relu", 1.0).id
    assert [board.profile for board in make_boards([fixed, tuned("relu", 1.0)])] == ["smoke", "smoke-tuned"]


def test_the_board_says_whom_the_grid_cut_off() -> None:
    fixed = [
        Record.model_validate(record_fields("t", name, recipe={"steps": 3, "lr": 0.5})) for name in ("relu", "silu")
    ]

    def says(*held: Record) -> str:
        return render(Loaded((*fixed, *held), ()))

    cut = "A better rate may lie beyond the grid for gelu, silu, which chose its edge."
    assert cut in says(tuned("relu", 1.0), tuned("silu", 0.5), tuned("gelu", 2.0))
    assert "beyond the grid" not in says(tuned("relu", 1.0))


def test_what_cannot_be_chosen_is_said_and_left_out(
    fake_tasks: dict[str, Task], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tune(request(tmp_path, "relu,silu,elu", tasks="fake-rated,fake-good"), "1000") == 1
    printed = capsys.readouterr()
    assert "fake-rated silu is not evaluated: a trial diverged at every learning rate" in printed.out
    assert "fake-rated elu is not evaluated: 4 of 5 trials gave no number (4 crashed)" in printed.out
    assert "task fake-good cannot be tuned" in printed.err
    records = Store(tmp_path / LOCAL).load().records
    assert {record.activation.name for record in records} == {"relu"}


def test_the_fixed_recipe_is_not_trained_again(
    fake_tasks: dict[str, Task], tmp_path: Path, trace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """ReLU keeps its own rate, so its cells were trained by `bench run`; another budget that chooses it reuses them."""
    from bench.session import run_session

    run_session(request(tmp_path, "relu"))
    store = Store(tmp_path / LOCAL)
    fixed = {record.seed: record for record in store.load().records}
    assert tune(request(tmp_path, "relu")) == 0
    assert "Profile smoke-tuned" in capsys.readouterr().out
    assert ran(trace)["relu", 0] == ran(trace)["relu", 1] == 1
    tuned = {record.seed: record for record in store.load().records if record.profile == "smoke-tuned"}
    for seed, record in tuned.items():
        same = {"profile": "smoke", "tuning": None, "notes": ()}
        assert record.model_copy(update=same) == fixed[seed]
        assert record.notes == ("trained as a cell of profile smoke, whose learning rate was chosen",)
    assert tune(request(tmp_path, "relu"), "1001") == 0
    assert ran(trace)["relu", 0] == 1
    again = [record for record in store.load().records if record.profile == "smoke-tuned"]
    assert [record.tuning.seeds for record in again if record.tuning] == [(1001,), (1001,)]
    assert all(len(record.notes) == 1 for record in again)


def test_a_killed_call_goes_on_with_the_trials_that_are_left(
    fake_tasks: dict[str, Task], tmp_path: Path, trace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results"
    trials = Store(results / LOCAL / TUNING)
    process = start_bench(
        *("tune", "--plugin", str(PLUGIN), "--tasks", "fake-rated", "--activations", "relu,gelu", "--seeds", "0-1"),
        *("--results", str(results), "--workers", "1"),
        FAKE_PAUSE="0.2",
    )
    wait_for(lambda: len(list(trials.paths())) >= 3)
    process.kill()
    process.communicate()
    kept = {path: path.read_bytes() for path in trials.paths()}
    assert 3 <= len(kept) < 20
    assert not list(Store(results / LOCAL).paths())
    assert tune(request(results)) == 0
    assert f"{20 - len(kept)} cells recorded; {len(kept)} were there already." in capsys.readouterr().err
    assert {path: path.read_bytes() for path in kept} == kept
    assert sum(ran(trace).values()) <= 20 + 4 + 1, "more than the cell in flight was run again"


def test_a_stopped_call_shows_what_its_trials_say_so_far(fake_tasks: dict[str, Task], tmp_path: Path) -> None:
    """The first seed of every factor comes before the second of any, so half of the trials fill the row."""
    results = tmp_path / "results"
    process = start_bench(
        *("tune", "--plugin", str(PLUGIN), "--tasks", "fake-rated", "--activations", "relu", "--seeds", "0"),
        *("--results", str(results), "--workers", "1"),
        FAKE_PAUSE="0.4",
    )
    wait_for(lambda: len(list(Store(results / LOCAL / TUNING).paths())) >= 5)
    process.terminate()
    printed, said = process.communicate()
    (row,) = [line for line in printed.splitlines() if line.startswith("| fake-rated")]
    *means, chosen, rate = [cell.strip() for cell in row.strip("|").split("|")][3:]
    assert all(means)
    assert (chosen, rate) == ("none", "")
    assert "fake-rated relu is not evaluated: " in printed
    assert "To go on: bench tune" in said


def test_tuned_records_can_be_published(fake_tasks: dict[str, Task], tmp_path: Path) -> None:
    results = tmp_path / "results"
    assert tune(request(results), "1000") == 0
    assert publish(results, matching("smoke-tuned", [], []), allow_dirty=True) == 0
    paths = list(Store(results).paths())
    assert len(paths) == 4
    assert all(json.loads(path.read_text())["tuning"]["metric"] == "valid_accuracy" for path in paths)
    assert not list(Store(results / LOCAL).paths())
