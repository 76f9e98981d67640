"""What was asked for becomes cells, each with an identity that says all that its score depends on."""

from pathlib import Path

import pytest
import torch

import activations
from activations import Activation
from bench.errors import UsageError
from bench.plan import make_plan, override, parse_seeds, recipe_of, select
from bench.profiles import PROFILES, get_profile
from bench.records import Tuning, read_record
from bench.session import choose_activations, choose_tasks
from tasks import Task, get

from .conftest import ROOT


def test_names_patterns_and_all() -> None:
    known = ["relu", "gelu", "gelu-sine"]
    assert select("activation", ["gelu*", "relu"], known) == ["gelu", "gelu-sine", "relu"]
    assert select("activation", ["gelu", "gelu"], known) == ["gelu"]
    assert select("activation", ["all"], known) == known
    with pytest.raises(UsageError, match="no activation is called"):
        select("activation", ["xyz*"], known)


@pytest.mark.parametrize(
    ("text", "seeds"), [("0", (0,)), ("0,1,2", (0, 1, 2)), ("0-3", (0, 1, 2, 3)), ("5, 0-1,1", (0, 1, 5))]
)
def test_seeds(text: str, seeds: tuple[int, ...]) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "a", "1-", "-1", "1.5", "3-1", "0-99999999", "99999999999", "1,,2"])
def test_seeds_that_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_seeds(text)


def test_cells_of_a_task_come_seed_by_seed(fake_tasks: dict[str, Task]) -> None:
    functions = [activations.get("relu"), activations.get("gelu")]
    plan = make_plan("smoke", [fake_tasks["fake-good"].spec, fake_tasks["fake-nan"].spec], functions, (0, 1))
    found = [(cell.task.name, cell.seed, cell.activation.name) for cell in plan.cells]
    assert found == [
        (task, seed, name) for task in ("fake-good", "fake-nan") for seed in (0, 1) for name in ("relu", "gelu")
    ]
    assert len({cell.id for cell in plan.cells}) == 8


def test_two_names_of_one_function_are_one_cell(fake_tasks: dict[str, Task]) -> None:
    relu = activations.get("relu")
    other = Activation("my-relu", relu.function, "max(x, 0)")
    plan = make_plan("smoke", [fake_tasks["fake-good"].spec], [relu, other], (0, 1))
    assert [cell.activation.name for cell in plan.cells] == ["relu", "relu"]
    assert plan.twins == ("my-relu is the same function as relu: its cells are run and shown as that",)


def test_a_refused_activation_does_not_stop_the_others(fake_tasks: dict[str, Task]) -> None:
    def branches(x: torch.Tensor) -> torch.Tensor:
        return x if x.sum() > 0 else -x

    plan = make_plan(
        "smoke", [fake_tasks["fake-good"].spec], [Activation("bad", branches, "?"), activations.get("relu")], (0,)
    )
    assert [cell.activation.name for cell in plan.cells] == ["relu"]
    assert len(plan.refused) == 1
    assert plan.refused[0].startswith("activation bad is refused: ")


def test_a_function_that_exits_is_refused(fake_tasks: dict[str, Task]) -> None:
    def leaves(x: torch.Tensor) -> torch.Tensor:
        raise SystemExit("bye")

    plan = make_plan("smoke", [fake_tasks["fake-good"].spec], [Activation("bad", leaves, "?")], (0,))
    assert len(plan.refused) == 1
    assert "bye" in plan.refused[0]


def test_recipes_are_json_and_must_exist(fake_tasks: dict[str, Task]) -> None:
    spec = fake_tasks["fake-good"].spec
    assert recipe_of(spec, "smoke") == {"steps": 3, "pause": 0.0, "lengths": [4, 7]}
    with pytest.raises(UsageError, match="no recipe for profile paper; it has: smoke, cpu"):
        recipe_of(spec, "paper")


def test_a_field_that_was_added_later_changes_no_id(fake_tasks: dict[str, Task]) -> None:
    spec = fake_tasks["fake-rated"].spec
    fields = {"steps": 3, "pause": 0.0, "lengths": [4, 7], "lr": 0.1}
    assert recipe_of(spec, "smoke") == fields
    assert recipe_of(spec, "smoke", {"held_out": 0}) == fields
    assert recipe_of(spec, "smoke", {"held_out": 5}) == {**fields, "held_out": 5}


def published() -> list[Path]:
    """The first record of each task and activation."""
    return sorted((ROOT / "results" / "cpu").glob("*/*-s0-*.json"))


@pytest.mark.parametrize("task", sorted({path.parent.name for path in published()}))
def test_published_cells_keep_their_ids(task: str) -> None:
    records = [read_record(path.read_bytes(), path.name) for path in published() if path.parent.name == task]
    functions = [activations.get(record.activation.name) for record in records]
    cells = make_plan("cpu", [get(task).spec], functions, (0,)).cells
    assert {cell.id for cell in cells} == {record.id for record in records if record.task.version == 1}


def test_an_overridden_cell_is_another_one(fake_tasks: dict[str, Task]) -> None:
    (cell,) = make_plan("smoke", [fake_tasks["fake-rated"].spec], [activations.get("relu")], (0,)).cells
    trial = override(cell, {"lr": 0.2, "held_out": 7})
    assert (trial.profile, trial.recipe["lr"], trial.recipe["held_out"]) == ("smoke", 0.2, 7)
    assert trial.id != cell.id
    assert trial.label == "fake-rated relu seed 0, lr 0.2, held_out 7"
    assert override(cell, {}) == cell
    budget = {"lr": "lr", "base": 0.1, "factors": (0.5, 1.0), "seeds": (9,), "metric": "m", "higher_is_better": True}
    evidence = Tuning.model_validate({**budget, "trials": {}, "means": (1.0, 2.0), "chosen": 1.0})
    tuned = override(cell, {}, evidence)
    assert (tuned.profile, tuned.id, tuned.tuning) == ("smoke-tuned", cell.id, evidence)
    assert override(tuned, {"lr": 0.2}).profile == "smoke"


def test_a_recipe_changes_the_id_and_a_profile_alone_does_not(fake_tasks: dict[str, Task]) -> None:
    spec, relu = fake_tasks["fake-good"].spec, activations.get("relu")
    ids = {profile: make_plan(profile, [spec], [relu], (0,)).cells[0].id for profile in ("smoke", "cpu")}
    assert ids["smoke"] != ids["cpu"]


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_can_be_planned(name: str) -> None:
    profile = get_profile(name)
    families = {task.spec.family for task in choose_tasks(profile.tasks, name)}
    assert families == {"vision", "molecules", "clrs30", "lab"}
    functions = [activation.name for activation in choose_activations(profile.activations)]
    assert functions == list(profile.activations)
    assert "relu" in functions


def test_a_subset_to_test_on_left_the_cells_of_imagenet_alone() -> None:
    for profile in ("small", "paper"):
        assert "test_samples" not in recipe_of(get("imagenet-resnet50").spec, profile)
    assert recipe_of(get("tiny-imagenet-10k-resnet50").spec, "cpu")["test_samples"] > 0


def test_tiny_imagenet_is_run_unasked_where_it_costs_little() -> None:
    chosen = {name: {task.spec.name for task in choose_tasks(PROFILES[name].tasks, name)} for name in PROFILES}
    assert {name for name, tasks in chosen.items() if "tiny-imagenet-10k-resnet50" in tasks} == {"small"}
    assert [task.spec.name for task in choose_tasks(["tiny-*"], "cpu")] == ["tiny-imagenet-10k-resnet50"]


def test_a_pattern_means_the_tasks_of_the_profile() -> None:
    smoke = {task.spec.name for task in choose_tasks(["clrs30-*"], "smoke")}
    paper = {task.spec.name for task in choose_tasks(["clrs30-*"], "paper")}
    assert smoke < paper
    assert len(paper) == 30
    with pytest.raises(UsageError, match="no recipe for profile smoke"):
        choose_tasks(["cifar10-resnet18"], "smoke")


def test_an_unknown_profile_gets_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean paper"):
        get_profile("papers")
