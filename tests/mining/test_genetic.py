"""What mutation and crossover make: sound graphs, the same for the same stream, and mostly worth a training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from activations import Graph
from activations.graph import GraphParameter, Node
from activations.ops import OPS
from mining import moves
from mining.candidate import Member, Proposal, Rejected
from mining.draft import UNARY, Draft, numbers, part
from mining.genetic import Genetic
from mining.sample import values_and_slopes
from mining.screen import screen

from .written import written

POPULATION = (
    "relu(x)", "gelu_erf(x)", "silu(x)", "add(gelu_erf(x), mul(sin(x), 0.1))", "mul(gelu_erf(x), add(sinc(x), 1))",
    "where(gt(x, 0), tanh(x), mul(tanh(x), 0.25))", "softplus(x, 1, 20)", "elu(x, 1, 1, 1)", "sub(x, tanh(x))",
    "mul(x, to_float(logical_and(gt(x, 0), lt(x, 3))))", "div(x, add(abs(x), 1))", "clamp(x, -1, 2)",
    "add(x, pow(sin(x), 2))", "where(ge(x, 0), 1, 0)",
)  # fmt: skip


def member(graph: Graph) -> Member:
    return Member(graph.hash, graph, "", "", "start", 0.0, {}, (), 0, ())


@dataclass
class Fixed:
    members: Sequence[Member]
    rejections: Sequence[Rejected] = ()

    @property
    def elites(self) -> Sequence[Member]:
        return self.members

    def parent(self, stream: np.random.Generator) -> Member:
        return self.members[int(stream.integers(len(self.members)))]


VIEW = Fixed([member(written(text)) for text in POPULATION])


@pytest.fixture(scope="module")
def proposals() -> list[Proposal]:
    return Genetic().propose(400, VIEW, np.random.default_rng(0))


def test_all_that_a_proposal_says(proposals: list[Proposal]) -> None:
    known = {m.hash for m in VIEW.members}
    assert len(proposals) == 400
    assert len({p.graph.hash for p in proposals if p.graph}) == 400
    for p in proposals:
        assert p.graph is not None
        assert p.proposer == "genetic"
        assert p.graph.hash not in known
        assert p.parents
        assert set(p.parents) <= known
        assert "def activation(x):\n    " in p.source
        assert max(map(len, p.source.splitlines())) <= 120
        assert " in " in p.operation
        assert len(p.operation) < 250
        assert "\n" not in p.operation
        assert 0 < len(p.graph.nodes) <= 40


def test_children_are_graphs_of_numbers_that_can_be_computed(proposals: list[Proposal]) -> None:
    x = np.linspace(-3, 3, 7)
    for p in proposals:
        assert p.graph is not None
        assert p.graph.pointwise
        assert len(set(p.graph.nodes)) == len(p.graph.nodes)
        assert part(p.graph, p.graph.outputs[0]) == p.graph
        assert values_and_slopes(p.graph, x).values.shape == x.shape


def test_most_children_pass_the_screen(proposals: list[Proposal]) -> None:
    passed = sum(screen(p.graph) is None for p in proposals if p.graph)
    assert passed > 0.8 * len(proposals)


def test_all_kinds_of_moves_occur(proposals: list[Proposal]) -> None:
    said = Counter(p.operation.split()[0] for p in proposals)
    assert {"replace", "put", "drop", "turn", "change", "swap", "add", "multiply", "take"} <= set(said)
    assert 0.15 < sum(len(p.parents) == 2 for p in proposals) / len(proposals) < 0.4


def test_the_stream_decides() -> None:
    def again(seed: int) -> list[Proposal]:
        return Genetic().propose(20, VIEW, np.random.default_rng(seed))

    assert again(1) == again(1)
    assert again(1) != again(2)


def test_what_is_known_or_was_rejected_is_not_proposed_again() -> None:
    first = Genetic().propose(30, VIEW, np.random.default_rng(3))
    refused = [Rejected(p, "screen", "no") for p in first[:15]]
    born = [member(p.graph) for p in first[15:] if p.graph]
    view = Fixed(VIEW.members, refused)
    again = {p.graph.hash for p in Genetic().propose(30, view, np.random.default_rng(3)) if p.graph}
    assert not again & {p.graph.hash for p in first[:15] if p.graph}
    grown = Fixed([*VIEW.members, *born])
    assert not {m.hash for m in born} & {
        p.graph.hash for p in Genetic().propose(99, grown, np.random.default_rng(3)) if p.graph
    }


def test_a_population_without_room_gives_fewer() -> None:
    graph = Graph((Node("mul", ("x", "beta")),), ("v0",), (GraphParameter("beta", 1.0),))
    assert Genetic().propose(5, Fixed([member(graph)]), np.random.default_rng(0)) == []
    assert Genetic(most_nodes=1, tries=3).propose(200, VIEW, np.random.default_rng(0)) != []


@pytest.mark.parametrize("move", [move for move, _ in moves.MUTATIONS], ids=lambda move: move.__name__)
def test_every_move_gives_another_function_or_says_that_it_cannot(move: moves.Move) -> None:
    stream = np.random.default_rng(0)
    graphs = [m.graph for m in VIEW.members] * 5
    found = [(graph, moved) for graph in graphs if (moved := move(graph, stream))]
    assert len(found) >= 10
    assert sum(moved.graph.hash != graph.hash for graph, moved in found) > 0.7 * len(found)
    assert all(moved.phrase for _, moved in found)


def test_moves_do_what_they_say() -> None:
    stream = np.random.default_rng(0)
    tanh, difference = written("tanh(x)"), written("sub(x, tanh(x))")
    assert moves.delete(tanh, stream) == (Graph((), ("x",)), "drop tanh")
    assert moves.swap(difference, stream) == (written("sub(tanh(x), x)"), "swap the inputs of -")
    assert moves.swap(tanh, stream) is None
    assert moves.tune(tanh, stream) is None
    assert moves.exchange(tanh, Graph((), ("x",)), stream) is None
    composed = moves.compose(difference, written("sin(x)"), stream)
    assert composed == (written("sub(sin(x), tanh(sin(x)))"), "put in sin(x) for x")
    exchanged = moves.exchange(tanh, written("sin(x)"), stream)
    assert exchanged == (written("sin(x)"), "put sin(x) in place of tanh(x)")


def test_truth_values_are_no_numbers() -> None:
    graph = written("where(logical_and(gt(x, 0), lt(sin(x), 1)), tanh(x), to_float(le(x, 2)))")
    named = {name: graph.nodes[int(name[1:])].op for name in numbers(graph) - {"x"}}
    assert set(named.values()) == {"where", "tanh", "sin", "to_float"}


def test_statistics_of_the_tensor_are_left_alone() -> None:
    graph = written("mul(tanh(sub(x, mean(x, dim=(-1,), keepdim=True))), sin(x))")
    assert {graph.nodes[int(name[1:])].op for name in numbers(graph) - {"x"}} == {"sin"}
    stream = np.random.default_rng(0)
    for _ in range(40):
        for move, _ in moves.MUTATIONS:
            moved = move(graph, stream)
            if moved:
                values_and_slopes(moved.graph, np.ones((2, 3)))
    assert moves.compose(graph, written("sin(x)"), stream) is None


def test_a_draft_keeps_equal_nodes_once_and_drops_dead_ones() -> None:
    draft = Draft()
    draft.add("exp", "x")
    first, second = draft.add("sin", "x"), draft.add("sin", "x")
    assert draft.finish(draft.add("mul", first, second)) == Graph(
        (Node("sin", ("x",)), Node("mul", ("v0", "v0"))), ("v1",)
    )


def test_what_values_are_put_through_is_finite() -> None:
    for build in UNARY.values():
        draft = Draft()
        sample = values_and_slopes(draft.finish(build(draft, "x")), np.linspace(-100, 100, 401), dtype="float32")
        assert np.isfinite(sample.values).all()
        assert np.isfinite(sample.slopes).all()


def test_moves_name_rows_of_the_table() -> None:
    assert {*moves.BINARY} <= set(OPS)


def test_it_learns_nothing_and_has_no_state(proposals: list[Proposal]) -> None:
    genetic = Genetic()
    genetic.learn([(proposals[0], 0.5), (proposals[1], None)])
    genetic.restore(genetic.state())
    assert genetic == Genetic()
    assert genetic.state() == ""
