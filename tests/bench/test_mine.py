"""`bench mine` from the command line's words to a population on disk, with rungs that take a second."""

import dataclasses
from pathlib import Path

import pytest

from activations import registry
from bench.cli_mine import temperature_of
from bench.errors import UsageError
from bench.mine import POPULATION, default_name, existing_run, hunt, promote, report, run_folder
from bench.mine_display import Lines
from bench.mine_setup import Hunt, Model, proposer_of, rules_of, settings_of, weight_of
from bench.store import Store
from mining import settings as mining_settings
from mining.fitness import Rung
from mining.jail import SandboxUnavailable
from mining.population import Population
from mining.screen import Limits
from mining.settings import Rungs, Status
from tasks import MissingData
from tasks.lab import LabRecipe

from .conftest import run_bench

MODEL = Model("", (), "", 1.0, 0, 100, "max_tokens", 1, 5.0, 10, None, None, (), None, True)
TINY = LabRecipe(every=1, steps=8, train_points=128, test_points=128)
ASKED = Hunt(
    run="",
    evaluations=3,
    hours=None,
    seed=1,
    proposers=("genetic=2", "random"),
    start=("relu", "gelu"),
    families=(),
    fitness="lab",
    data=Path("nowhere"),
    flops=None,
    whole_tensor=False,
    require_sandbox="",
    device="cpu",
    workers=1,
    results=Path("nowhere"),
    top=0,
    model=MODEL,
)


@pytest.fixture
def tiny_rungs(monkeypatch: pytest.MonkeyPatch) -> None:
    rungs = Rungs(
        *(Rung(name, 2, (seed,), TINY, exact=False) for seed, name in enumerate(("first", "second", "final")))
    )
    monkeypatch.setattr(mining_settings, "RUNGS", rungs)


@pytest.mark.usefixtures("tiny_rungs")
def test_a_search_is_run_recorded_and_gone_on_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = dataclasses.replace(ASKED, results=tmp_path)
    assert hunt(asked) == 0
    folder = existing_run(tmp_path, "genetic-random-s1")
    with Population(folder / POPULATION) as population:
        done = population.next
        slots = population.slots()
    assert [slot.proposal.operation for slot in slots if slot.generation == 0] == ["relu", "gelu"]
    assert sum(slot.scored for slot in slots if slot.generation) >= 3
    assert "genetic-random-s1: all evaluations are done" in capsys.readouterr().err
    assert hunt(asked) == 0
    with Population(folder / POPULATION) as population:
        assert population.next == done
    assert list(Store(tmp_path / "local").paths()) == [], "a run is no folder of records"


def test_settings_come_from_the_words() -> None:
    settings = settings_of(ASKED)
    assert settings.proposers == (("genetic", 2.0), ("random", 1.0))
    assert settings.start == ("relu", "gelu")
    assert "harmonics" not in settings.families
    assert default_name(settings) == "genetic-random-s1"
    everything = settings_of(dataclasses.replace(ASKED, start=("relu", "swish", "turbulent")))
    assert everything.start == ("relu",), "learnable and whole-tensor functions are left out"
    assert settings_of(dataclasses.replace(ASKED, start=("turbulent",), whole_tensor=True)).start == ("turbulent",)


def test_what_was_registered_since_does_not_join_the_start() -> None:
    before = registry.snapshot()
    default = settings_of(dataclasses.replace(ASKED, start=()))
    try:
        registry.register("my-wave", formula="x + sin(x)")(lambda x: x + x.sin())
        assert settings_of(dataclasses.replace(ASKED, start=())) == default
    finally:
        registry.restore(before)
    assert {"relu", "gelu-sine", "gmtu"} <= set(default.start)
    assert not {"swish", "turbulent", "identity"} & set(default.start)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"proposers": ("genetc",)}, "did you mean genetic"),
        ({"proposers": ("genetic=-1",)}, "must be a number above 0"),
        ({"proposers": ("genetic=many",)}, "must be a number above 0"),
        ({"families": ("harmonic",)}, "did you mean harmonics"),
        ({"fitness": "cifar"}, "no fitness is called .cifar.: there are: lab, cifar10-resnet20"),
        ({"fitness": "cifar10-resnet20", "families": ("feynman",)}, "--families are the lab's"),
        ({"start": ("swish",)}, "a search cannot start from swish: "),
        ({"start": ("identity",)}, "a search cannot start from identity: "),
        ({"start": ("gelu",), "flops": 10}, "costs 14 FLOPs"),
        ({"hours": float("nan")}, "--hours is a number above 0"),
        ({"hours": -1.0}, "--hours is a number above 0"),
        ({"proposers": ("genetic", "genetic=2")}, "named twice"),
        ({"proposers": ("llm",), "whole_tensor": True}, "leave out the other option"),
        ({"evaluations": None}, "say how long to search"),
        ({"require_sandbox": "fort"}, "no sandbox level is called 'fort'"),
        ({"proposers": ("llm",)}, "needs --llm-model"),
        ({"run": "a/b"}, "cannot name a run"),
        ({"device": "tpu"}, "--device is cpu"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, changes: dict[str, object], complaint: str) -> None:
    asked = dataclasses.replace(ASKED, results=tmp_path, **changes)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=complaint):
        hunt(asked)


def test_a_sandbox_that_is_not_to_be_had_stops_the_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unavailable(*_: object, **__: object) -> None:
        raise SandboxUnavailable("this machine's sandbox is process, and full was required")

    monkeypatch.setattr("mining.jail.Jail", unavailable)
    with pytest.raises(SandboxUnavailable, match="full was required"):
        hunt(dataclasses.replace(ASKED, results=tmp_path, require_sandbox="full"))


def test_a_search_on_cifar_needs_cifar(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="bench data prepare cifar10"):
        hunt(dataclasses.replace(ASKED, results=tmp_path, fitness="cifar10-resnet20"))


def test_a_report_is_for_the_lab_alone(tmp_path: Path) -> None:
    settings = dataclasses.replace(settings_of(ASKED), fitness="cifar10-resnet20")
    with Population(run_folder(tmp_path, "night") / POPULATION) as population:
        population.set_fact("settings", settings.to_json())
    for use in (lambda: report(tmp_path, "night", 3, 1), lambda: promote(tmp_path, "night", 3, None, 1)):
        with pytest.raises(UsageError, match="reports and promotion are for the lab"):
            use()


def test_runs_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no run yet"):
        report(tmp_path, "night", 3, 1)
    run_folder(tmp_path, "nights").mkdir(parents=True)
    (run_folder(tmp_path, "nights") / POPULATION).touch()
    with pytest.raises(UsageError, match="did you mean nights"):
        promote(tmp_path, "night", 3, None, 1)


def test_every_proposer_but_the_model_needs_nothing(tmp_path: Path) -> None:
    for name in ("genetic", "random", "exhaustive", "controller"):
        assert proposer_of(name, ASKED, Limits(), tmp_path).name == name
    with pytest.raises(UsageError, match="no proposer is called"):
        weight_of("oracle")


def test_the_model_is_told_the_limits() -> None:
    assert "at most 77 floating-point operations" in rules_of(Limits(flops=77))


def test_a_temperature_is_a_number_or_none() -> None:
    assert (temperature_of("0.5"), temperature_of("none")) == (0.5, None)
    with pytest.raises(UsageError, match="not 'hot'"):
        temperature_of("hot")


def test_lines_tell_how_far_a_search_is(capsys: pytest.CaptureFixture[str]) -> None:
    import sys

    lines = Lines("night", 100, None, sys.stderr)
    with lines:
        lines.show(Status(3, 20, -0.1, 0.2, {"jail": 2, "screen": 1}, 60.0))
        lines.show(Status(4, 21, -0.1, 0.2, {}, 61.0))
    said = capsys.readouterr().err
    assert said.count("\n") == 1, "a line at most every half minute"
    assert "evaluations 20/100; best -0.100 (0.79 of ReLU's loss)" in said
    assert "rejected 2 jail, 1 screen" in said


def test_the_command_line_says_what_is_wrong_in_one_sentence(tmp_path: Path) -> None:
    done = run_bench("mine", "report", "night", "--results", str(tmp_path))
    assert done.returncode == 2
    assert done.stderr == "bench: there is no run yet: `bench mine --evaluations 300` makes one\n"
