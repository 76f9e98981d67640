"""Which cell a free lane gets next, and which seeds go along with it."""

from collections.abc import Callable, Sequence

import activations
from bench.plan import Cell, make_plan, override
from bench.queue import Queue
from bench.records import Record
from tasks import Task


def cells(fake_tasks: dict[str, Task], *names: str, seeds: Sequence[int] = (0, 1, 2)) -> tuple[Cell, ...]:
    specs = [fake_tasks[f"fake-{name}"].spec for name in names]
    return make_plan("smoke", specs, [activations.get(name) for name in ("relu", "gelu")], seeds).cells


def test_a_lane_keeps_to_its_task_then_takes_one_that_nobody_runs(fake_tasks: dict[str, Task]) -> None:
    queue = Queue(cells(fake_tasks, "good", "batched", "breaks", seeds=(0,)))
    assert [take(queue, None), take(queue, "fake-breaks"), take(queue, None, "fake-good")] == [
        "fake-good relu seed 0",
        "fake-breaks relu seed 0",
        "fake-batched relu seed 0",
    ]
    assert len(queue) == 3


def test_seeds_of_one_function_and_recipe_go_together(fake_tasks: dict[str, Task]) -> None:
    planned = cells(fake_tasks, "batched")
    changed = [override(cell, {"steps": 5}) for cell in planned]
    queue = Queue([*planned, *changed], together=lambda cell: 2)
    taken = []
    while label := take(queue, None):
        taken.append(label)
    assert taken == [
        "fake-batched relu seeds 0, 1",
        "fake-batched gelu seeds 0, 1",
        "fake-batched relu seed 2",
        "fake-batched gelu seed 2",
        "fake-batched relu seeds 0, 1, steps 5",
        "fake-batched gelu seeds 0, 1, steps 5",
        "fake-batched relu seed 2, steps 5",
        "fake-batched gelu seed 2, steps 5",
    ]


def test_what_failed_together_comes_back_alone(fake_tasks: dict[str, Task]) -> None:
    queue = Queue(cells(fake_tasks, "batched"), together=lambda cell: 3)
    job = queue.take(None, ())
    assert job is not None
    queue.put_back(job.cells, alone=True)
    assert [take(queue, None) for _ in range(4)] == [
        "fake-batched relu seed 0",
        "fake-batched relu seed 1",
        "fake-batched relu seed 2",
        "fake-batched gelu seeds 0, 1, 2",
    ]
    assert take(queue, None) == ""


def test_a_task_can_be_left_out(fake_tasks: dict[str, Task]) -> None:
    queue = Queue(cells(fake_tasks, "good", "breaks"))
    assert queue.drop("fake-good") == 6
    assert take(queue, "fake-good") == "fake-breaks relu seed 0"


def test_a_lane_that_is_free_to_choose_takes_the_longest_cells(
    fake_tasks: dict[str, Task], make_record: Callable[..., Record]
) -> None:
    queue = Queue(cells(fake_tasks, "good", "batched", "breaks", seeds=(0,)))
    names = ("fake-good", "fake-batched", "fake-breaks")
    assert take(queue, "another", *names) == "fake-good relu seed 0", "nothing is known yet"
    for name, seconds in zip(names, (2.0, 30.0, 4.0), strict=True):
        record = make_record(name)
        queue.observe(record.model_copy(update={"times": record.times.model_copy(update={"total": seconds})}))
    queue.observe(make_record("fake-batched"))  # a short one changes nothing
    taken = [take(queue, "another", *names) for _ in range(5)]
    assert [label.split()[0] for label in taken] == [
        "fake-batched",
        "fake-batched",
        "fake-breaks",
        "fake-breaks",
        "fake-good",
    ]


class LastFirst:
    """Holds GELU back, and puts later seeds before earlier ones."""

    ordered = True

    def __init__(self) -> None:
        self.seen: list[Record] = []

    def admit(self, cells: Sequence[Cell]) -> list[Cell]:
        return sorted((cell for cell in cells if cell.activation.name != "gelu"), key=lambda cell: -cell.seed)

    def observe(self, record: Record) -> None:
        self.seen.append(record)


def test_a_rule_orders_and_holds_back(fake_tasks: dict[str, Task]) -> None:
    queue = Queue(cells(fake_tasks, "good"), rules=[LastFirst()])
    assert [take(queue, None) for _ in range(4)] == [*(f"fake-good relu seed {seed}" for seed in (2, 1, 0)), ""]
    assert len(queue) == 3


def take(queue: Queue, task: str | None, *running: str) -> str:
    job = queue.take(task, running)
    return "" if job is None else job.label
