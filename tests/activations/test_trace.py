"""What a trace carries, and what it refuses with one sentence."""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from activations.graph import Parameter, Size
from activations.to_torch import to_torch
from activations.trace import TraceError, trace


def branch(x: Tensor) -> Tensor:
    return x if x.sum() > 0 else -x


def without_gradient(x: Tensor) -> Tensor:
    with torch.no_grad():
        gate = x.sigmoid()
    return x * gate


class StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.sign()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


class StraightThroughNewStyle(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.sign()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        return None

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


def required(x: Tensor, k: float) -> Tensor:
    return k * x


OUTSIDE = torch.tensor(2.0)
PRELU = torch.nn.PReLU()

REFUSED: list[tuple[Callable[..., Any], str]] = [
    (branch, "branches on the tensor's values.*torch.where"),
    (lambda x: x * (1 if x.mean() > 0 else 2), "branches on the tensor's values"),
    (lambda x: x[x > 0], "selects elements"),
    (lambda x: x * float(x.detach().numpy().mean()), r"reads numbers out of the tensor \(numpy\)"),
    (lambda x: x * x.mean().item(), r"reads numbers out of the tensor \(item\)"),
    (lambda x: x * float(x.mean()), "reads numbers out of the tensor"),
    (lambda x: x * sum(x.flatten().tolist()), "reads numbers out of the tensor"),
    (lambda x: x + torch.rand_like(x), "random or unset numbers .rand_like"),
    (lambda x: F.dropout(x), "random or unset numbers .dropout"),
    (lambda x: F.rrelu(x, training=True), "random or unset numbers"),
    (lambda x: torch.empty_like(x) * x, "random or unset numbers"),
    (lambda x: x / int(x.shape[-1]), "bakes in a size"),
    (lambda x: x / x.shape[0], "counts an axis from the front"),
    (lambda x: x - x.mean(1, keepdim=True), "counts an axis from the front"),
    (lambda x: x - x.mean(0), "counts an axis from the front"),
    (lambda x: x * x.dim(), "depends on the number of axes"),
    (lambda x: x * 2 if x.shape[-1] % 2 else x * 3, "branches on one: its graphs for tensors of other sizes differ"),
    (lambda x: x * random.random(), "another graph each time that it runs: it draws random numbers outside torch"),
    (lambda x, seen=[]: x * (seen.append(1) or len(seen)), "keeps state between calls"),
    (lambda x: x * OUTSIDE, "uses a tensor from outside.*as a Python number.*Parameter"),
    (lambda x: x * OUTSIDE.expand(2).sum(), "uses a tensor from outside"),
    (PRELU, "uses a tensor from outside .*torch module's weight"),
    (lambda x: sys.exit(3), "the function raised SystemExit: 3"),
    (lambda x: sys.exit(), "the function raised SystemExit: no message"),
    (lambda x, *, beta=Parameter(1.0), c=Parameter((1.0, 2.0)): beta * x, "Parameter 'c' is declared and never used"),
    (lambda x, *, beta=Parameter(1.0): x + 0 * F.relu(x), "Parameter 'beta' is declared and never used"),
    (lambda x: x.flatten(), r"keeps the shape of x; \[3, 5, 7\] became \[105\]"),
    (lambda x: x.sum(), r"keeps the shape of x; \[3, 5, 7\] became \[\]"),
    (lambda x: torch.fft.fft(x), "real floating-point numbers, not complex64"),
    (lambda x: x > 0, "real floating-point numbers, not bool"),
    (lambda x: (x, x), "returns one tensor, not tuple"),
    (lambda x: None, "returns one tensor, not NoneType"),
    (lambda x: torch.ones_like(x), "ignores x"),
    (lambda x: torch.special.bessel_j0(x), "'special_bessel_j0' is not in the table of operations"),
    (lambda x: F.avg_pool1d(x, 3, 1, 1), "is not in the table of operations"),
    (
        lambda x: x * torch.arange(7.0).clone().sum(0) + torch.tensor([1.0, 2.0]).sum(),
        "constant|takes the sum of a parameter",
    ),
    (StraightThrough.apply, "defines its own gradient"),
    (lambda x: StraightThroughNewStyle.apply(x), "defines its own gradient"),
    (without_gradient, "uses torch.no_grad.*x.detach"),
    (lambda x: x.requires_grad_() * 2, "uses requires_grad_"),
    (lambda x: x.half() * 2, "rounds to float16"),
    (lambda x: torch.roll(x, 1), "rolls the flattened tensor"),
    (lambda x: x + undefined, "cannot be traced .NameError"),  # type: ignore[name-defined]  # noqa: F821
    (required, "'k' has no default"),
    (lambda: None, "takes one tensor as its first argument"),
    (lambda x, *, c=Parameter((1.0, 2.0)): x * c.sum(), "uses the vector 'c' as a whole"),
    (lambda x, *, b=Parameter(1.0): x * (2 * b).mean(), "takes the mean of a parameter"),
]


@pytest.mark.parametrize(("function", "message"), REFUSED)
def test_refusals_say_why_in_one_sentence(function: Callable[..., Any], message: str) -> None:
    with pytest.raises(TraceError, match=message) as refusal:
        trace(function)
    assert "\n" not in str(refusal.value)


def test_an_interrupt_passes_through_and_leaves_no_mark() -> None:
    def interrupted(x: Tensor) -> Tensor:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trace(interrupted)
    assert [node.op for node in trace(lambda x: F.relu(x)).nodes] == ["relu"]


def test_constants_that_are_not_finite_are_carried() -> None:
    x = torch.tensor([-1.0, 2.0])
    for value in (math.nan, math.inf):
        graph = trace(lambda x, value=value: torch.where(x > 0, x, value))
        torch.testing.assert_close(to_torch(graph)(x), torch.tensor([value, 2.0]), equal_nan=True)


def in_place(x: Tensor) -> Tensor:
    x.mul_(2)
    x[x < 0] = 0
    y = torch.zeros_like(x)
    y[..., 0] = x[..., 0]
    return x + y


def gated(x: Tensor) -> Tensor:
    spectrum = torch.fft.rfft(x)
    middle = spectrum.shape[-1] // 2
    share = spectrum[..., middle:].abs().sum(-1, keepdim=True) / (spectrum.abs().sum(-1, keepdim=True) + 1e-6)
    gate = torch.exp(-share.detach())
    other = torch.cat([spectrum[..., :middle], spectrum[..., middle:].conj()], -1)
    return gate * x + (1 - gate) * torch.fft.irfft(other, n=x.shape[-1])


CARRIED: dict[str, Callable[..., Tensor]] = {
    "in place": in_place,
    "symbolic sizes": gated,
    "size": lambda x: x * x.shape[-1] ** -0.5 / x.numel(),
    "loop": lambda x: sum((x**k / math.factorial(k) for k in range(5)), torch.zeros_like(x)),
    "booleans": lambda x: x * ((x > 0) + (x > 1)),
    "counted": lambda x: x * ((x > 0).float() + (x > 1).float()),
    "constant tensor": lambda x: torch.maximum(x, torch.tensor(0.5)) * torch.tensor(2),
    "detach": lambda x: x.detach() * x,
    "data": lambda x: x.data * x,
    "layer norm": lambda x: F.layer_norm(x, x.shape[-1:]),
    "where of numbers": lambda x: x * torch.where(x > 0.3, 0.1, 0.7),
    "integer division": lambda x: x * ((x > 0) / 3),
    "whole reduction": lambda x: (x - x.mean()) / (x.std() + x.norm() + x.max()),
    "assigned data": lambda x: torch.nan_to_num(torch.lerp(x, x.sin(), 0.3)),
    "einsum": lambda x: torch.einsum("...i,...i->...i", x, x.cos()),
}


@pytest.mark.parametrize("name", CARRIED)
def test_the_graph_is_the_function_at_ranks_and_sizes_never_traced(name: str) -> None:
    function, module = CARRIED[name], to_torch(trace(CARRIED[name]))
    for shape in ((6, 11), (2, 4), (3, 2, 9), (2, 3, 4, 8), (2, 1, 2, 3, 5)):
        x = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        results = []
        for f in (lambda t: function(t.clone()), module):
            leaf = x.clone().requires_grad_()
            y = f(leaf)
            results += [y.detach(), torch.autograd.grad(y.square().sum(), leaf)[0]]
        torch.testing.assert_close(results[2], results[0])
        torch.testing.assert_close(results[3], results[1])


def test_detach_stops_the_gradient_in_the_graph() -> None:
    x = torch.tensor([3.0], requires_grad=True)
    (gradient,) = torch.autograd.grad(to_torch(trace(lambda x: x.detach() * x))(x), x)
    assert gradient.item() == 3.0


def test_composites_stay_whole() -> None:
    for function, row in (
        (F.gelu, "gelu_erf"),
        (F.silu, "silu"),
        (F.mish, "mish"),
        (F.hardswish, "hardswish"),
        (F.elu, "elu"),
    ):
        assert [node.op for node in trace(function).nodes] == [row]


def test_sizes_are_told_from_the_last_axis() -> None:
    graph = trace(lambda x: x / (x.shape[-1] // 2 + 1) * x.shape[-2])
    assert [i for node in graph.nodes for i in node.inputs if isinstance(i, Size)] == [
        Size("(1 + (n1 // 2))"),
        Size("n2"),
    ]


def test_parameters_are_read_from_the_signature() -> None:
    graph = trace(
        lambda x, scale=2.0, *, c=Parameter((1.0, 2.0)), b=Parameter(3.0, per="channel"): scale * b * x + c[1] - c[-2]
    )
    assert [(p.name, p.initial, p.per) for p in graph.parameters] == [("c", (1.0, 2.0), "site"), ("b", 3.0, "channel")]
    assert {node.inputs for node in graph.nodes if node.op == "coefficient"} == {("c", 1), ("c", 0)}


def test_tracing_draws_no_random_numbers_and_leaves_no_mark() -> None:
    def seeding(x: Tensor) -> Tensor:
        torch.manual_seed(7)
        return 2 * x

    state = torch.get_rng_state()
    trace(seeding)
    with pytest.raises(TraceError):
        trace(lambda x: x + torch.randn_like(x))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.is_grad_enabled()
    StraightThrough.apply(torch.ones(1))  # the watch's patches are gone
