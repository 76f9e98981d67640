"""One hash for one function, two for two; FLOPs by the stated table."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from activations.canonical import expand
from activations.graph import Graph, Node, Parameter
from activations.to_torch import to_torch
from activations.trace import trace

Function = Callable[..., Tensor]

SAME: dict[str, tuple[Function, ...]] = {
    "silu": (F.silu, lambda x: x * torch.sigmoid(x), lambda x: torch.sigmoid(x) * x, lambda x: x / (1 + torch.exp(-x))),
    "gelu": (
        F.gelu,
        lambda x: 0.5 * x * (1 + torch.erf(x / math.sqrt(2))),
        lambda x: x * (0.5 + 0.5 * torch.erf(x * 2**-0.5)),
        lambda x: x * (torch.erf(x / 2**0.5) + 1) / 2,
        lambda x: x * 0.5 * (1.0 - torch.erf(-x / math.sqrt(2))),
    ),
    "gelu tanh": (
        lambda x: F.gelu(x, approximate="tanh"),
        lambda x: 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    ),
    "mish": (F.mish, lambda x: x * torch.tanh(F.softplus(x))),
    "hardswish": (F.hardswish, lambda x: x * F.relu6(x + 3) / 6),
    "softsign": (F.softsign, lambda x: x / (1 + x.abs()), lambda x: x * (1 + abs(x)) ** -1),
    "square": (lambda x: x * x, lambda x: x**2, torch.square, lambda x: (-x) * (-x)),
    "double": (lambda x: x + x, lambda x: 2 * x, lambda x: x / 0.5, lambda x: 3 * x - x),
    "order": (lambda x: x + x.sin() + 1, lambda x: 1 + (x.sin() + x), lambda x: 1 - (-x - torch.sin(x))),
    "odd": (lambda x: torch.sin(-2 * x), lambda x: -torch.sin(2 * x)),
    "mirrored": (lambda x: torch.where(x > 1, x, 0.0), lambda x: torch.where(x > 1, x, 0.0)),
    "shared": (lambda x: x.tanh() * x.tanh(), lambda x: torch.tanh(x) ** 2),
    "in place": (lambda x: x.mul(3).add(1), lambda x: x.mul_(3).add_(1)),
    "named otherwise": (
        lambda x, *, beta=Parameter(1.0): x * torch.sigmoid(beta * x),
        lambda x, *, b=Parameter(1.0): x * torch.sigmoid(x * b),
    ),
}

DIFFERENT: tuple[Function, ...] = (
    F.silu, F.gelu, F.relu, F.mish, F.softplus, torch.tanh, torch.sin, torch.cos, torch.sqrt, torch.sinc, torch.erf,
    F.elu,
    lambda x: F.gelu(x, approximate="tanh"),
    lambda x: F.softplus(x, beta=2),
    lambda x: F.softplus(x, threshold=10),
    lambda x: torch.log1p(torch.exp(x)),
    lambda x: torch.logaddexp(x, torch.zeros_like(x)),
    lambda x: F.elu(x, 0.5),
    F.leaky_relu,
    lambda x: F.leaky_relu(x, 0.02),
    lambda x: torch.maximum(x, torch.zeros_like(x)),
    lambda x: torch.clamp(x, min=0),
    lambda x: torch.where(x > 0, x, 0.0),
    lambda x: torch.where(x >= 0, x, 0.0),
    lambda x: x * (x > 0),
    lambda x: torch.clamp(x, 0, 6),
    F.relu6,
    lambda x: x**2,
    lambda x: x**3,
    lambda x: x**0.5,
    lambda x: x.detach() * x,
    lambda x: x,
    lambda x: -x,
    lambda x: x * x / x,
    lambda x: x - x,
    lambda x: x * 0,
    lambda x: 1 / x,
    lambda x: 1.0000001 * x,
    lambda x: x - x.tanh(),
    lambda x: x.tanh() - x,
    lambda x: x / (1 + x * x),
    lambda x: (1 + x * x) / x,
    lambda x: x - x.mean(),
    lambda x: x - x.mean(-1, keepdim=True),
    lambda x: x.roll(1, -1),
    lambda x: x.roll(2, -1),
    lambda x: x.roll(1, -2),
    lambda x: x.std(-1, keepdim=True) * x,
    lambda x: x.std(-1, keepdim=True, unbiased=False) * x,
    lambda x: x / x.shape[-1],
    lambda x: x / x.numel(),
    lambda x, *, beta=Parameter(1.0): beta * x,
    lambda x, *, beta=Parameter(2.0): beta * x,
    lambda x, *, beta=Parameter(1.0, per="channel"): beta * x,
    lambda x, *, c=Parameter((1.0, 2.0)): c[0] * x + c[1],
    lambda x, *, c=Parameter((1.0, 2.0)): c[1] * x + c[0],
    lambda x: torch.remainder(x, 2.0),
    lambda x: torch.fmod(x, 2.0),
    lambda x: x.round() * x,
    lambda x: x.floor() * x,
    lambda x: torch.atan2(x, torch.ones_like(x)),
    lambda x: torch.atan2(torch.ones_like(x), x),
    lambda x: x * ((x > 0) & (x < 1)),
    lambda x: x * ((x > 0) | (x < 1)),
)  # fmt: skip


@pytest.mark.parametrize("name", SAME)
def test_writings_of_one_function_share_a_hash(name: str) -> None:
    assert len({trace(f).hash for f in SAME[name]}) == 1


def test_different_functions_never_share_a_hash() -> None:
    hashes = [trace(f).hash for f in DIFFERENT]
    twins = [(i, j) for i, j in itertools.combinations(range(len(hashes)), 2) if hashes[i] == hashes[j]]
    assert not twins


def test_the_hash_is_stable() -> None:
    """Cells are named by it: a change of the canonical form renames every record, so it must be on purpose."""
    assert trace(F.silu).hash == "a18a5608200da874"
    assert trace(F.gelu).hash == "fbf43d022c0eb401"


@pytest.mark.parametrize(
    ("function", "flops"),
    [
        (lambda x: x, 0),
        (torch.relu, 1),
        (lambda x: x * 2 + 1, 2),
        (lambda x: x**3, 2),
        (lambda x: 1 / x, 4),
        (torch.tanh, 10),
        (torch.sigmoid, 16),
        (F.silu, 17),
        (lambda x: x - x.mean(), 2),
        (lambda x: x.roll(1, -1), 0),
        (lambda x: torch.fft.irfft(torch.fft.rfft(x), n=x.shape[-1]), 20),
    ],
)
def test_flops_by_the_table(function: Function, flops: int) -> None:
    assert trace(function).flops == flops


UNARY = ("sin", "tanh", "sigmoid", "silu", "neg", "abs", "relu", "gelu_erf", "hardswish", "mish")
BINARY = ("add", "sub", "mul", "maximum")


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    nodes: list[Node] = []
    for index in range(draw(st.integers(1, 8))):
        values = st.sampled_from(["x", *(f"v{i}" for i in range(index))])
        if draw(st.booleans()):
            nodes.append(Node(draw(st.sampled_from(UNARY)), (draw(values),)))
        else:
            number = st.sampled_from([-2.0, 0.5, 1.0, 3])
            nodes.append(Node(draw(st.sampled_from(BINARY)), (draw(values), draw(values | number))))
    return Graph(tuple(nodes), (f"v{len(nodes) - 1}",))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(graphs())
def test_random_graphs_keep_hash_and_values_through_json_expansion_and_reversal(graph: Graph) -> None:
    x = torch.linspace(-3, 3, 25, dtype=torch.float64)
    y = to_torch(graph)(x)
    assert Graph.from_json(graph.to_json()).hash == graph.hash
    expanded = expand(graph)
    assert expanded.hash == graph.hash
    torch.testing.assert_close(to_torch(expanded)(x).expand_as(y), y, rtol=1e-8, atol=1e-8)
    swapped = tuple(Node(n.op, n.inputs[::-1]) if n.op in ("add", "mul", "maximum") else n for n in graph.nodes)
    assert Graph(swapped, graph.outputs).hash == graph.hash


@settings(max_examples=60, deadline=None, derandomize=True)
@given(graphs(), graphs())
def test_random_graphs_of_one_hash_have_the_same_values(first: Graph, second: Graph) -> None:
    x = torch.linspace(-3, 3, 25, dtype=torch.float64)
    if first.hash == second.hash:
        torch.testing.assert_close(to_torch(first)(x), to_torch(second)(x), rtol=1e-8, atol=1e-8)
    elif first == second:
        pytest.fail("equal graphs have different hashes")
