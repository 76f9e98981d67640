"""Activations from outside: the user's file and installed packages, sound and faulty."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import activations
from activations import PluginError, plugins, registry

SOUND = """
import torch
from dataclasses import dataclass
from activations import Parameter, register

@dataclass
class Settings:
    shift: "float" = 0.5

@register("my-shifted", formula="relu(x) + shift", reference="mine", origin="plugin")
def shifted(x, *, scale=Parameter(2.0)):
    return scale * torch.relu(x) + Settings().shift

@register("my-other", formula="-x")
def other(x):
    return -x
"""


@pytest.fixture(autouse=True)
def clean_catalogue() -> Iterator[None]:
    before, loaded = registry.snapshot(), dict(plugins._loaded)
    yield
    registry.restore(before)
    plugins._loaded.clear()
    plugins._loaded.update(loaded)


def write(folder: Path, text: str, name: str = "my_act.py") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_plugin_registers_its_activations(tmp_path: Path) -> None:
    path = write(tmp_path, SOUND)
    assert activations.load_plugin(path) == ("my-other", "my-shifted")
    activation = activations.get("my-shifted")
    assert activation.source.startswith('@register("my-shifted"')
    assert torch.equal(activation.module()(torch.tensor([[-1.0, 3.0]])), torch.tensor([[0.5, 6.5]]))


def test_loading_twice_changes_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, SOUND)
    first = activations.load_plugin(path)
    activation = activations.get("my-other")
    assert activations.load_plugin(str(path)) == first
    assert activations.get("my-other") is activation


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import torch\n\ndef broken(x:\n", r"my_act\.py, line 3: '\(' was never closed"),
        ("import torch\n\n\nundefined_name\n", r"my_act\.py, line 4: NameError: name 'undefined_name' is not defined"),
        ("import no_such_package\n", r"my_act\.py, line 1: ModuleNotFoundError: No module named 'no_such_package'"),
        ("raise SystemExit(3)\n", r"my_act\.py, line 1: SystemExit: 3"),
        (SOUND.replace("my-other", "relu"), r"my_act\.py, line 14: RegistryError: .*'relu' exists already"),
        ("x = '\x00'\n", r"my_act\.py"),
    ],
)
def test_faulty_plugin_is_named_with_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(PluginError, match=message) as caught:
        activations.load_plugin(write(tmp_path, text))
    assert "\n" not in str(caught.value)
    assert "my-shifted" not in activations.names()


def test_mended_plugin_loads(tmp_path: Path) -> None:
    with pytest.raises(PluginError):
        activations.load_plugin(write(tmp_path, SOUND + "\n1 / 0\n"))
    assert activations.load_plugin(write(tmp_path, SOUND)) == ("my-other", "my-shifted")


def test_missing_file_and_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.py", tmp_path):
        with pytest.raises(PluginError, match=r"There is no plugin file .*: give the path of a Python file"):
            activations.load_plugin(path)


def test_paths_that_no_system_takes(tmp_path: Path) -> None:
    loop = tmp_path / "loop.py"
    loop.symlink_to(loop)
    for path in (loop, "~no-such-user-at-all/a.py", "a" * 300 + ".py", "a\0.py"):
        with pytest.raises(PluginError, match=r"(names no|There is no) plugin file") as caught:
            activations.load_plugin(path)
        assert "\n" not in str(caught.value)


def test_undecodable_file(tmp_path: Path) -> None:
    path = tmp_path / "latin.py"
    path.write_bytes(b"name = '\xe9'\n")
    with pytest.raises(PluginError, match=r"latin\.py"):
        activations.load_plugin(path)


class FakeEntryPoint:
    """Stands for the entry point of an installed package."""

    value = "their_package.activations"
    dist = None

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> None:
        exec(compile(self.path.read_text(), str(self.path), "exec"), {"__name__": "theirs"})


def test_installed_packages_are_loaded_and_faulty_ones_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faulty = FakeEntryPoint(write(tmp_path, "1 / 0\n", "faulty.py"))
    leaving = FakeEntryPoint(write(tmp_path, "raise SystemExit\n", "leaving.py"))
    sound = FakeEntryPoint(write(tmp_path, SOUND.replace("@dataclass\n", ""), "sound.py"))
    asked = []

    def entry_points(group: str) -> list[FakeEntryPoint]:
        asked.append(group)
        return [leaving, faulty, sound]

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    with pytest.warns(UserWarning, match=r"'their_package.activations' are left out: ") as warned:
        plugins.load_installed()
    reasons = [str(warning.message).partition("left out: ")[2] for warning in warned]
    assert "leaving.py, line 1: SystemExit" in reasons[0]
    assert "faulty.py, line 1: ZeroDivisionError" in reasons[1]
    assert asked == ["activation_bench.activations"]
    assert "my-other" in activations.names()
