"""What a user can look at: lists, cards, the doctor; and `bench try` from a text to a verdict."""

import io
import sys
from dataclasses import replace
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

import activations
import tasks
from bench import attempt as attempt_module
from bench import devices
from bench.attempt import Trial, attempt
from bench.card import card
from bench.doctor import diagnose, examine
from bench.errors import UsageError
from bench.listing import _profiles, _together, readiness, show
from bench.profiles import PROFILES
from bench.records import Record
from bench.session import Request, choose_tasks, run_session
from bench.store import LOCAL, Store
from tasks import Task

from .conftest import PLUGIN, record_fields


def test_a_list_has_every_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show("", tmp_path)
    text = capsys.readouterr().out
    for name in ("gelu-sinc-perturbation", "cifar10-resnet18", "clrs30-heapsort", "smoke", "molhiv-gcn"):
        assert name in text
    show("profiles", tmp_path)
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_lists_can_be_used_as_they_stand(tmp_path: Path) -> None:
    """A pattern stands for the tasks of its line and no others; profiles come smallest first."""
    for entry in readiness(tmp_path):
        for word in entry.tasks.partition(" (")[0].split(", "):
            assert choose_tasks([word], "smoke" if entry.smoke else "small")
    assert _together(["a-1", "a-2", "a-3", "a-4"], ["a-1", "a-2", "a-3", "a-4", "b-1"]) == "a-* (4 tasks)"
    assert _together(["a-1", "a-2", "a-3", "b-1"], ["a-1", "a-2", "a-3", "b-1"]) == "a-1, a-2, a-3, b-1"
    for name in tasks.names():
        profiles = list(tasks.get(name).spec.recipes)
        spec = replace(tasks.get(name).spec, recipes={key: None for key in reversed(profiles)})
        assert _profiles(spec).split(",") == [profile for profile in PROFILES if profile in profiles]


def test_missing_data_comes_with_the_command_that_brings_it(tmp_path: Path) -> None:
    found = readiness(tmp_path)
    missing = {entry.tasks: entry.text for entry in found if not entry.present}
    assert "cifar10-resnet18, cifar10-vgg16" in missing
    assert all("bench data prepare" in text for text in missing.values())
    assert all(entry.present for entry in found if entry.smoke)


def test_the_doctor_finds_the_smoke_profile_ready(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert diagnose(tmp_path, tmp_path / "results") == 0
    text = capsys.readouterr().out
    assert "torch" in text
    assert "bench data prepare cifar10" in text
    assert "The smoke profile can run" in text


def test_the_doctor_names_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bench.doctor.MODULES", {"no_such_module": "no-such-package"})
    (tmp_path / "file").write_text("in the way")
    assert diagnose(tmp_path, tmp_path / "file") == 1
    assert "The smoke profile cannot run yet: no-such-package, results." in capsys.readouterr().out
    broken = next(finding for finding in examine(tmp_path, tmp_path) if finding.subject == "no-such-package")
    assert "pip install" in broken.text


@pytest.mark.parametrize(("plugins", "good"), [((), False), (("xla_cuda12",), True)])
def test_beside_a_gpu_the_doctor_looks_for_jax_on_it(
    plugins: tuple[str, ...], good: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """jax without its plugin would train CLRS-30 on the CPU."""
    installed = EntryPoints(EntryPoint(name, f"jax_plugins.{name}", "jax_plugins") for name in plugins)
    monkeypatch.setattr("bench.devices.visible_gpus", lambda: ["0"])
    monkeypatch.setattr("bench.doctor.entry_points", installed.select)
    (found,) = [finding for finding in examine(tmp_path, tmp_path) if finding.subject == "GPU for jax"]
    assert found.good is good
    assert found.text == "xla_cuda12" if good else "jax[cuda12]" in found.text


def test_a_card_shows_facts_and_scores(tmp_path: Path) -> None:
    gelu = activations.get("gelu")
    for seed in (0, 1):
        for name in ("relu", "gelu"):
            graph = activations.get(name).graph.hash
            score = 90.0 + seed + (name == "gelu")
            fields = record_fields("digits", name, seed, score, graph_hash=graph)
            Store(tmp_path).write(Record.model_validate(fields))
    text = card(gelu, tmp_path)
    assert gelu.formula in text
    assert gelu.graph.hash in text
    assert "slope at 0: 0.5" in text
    assert "def gelu(" in text
    assert "91.50 ± 0.71 (2) | +1.00 [+1.00, +1.00] | not enough seeds |" in " ".join(text.split())
    assert "Your own scores" not in text


@pytest.fixture
def registered(fake_tasks: dict[str, Task], monkeypatch: pytest.MonkeyPatch) -> None:
    """The fake tasks are there, one cell runs at a time, and lines are plain."""
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setattr("bench.provenance.cores", lambda: 1)
    monkeypatch.setattr(devices, "cores", lambda: 1)


def trial(source: str, results: Path, budget: float = 100) -> Trial:
    return Trial(source, ("fake-good",), "0-2", budget, Path("data"), 1, (PLUGIN,), results)


@pytest.mark.usefixtures("registered")
def test_a_trial_gives_a_verdict_and_reuses_its_baselines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert attempt(trial("x * tanh(x)", tmp_path)) == 0
    text = capsys.readouterr().out
    assert "| fake-good (% ↑) | 81.00 ± 1.00 (3) | 82.50 ± 1.00 (3) | 81.00 ± 1.00 (3) |" in text
    assert "candidate against relu on 1 task with 3 seeds: cannot be told apart on 1." in text
    store = Store(tmp_path / LOCAL / "try")
    before = {path: path.stat().st_mtime_ns for path in store.paths()}
    assert len(before) == 9
    assert attempt(trial("x * cos(x) + 1", tmp_path)) == 0
    assert len(list(store.paths())) == 12
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert Store(tmp_path / LOCAL).load().records == ()


@pytest.mark.usefixtures("registered")
def test_a_trial_without_time_says_that_it_cannot_tell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert attempt(trial("x * tanh(x)", tmp_path, budget=-1)) == 0
    assert "nothing to say yet" in capsys.readouterr().out


@pytest.mark.usefixtures("registered")
def test_a_trial_of_a_baseline_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is the same function as relu"):
        attempt(trial("max(x, 0)", tmp_path))


def test_the_tasks_of_a_trial_are_smoke_tasks() -> None:
    import tasks

    assert all("smoke" in tasks.get(name).spec.recipes for name in attempt_module.TASKS)


@pytest.mark.usefixtures("registered")
def test_published_cells_are_run_unless_told_otherwise(tmp_path: Path) -> None:
    def request(skip: bool) -> Request:
        return Request(
            profile="smoke",
            tasks=("fake-good",),
            activations=("relu",),
            seeds="0",
            data=tmp_path,
            device=None,
            workers=1,
            plugins=(PLUGIN,),
            results=tmp_path,
            timeout=None,
            retry_failed=False,
            skip_published=skip,
        )

    relu = activations.get("relu").graph.hash
    recipe = {"steps": 3, "pause": 0.0, "lengths": [4, 7]}
    Store(tmp_path).write(Record.model_validate(record_fields(graph_hash=relu, recipe=recipe)))
    assert run_session(request(skip=True)) == 0
    assert Store(tmp_path / LOCAL).load().records == ()
    assert run_session(request(skip=False)) == 0
    assert len(Store(tmp_path / LOCAL).load().records) == 1
    assert len(Store(tmp_path).load().records) == 1
