"""Forward and backward written by hand against the lab's own training, and the table against the exact function."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import activations
from activations import Graph, from_source
from activations.codegen import compile_graph
from mining import ensemble
from mining.ensemble import Exact, Lookup, Trainer
from mining.table import tabulate
from tasks.lab import LabRecipe, problems
from tasks.lab.data import open_data
from tasks.lab.problem import Array
from tasks.lab.training import evaluate

RECIPE = LabRecipe(every=1, steps=40, batch=32, train_points=128, test_points=64, width=16, learning_rate=1e-2)
MIXED = (*problems("polynomials")[2:4], *problems("feynman")[4:6])
SEEDS = (0, 3)
SMOOTH = ("gelu", "gelu-sine", "gmtu", "softplus")


def graph_of(name: str) -> Graph:
    return activations.get(name).graph


def trainer(copies: int = 1) -> Trainer:
    return Trainer(open_data(MIXED, SEEDS, RECIPE.train_points, RECIPE.test_points), RECIPE, copies)


def tabulated(*graphs: Graph) -> tuple[Array, list[list[bool]]]:
    """Validation losses and what stayed finite, a row for each graph."""
    networks = trainer(len(graphs))
    finite = networks.fit(Lookup([tabulate(graph) for graph in graphs], networks.shape))
    return networks.validation_losses([compile_graph(graph, "torch") for graph in graphs]), finite.tolist()


def exact(graph: Graph) -> Array:
    networks = trainer()
    function = compile_graph(graph, "torch")
    networks.fit(Exact(function))
    return networks.validation_losses([function])[0]


@pytest.mark.parametrize("name", ["relu", "gelu", "gelu-sinc-perturbation"])
def test_exact_training_is_the_labs_up_to_rounding(name: str) -> None:
    expected = evaluate(activations.get(name), MIXED, SEEDS, RECIPE)["validation"]
    np.testing.assert_allclose(exact(graph_of(name)), expected.ravel(), rtol=2e-3)


@pytest.mark.parametrize("name", SMOOTH)
def test_table_trains_like_the_function(name: str) -> None:
    (losses,), _ = tabulated(graph_of(name))
    np.testing.assert_allclose(losses, exact(graph_of(name)), rtol=2e-2)


def test_table_ranks_like_the_function() -> None:
    names = (*SMOOTH, "relu", "sine", "tanh")
    from_table = [np.log(tabulated(graph_of(name))[0]).mean() for name in names]
    from_function = [np.log(exact(graph_of(name))).mean() for name in names]
    assert np.argsort(from_table).tolist() == np.argsort(from_function).tolist()
    assert np.ptp(from_function) > 0.1


def test_training_learns() -> None:
    networks = trainer()
    function = compile_graph(graph_of("gelu"), "torch")
    before = networks.validation_losses([function])
    networks.fit(Exact(function))
    assert np.log(networks.validation_losses([function])).mean() < np.log(before).mean() - 0.5


def test_training_repeats_itself_bit_for_bit() -> None:
    networks = trainer()
    function = compile_graph(graph_of("gelu"), "torch")
    runs = []
    for text in ("gelu", "sine", "gelu"):
        networks.fit(Lookup([tabulate(graph_of(text))], networks.shape))
        runs.append(networks.validation_losses([function]))
    assert (runs[0] == runs[2]).all()
    assert (runs[0] == tabulated(graph_of("gelu"))[0]).all()
    assert (runs[0] != runs[1]).all()


def test_candidates_in_one_program_do_not_meet() -> None:
    graphs = [graph_of("gelu"), from_source("exp(exp(x * x))").graph, graph_of("gmtu")]
    together, finite = tabulated(*graphs)
    assert [all(row) for row in finite] == [True, False, True]
    for row in (0, 2):
        alone, _ = tabulated(graphs[row])
        np.testing.assert_allclose(together[row], alone[0], rtol=1e-3)


def test_lost_candidate_ends_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ensemble, "CHECK_EVERY", 5)
    networks = trainer()
    lookup = Lookup([tabulate(from_source("log(x)").graph)], networks.shape)
    layers: list[int] = []
    forward = lookup.forward

    def counting(layer: int, z: torch.Tensor, out: torch.Tensor) -> None:
        layers.append(layer)
        forward(layer, z, out)

    monkeypatch.setattr(lookup, "forward", counting)
    assert not networks.fit(lookup).any()
    assert layers == [0, 1, 2] * 5


def test_lookup_is_the_table_at_any_number() -> None:
    tables = [tabulate(graph_of(name)) for name in ("gelu", "sine")]
    places = [0.0, -0.0, 1.7, -15.9999, 16.0, -40.0, 1e9, -1e9, 1e30, -1e30, math.inf, math.nan]
    z = torch.tensor(places).expand(2, 1, -1).clone()
    out, gradient = torch.empty_like(z), torch.ones_like(z)
    lookup = Lookup(tables, (2, 1, len(places)))
    lookup.forward(1, z, out)
    lookup.backward(1, gradient)
    for row, table in enumerate(tables):
        value, derivative = (part.float() for part in table(torch.tensor(places)))
        torch.testing.assert_close(out[row, 0], value, rtol=1e-5, atol=2e-6, equal_nan=True)
        torch.testing.assert_close(gradient[row, 0, :-1], derivative[:-1], rtol=0, atol=1e-3)


def test_exact_takes_a_function_without_gradient() -> None:
    sign = Exact(torch.sign)
    z, gradient = torch.tensor([[[-2.0, 0.5]]]), torch.ones(1, 1, 2)
    out = torch.empty_like(z)
    sign.forward(0, z, out)
    sign.backward(0, gradient)
    assert out.flatten().tolist() == [-1, 1]
    assert gradient.flatten().tolist() == [0, 0]
