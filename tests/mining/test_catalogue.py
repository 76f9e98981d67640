"""The catalogue knows its functions however they are written, and lets through what is new."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from activations import Graph, from_source, get, names, registry
from activations.graph import Node
from activations.registry import Activation, add
from mining.catalogue import catalogue_name, promoted_name, rediscovered


def graph_of(text: str) -> Graph:
    return from_source(text).graph


@pytest.fixture
def registered() -> Iterator[None]:
    before = registry.snapshot()
    yield
    registry.restore(before)


@pytest.mark.parametrize("name", ["relu", "gelu", "hardswish", "gelu-sine", "turbulent", "swish"])
def test_a_registered_function_is_known_by_its_name(name: str) -> None:
    assert catalogue_name(get(name).graph) == name


def test_every_registered_function_is_known() -> None:
    unknown = [name for name in names() if catalogue_name(get(name).graph) is None]
    assert unknown == []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("x * clamp(x / 6 + 0.5, 0, 1)", "hardswish"),
        ("0.5 * x * (1 + erf(x / sqrt(2)))", "gelu"),
        ("maximum(x, 0 * x)", "relu"),
        ("gelu(x) + 0.123 * sin(x)", None),
        ("2.5 * gelu(x)", None),
    ],
)
def test_another_spelling_is_the_same_function(text: str, name: str | None) -> None:
    assert rediscovered(graph_of(text)) == name


def test_what_is_not_pointwise_is_known_by_its_hash_alone() -> None:
    roll = Node("roll", ("x",), (("dims", (-2,)), ("shifts", (1,))))
    assert catalogue_name(Graph((roll, Node("sub", ("x", "v0"))), ("v1",))) is None
    assert catalogue_name(get("turbulent").graph) == "turbulent"


@pytest.mark.usefixtures("registered")
def test_a_promoted_function_stays_new_under_its_own_name_alone() -> None:
    graph = graph_of("x * sigmoid(x) + 0.321 * sin(x)")
    own = promoted_name(graph.hash)
    add(Activation.from_graph(own, graph))
    assert catalogue_name(graph) == own
    assert rediscovered(graph) is None
    other = graph_of("x * exp(x) / (1 + exp(x)) + 0.321 * sin(x)")
    assert other.hash != graph.hash
    assert rediscovered(other) == own


@pytest.mark.usefixtures("registered")
def test_a_published_name_goes_before_a_promoted_one() -> None:
    graph = get("relu").graph
    add(Activation.from_graph(promoted_name(graph.hash), graph))
    assert rediscovered(graph) == "relu"


def test_nothing_is_traced_before_it_is_asked() -> None:
    program = "import sys, mining.catalogue; raise SystemExit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
