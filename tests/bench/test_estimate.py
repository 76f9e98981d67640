"""How long a cell will take comes from what like cells took, and errs to the long side."""

from collections.abc import Callable

import pytest

import activations
from bench.errors import UsageError
from bench.estimate import SLACK, UNKNOWN, Costs, Kind, Seconds, estimate, fits, parse_duration
from bench.plan import Cell, make_plan
from bench.records import Record
from tasks import Task

from .conftest import MakeRecord

Took = Callable[..., Record]


@pytest.fixture
def cells(fake_tasks: dict[str, Task]) -> dict[tuple[str, str], Cell]:
    """One cell of each function on two tasks, by task and function."""
    functions = [activations.get(name) for name in ("relu", "gelu", "silu", "mish")]
    specs = [fake_tasks[name].spec for name in ("fake-good", "fake-nan")]
    return {(cell.task.name, cell.activation.name): cell for cell in make_plan("smoke", specs, functions, (9,)).cells}


@pytest.fixture
def took(make_record: MakeRecord) -> Took:
    """Make the record of a cell that took so many seconds."""

    def make(cell: Cell, seconds: float, seed: int = 0, score: float | None = 70.0, **changes: object) -> Record:
        record = make_record(
            cell.task.name, cell.activation.name, seed, score, outcome="diverged" if score is None else "ok",
            profile=cell.profile, version=cell.task.version, recipe=cell.recipe,
            graph_hash=cell.activation.graph.hash,
        )  # fmt: skip
        times = {"total": seconds, "startup": 0.0, **{k: v for k, v in changes.items() if k in ("together", "startup")}}
        machine = {k: v for k, v in changes.items() if k not in times}
        return record.model_copy(
            update={
                "times": record.times.model_copy(update=times),
                "machine": record.machine.model_copy(update=machine),
            }
        )

    return make


def test_a_cell_takes_what_other_seeds_took(cells: dict[tuple[str, str], Cell], took: Took) -> None:
    relu = cells["fake-good", "relu"]
    costs = Costs(took(relu, seconds, seed) for seed, seconds in enumerate((10.0, 30.0, 11.0)))
    assert costs.seconds(relu) == Seconds(typical=11.0, longest=30.0)
    assert estimate(relu, costs) == 11.0
    costs.observe(took(relu, 13.0, 3, startup=2.0))
    assert estimate(relu, costs) == 13.0, "the start of a process counts"


def test_nothing_is_known_of_another_task_recipe_or_machine(cells: dict[tuple[str, str], Cell], took: Took) -> None:
    relu, other = cells["fake-good", "relu"], cells["fake-nan", "relu"]
    record = took(relu, 10.0)
    kind = Kind.of(record.machine)
    assert kind == Kind("a processor", "", 1)
    assert estimate(relu, Costs([record], kind)) == 10.0
    assert estimate(relu, Costs([record], kind._replace(threads=2))) is None
    assert estimate(other, Costs([record])) is None
    assert Costs([record]).of_task(("smoke", "fake-nan", 1, "{}")) is None
    elsewhere = took(relu, 10.0, device="cuda", gpu="a GPU")
    assert Kind.of(elsewhere.machine) == Kind("a processor", "a GPU", 0)


def test_cells_without_a_score_may_have_ended_early(cells: dict[tuple[str, str], Cell], took: Took) -> None:
    relu = cells["fake-good", "relu"]
    assert estimate(relu, Costs([took(relu, 1.0, score=None)])) is None


def test_an_unseen_function_costs_the_largest_ratio_seen(cells: dict[tuple[str, str], Cell], took: Took) -> None:
    records = [took(cells["fake-good", "relu"], 10.0), took(cells["fake-good", "gelu"], 15.0)]
    records += [took(cells["fake-good", "silu"], 40.0), took(cells["fake-nan", "relu"], 100.0)]
    costs = Costs(records)
    assert estimate(cells["fake-nan", "gelu"], costs) == pytest.approx(150.0), "its own ratio on the other task"
    assert estimate(cells["fake-nan", "mish"], costs) == pytest.approx(400.0), "it was never seen: that of the slowest"
    assert estimate(cells["fake-good", "mish"], costs) == pytest.approx(40.0)


def test_no_function_is_reckoned_cheaper_than_relu_unseen(cells: dict[tuple[str, str], Cell], took: Took) -> None:
    records = [took(cells["fake-good", "relu"], 10.0), took(cells["fake-good", "gelu"], 5.0)]
    assert estimate(cells["fake-nan", "gelu"], Costs([*records, took(cells["fake-nan", "relu"], 100.0)])) == 100.0


def test_without_relu_the_slowest_function_stands_in(cells: dict[tuple[str, str], Cell], took: Took) -> None:
    costs = Costs([took(cells["fake-good", "gelu"], 15.0), took(cells["fake-good", "silu"], 40.0)])
    assert estimate(cells["fake-good", "mish"], costs) == 40.0


def test_seeds_in_one_program(cells: dict[tuple[str, str], Cell], took: Took) -> None:
    relu = cells["fake-good", "relu"]
    costs = Costs([took(relu, 10.0), took(relu, 4.0, 1, together=4)])
    assert [estimate(relu, costs, seeds) for seeds in (1, 2, 4, 5)] == [10.0, 16.0, 16.0, 32.0]
    only = Costs([took(relu, 4.0, 1, together=4)])
    assert estimate(relu, only) == 16.0, "one seed takes no longer than four at once"


def test_what_cannot_end_in_time_does_not_fit(cells: dict[tuple[str, str], Cell], took: Took) -> None:
    relu = cells["fake-good", "relu"]
    costs = Costs([took(relu, 10.0), took(relu, 20.0, 1)])
    assert fits(relu, SLACK * 20, 1000, costs)
    assert not fits(relu, SLACK * 20 - 0.1, 1000, costs)
    assert not fits(relu, SLACK * 20, 1000, costs, seeds=2)


def test_what_nobody_knows_is_started_early_or_not_at_all(cells: dict[tuple[str, str], Cell]) -> None:
    relu = cells["fake-good", "relu"]
    assert fits(relu, UNKNOWN * 1000, 1000, Costs())
    assert not fits(relu, UNKNOWN * 1000 - 1, 1000, Costs())


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1800), ("2h", 7200), ("1h30m", 5400), ("1h0m5s", 3605), ("45", 45), (" 0.5h ", 1800)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "h", "30x", "-5m", "1m1h", "1 h", "nan", "inf", "1e3", "30 minutes"])
def test_what_is_no_duration_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(UsageError, match="written like 90s, 30m, 2h or 1h30m, not"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["0", "0h0m", "1" * 400])
def test_a_limit_of_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="longer than nothing"):
        parse_duration(text)
