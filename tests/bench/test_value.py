"""The most valuable cells go first, and none that cannot end in time."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import pytest

import activations
from bench.compare import Spread
from bench.estimate import Costs
from bench.inference import ALPHA, FEWEST_PAIRS, half_width
from bench.plan import Cell, make_plan
from bench.race import Ledger
from bench.records import Record
from bench.value import MOST_PAIRS, TimeLimit, further_pairs, order
from tasks import Task
from tasks.base import Reference, TaskSpec

from .conftest import MakeRecord

Ended = Callable[..., Record]
NAMES = ("relu", "gelu", "silu")


@pytest.fixture
def specs(fake_tasks: dict[str, Task]) -> tuple[TaskSpec, TaskSpec]:
    """A dear task, then a cheap one."""
    return fake_tasks["fake-good"].spec, fake_tasks["fake-nan"].spec


@pytest.fixture
def ended(make_record: MakeRecord) -> Ended:
    """Make the record of a cell: its score, and the seconds it took."""

    def end(cell: Cell, score: float | None, seconds: float = 10.0) -> Record:
        record = make_record(
            cell.task.name, cell.activation.name, cell.seed, score, outcome="diverged" if score is None else "ok",
            profile=cell.profile, family=cell.task.family, version=cell.task.version, recipe=cell.recipe,
            graph_hash=cell.activation.graph.hash,
        )  # fmt: skip
        return record.model_copy(update={"times": record.times.model_copy(update={"total": seconds, "startup": 0.0})})

    return end


def plan(specs: Iterable[TaskSpec], seeds: Sequence[int], names: Sequence[str] = NAMES) -> list[Cell]:
    return list(make_plan("smoke", list(specs), [activations.get(name) for name in names], seeds).cells)


def ordered(cells: Sequence[Cell], records: Sequence[Record] = ()) -> list[Cell]:
    return order(cells, Ledger(records), Costs(records))


def names_of(cells: Iterable[Cell]) -> list[tuple[str, str, int]]:
    return [(cell.task.name, cell.activation.name, cell.seed) for cell in cells]


def split(cells: Sequence[Cell], done: int) -> tuple[list[Cell], list[Cell]]:
    """Cells of the first seeds, and the rest."""
    return [cell for cell in cells if cell.seed < done], [cell for cell in cells if cell.seed >= done]


def test_relu_first_then_seed_by_seed(specs: tuple[TaskSpec, TaskSpec]) -> None:
    cells = plan(specs, range(2))
    assert names_of(ordered(cells)) == [
        ("fake-good", "relu", 0), ("fake-nan", "relu", 0),
        ("fake-good", "gelu", 0), ("fake-good", "silu", 0), ("fake-nan", "gelu", 0), ("fake-nan", "silu", 0),
        ("fake-good", "relu", 1), ("fake-good", "gelu", 1), ("fake-good", "silu", 1),
        ("fake-nan", "relu", 1), ("fake-nan", "gelu", 1), ("fake-nan", "silu", 1),
    ]  # fmt: skip


def test_the_cheapest_task_goes_first(specs: tuple[TaskSpec, TaskSpec], ended: Ended) -> None:
    done, left = split(plan(specs, range(2)), 1)
    records = [ended(cell, 70.0, 100.0 if cell.task.name == "fake-good" else 1.0) for cell in done]
    assert [cell.task.name for cell in ordered(left, records)] == ["fake-nan"] * 3 + ["fake-good"] * 3


def test_anchors_are_relu_on_tasks_with_a_published_number(specs: tuple[TaskSpec, TaskSpec]) -> None:
    reference = Reference(90.0, 89.0, 91.0, "a paper")
    cells = [
        replace(cell, profile="paper", task=replace(cell.task, reference=reference))
        if cell.task.name == "fake-nan"
        else replace(cell, profile="paper")
        for cell in plan(specs, range(7))
    ]
    found = names_of(ordered(cells))
    assert found[:FEWEST_PAIRS] == [("fake-nan", "relu", seed) for seed in range(FEWEST_PAIRS)]
    assert found[FEWEST_PAIRS] == ("fake-good", "relu", 0)
    smoke = [replace(cell, profile="smoke") for cell in cells]
    assert names_of(ordered(smoke))[1] == ("fake-nan", "relu", 0), "elsewhere nothing is anchored"


def test_every_function_gets_the_fewest_pairs_before_anybody_gets_more(
    specs: tuple[TaskSpec, TaskSpec], ended: Ended
) -> None:
    done, left = split(plan(specs[:1], range(8)), 3)
    records = [ended(cell, 70.0 + cell.seed) for cell in done]
    found = ordered(left, records)
    assert [cell.seed for cell in found] == sorted(cell.seed for cell in left)
    assert [cell.activation.name for cell in found[:3]] == list(NAMES)


WIDE, NARROW = [1.5, -1.0, 2.5, -1.0, 1.5], [0.30, 0.35, 0.33, 0.28, 0.31]
"""Differences to ReLU whose intervals reach 1.9 and 0.03 to either side; the region of equivalence reaches 0.2."""


@pytest.fixture
def vision(specs: tuple[TaskSpec, TaskSpec]) -> tuple[TaskSpec, TaskSpec]:
    """The tasks as those of a family that has a region of equivalence."""
    good, other = (replace(spec, family="vision") for spec in specs)
    return good, other


def results(ended: Ended, done: Sequence[Cell], gains: dict[str, list[float]], seconds: float = 10.0) -> list[Record]:
    """Records of cells: ReLU's scores move by seed, the others are so far from it."""
    return [
        ended(cell, 70 + cell.seed + (gains[cell.activation.name][cell.seed] if cell.activation.name in gains else 0),
              seconds)
        for cell in done
    ]  # fmt: skip


def test_then_what_is_nearest_to_precise_whatever_its_difference(
    vision: tuple[TaskSpec, TaskSpec], ended: Ended
) -> None:
    """SiLU's scatter asks for a few pairs more, GELU's for many, and each seed of ReLU goes just before."""
    done, left = split(plan(vision[:1], range(12)), 5)
    some = [gain / 8 for gain in WIDE]
    gains = {"gelu": WIDE, "silu": some}
    found = names_of(ordered(left, results(ended, done, gains)))
    assert found[:4] == [("fake-good", name, seed) for seed in (5, 6) for name in ("relu", "silu")]
    assert found[-7:] == [("fake-good", "gelu", seed) for seed in range(5, 12)]
    far = {"gelu": [50 + gain for gain in WIDE], "silu": [gain - 0.2 for gain in some]}
    assert names_of(ordered(left, results(ended, done, far))) == found, "no difference moves a cell"


def test_what_takes_less_time_goes_before_what_takes_fewer_pairs(
    vision: tuple[TaskSpec, TaskSpec], ended: Ended
) -> None:
    done, left = split(plan(vision, range(12), ("relu", "gelu")), 5)
    slow, quick = ([cell for cell in done if cell.task.name == name] for name in ("fake-good", "fake-nan"))

    def first(seconds: float) -> str:
        fewer = results(ended, slow, {"gelu": [gain / 9 for gain in WIDE]}, seconds)
        return ordered(left, fewer + results(ended, quick, {"gelu": [gain / 8 for gain in WIDE]}))[0].task.name

    assert first(1000.0) == "fake-nan"
    assert first(10.0) == "fake-good"


def test_what_is_precise_waits_and_what_failed_waits_longest(vision: tuple[TaskSpec, TaskSpec], ended: Ended) -> None:
    done, left = split(plan(vision[:1], range(7), ("silu", "gelu", "mish", "relu")), 5)
    records = [
        ended(cell, None if cell.seed == 2 else 75.0)
        if cell.activation.name == "silu"
        else results(ended, [cell], {"gelu": NARROW, "mish": WIDE})[0]
        for cell in done
    ]
    found = [cell.activation.name for cell in ordered(left, records) if cell.activation.name != "relu"]
    assert found == ["mish", "mish", "gelu", "gelu", "silu", "silu"]


def test_nothing_is_lost_or_doubled_and_the_same_comes_out_twice(
    specs: tuple[TaskSpec, TaskSpec], ended: Ended
) -> None:
    cells = plan(specs, range(9))
    records = [
        ended(cell, None if place % 11 == 0 else 70 + place % 7) for place, cell in enumerate(cells) if place % 3
    ]
    left = [cell for place, cell in enumerate(cells) if place % 3 == 0]
    found = ordered(left, records)
    assert sorted(cell.id for cell in found) == sorted(cell.id for cell in left)
    assert found == ordered(left, list(reversed(records)))


def test_further_pairs_are_those_until_the_interval_is_narrow() -> None:
    further = further_pairs(Spread(1.0, 1.6, 5, -1.0, 3.0), 0.5)
    assert further is not None

    def reach(pairs: int) -> float:
        return half_width(1.6 / pairs**0.5, pairs - 1, ALPHA)

    assert reach(5 + further) < 0.5 <= reach(4 + further)
    assert further_pairs(Spread(-7.0, 1.6, 5, -9.0, -5.0), 0.5) == further, "whatever the mean"


@pytest.mark.parametrize(
    ("sd", "margin", "further"),
    [(0.1, 1.0, 0), (0.0, 1.0, None), (None, 1.0, None), (1.0, 0.0, None), (1.0, 1e-3, None)],
)
def test_what_is_precise_or_never_will_be(sd: float | None, margin: float, further: int | None) -> None:
    assert further_pairs(Spread(5.0, sd, 5, 4.0, 6.0), margin) == further, (
        f"more than {MOST_PAIRS} pairs are out of reach"
    )


def test_a_time_limit_admits_what_can_end(specs: tuple[TaskSpec, TaskSpec], ended: Ended) -> None:
    done, left = split(plan(specs, range(3)), 1)
    now = [100.0]
    records = [ended(cell, 70.0, 60.0 if cell.task.name == "fake-good" else 6.0) for cell in done]
    rule = TimeLimit(200, records, clock=lambda: now[0])
    assert rule.ordered
    assert len(rule.admit(left)) == len(left)
    now[0] += 190 - 75
    assert {cell.task.name for cell in rule.admit(left)} == {"fake-good", "fake-nan"}
    now[0] += 20
    assert {cell.task.name for cell in rule.admit(left)} == {"fake-nan"}
    now[0] += 60
    assert (rule.left, rule.admit(left)) == (5, [])
    assert rule.shortest(left) == 7.5
    assert TimeLimit(5).shortest(left) is None, "nobody knows"


def test_an_unknown_task_is_tried_in_the_first_half(specs: tuple[TaskSpec, TaskSpec], ended: Ended) -> None:
    cells = plan(specs[:1], range(3), ("relu",))
    now = [0.0]
    rule = TimeLimit(100, clock=lambda: now[0])
    assert rule.admit(cells) == cells
    now[0] = 51
    assert rule.admit(cells) == []
    rule.observe(ended(cells[0], 70.0, 30.0))
    assert rule.admit(cells[1:]) == cells[1:], "the first one has told how long the others take"


def test_a_program_trains_as_many_seeds_as_there_is_time_for(specs: tuple[TaskSpec, TaskSpec], ended: Ended) -> None:
    cells = plan(specs[:1], range(9), ("relu",))
    rule = TimeLimit(40, [ended(cells[0], 70.0, 10.0)], clock=lambda: 0.0)
    assert [rule.affordable(cells[1], most) for most in (1, 2, 8)] == [1, 2, 3]
