"""The catalogue: names and their rules, what a registration keeps, and that nothing heavy is imported for it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import FrozenInstanceError

import pytest
import torch

import activations
from activations import Activation, Graph, RegistryError, UnknownActivation, registry


@pytest.fixture(autouse=True)
def clean_catalogue() -> Iterator[None]:
    before = registry.snapshot()
    yield
    registry.restore(before)


def double(x: torch.Tensor) -> torch.Tensor:
    return 2 * x


def test_public_names_exist() -> None:
    assert sorted(activations.__all__) == activations.__all__
    for name in activations.__all__:
        assert getattr(activations, name).__module__.startswith("activations."), name


def test_import_and_listing_load_no_framework() -> None:
    code = (
        "import sys, activations; activations.names(); "
        "print(sorted({'torch', 'jax', 'numpy', 'scipy', 'sympy', 'timm', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_registered_function_gets_a_name_everywhere() -> None:
    decorated = activations.register("double", formula="2 * x", reference="nobody", origin="test", aliases=["twice"])(
        double
    )
    assert decorated is double
    activation = activations.get("double")
    assert activation is activations.get("twice")
    assert (activation.formula, activation.reference, activation.origin) == ("2 * x", "nobody", "test")
    assert "return 2 * x" in activation.source
    assert "double" in activations.names()
    assert "twice" not in activations.names()
    assert torch.equal(activation.module()(torch.tensor([1.5, -2.0])), torch.tensor([3.0, -4.0]))


def test_function_runs_only_when_the_graph_is_asked_for_and_only_then() -> None:
    calls = []

    def counted(x: torch.Tensor) -> torch.Tensor:
        calls.append(x.shape)
        return x + 1

    activation = activations.add(Activation("counted", counted, "x + 1"))
    assert calls == []
    first = activation.graph
    traced = len(calls)
    activation.module()(torch.ones(2, 3))
    assert activation.graph is first
    assert len(calls) == traced > 0


def test_activation_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        activations.get("relu").name = "other"  # type: ignore[misc]


@pytest.mark.parametrize("name", ["ReLU", "my_relu", "my relu", "-relu", "relu-", "a--b", "", "3relu", "relu\n"])
def test_bad_names_are_refused(name: str) -> None:
    with pytest.raises(RegistryError, match=r"lower-case words joined by '-'"):
        activations.register(name, formula="x")(double)


def test_names_have_at_most_60_characters() -> None:
    assert activations.register("a" * 60, formula="2 * x")(double) is double
    for name, aliases in (("b" * 61, []), ("short", ["b" * 61])):
        with pytest.raises(RegistryError, match=r"'b+' has 61 characters: use at most 60"):
            activations.register(name, formula="2 * x", aliases=aliases)(double)
    assert "short" not in activations.names()


@pytest.mark.parametrize("name", ["relu", "swish-1"])
def test_taken_names_are_refused(name: str) -> None:
    with pytest.raises(RegistryError, match=f"'{name}' exists already"):
        activations.register(name, formula="2 * x")(double)


def test_taken_alias_leaves_nothing_behind() -> None:
    with pytest.raises(RegistryError, match="'gelu' exists already"):
        activations.register("fresh", formula="2 * x", aliases=["fresher", "gelu"])(double)
    assert "fresh" not in activations.names()
    with pytest.raises(RegistryError, match="'same' exists already"):
        activations.register("same", formula="2 * x", aliases=["same"])(double)


def test_only_functions_can_be_registered() -> None:
    with pytest.raises(RegistryError, match="which is no function"):
        activations.register("number", formula="3")(3)  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("rleu", "relu"), ("GELU", "gelu"), ("gelu_sine", "gelu-sine"), ("swihs", "swish"), ("leaky-rleu", "leaky-relu")],
)
def test_unknown_name_offers_the_nearest(typed: str, meant: str) -> None:
    with pytest.raises(UnknownActivation, match=rf"No activation is called '{typed}': did you mean .*\b{meant}\b"):
        activations.get(typed)


def test_unknown_name_without_neighbours_points_to_the_list() -> None:
    with pytest.raises(UnknownActivation, match="`bench list` shows them all"):
        activations.get("qqqqqqqq")


def test_source_of_a_function_without_a_file() -> None:
    namespace: dict[str, object] = {}
    exec("def typed(x): return x", namespace)
    assert registry.source_of(namespace["typed"]) == ""  # type: ignore[arg-type]


def test_an_activation_made_from_its_graph_runs_like_the_original() -> None:
    original = activations.get("gelu-sine")
    copy = Activation.from_graph("copy", Graph.from_json(original.graph.to_json()))
    x = torch.linspace(-3, 3, 7)
    assert torch.equal(copy.module()(x), original.module()(x))
    with pytest.raises(RegistryError, match="made from its graph"):
        copy.function(x)
