"""Two spellings are one function and two functions are two, on pairs and on thousands of composed graphs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest

from activations import Graph, get
from mining.draft import UNARY, Draft
from mining.identity import KEY_TOLERANCE, TOLERANCE, Known, fingerprint, same_function
from mining.moves import BINARY
from mining.sample import values_and_slopes

from .written import written

SAME = [
    ("mul(x, sigmoid(x))", "silu(x)"),
    ("sin(neg(x))", "neg(sin(x))"),
    ("div(exp(x), add(exp(x), 1))", "sigmoid(x)"),
    ("sub(1, sigmoid(neg(x)))", "sigmoid(x)"),
    ("sub(mul(sigmoid(mul(x, 2)), 2), 1)", "tanh(x)"),
    ("div(sub(exp(x), exp(neg(x))), add(exp(x), exp(neg(x))))", "tanh(x)"),
    ("log1p(exp(x))", "softplus(x, 1, 20)"),
    ("neg(log_sigmoid(neg(x)))", "softplus(x, 1, 20)"),
    ("logaddexp(x, 0)", "softplus(x, 1, 20)"),
    ("maximum(x, 0)", "relu(x)"),
    ("where(ge(x, 0), x, 0)", "relu(x)"),
    ("mul(add(x, abs(x)), 0.5)", "relu(x)"),
    ("cos(x)", "sin(add(x, 1.5707963267948966))"),
    ("sub(1, pow(sin(x), 2))", "pow(cos(x), 2)"),
    ("mul(mul(sin(x), cos(x)), 2)", "sin(mul(x, 2))"),
    ("log(add(x, sqrt(add(pow(x, 2), 1))))", "asinh(x)"),
    ("mul(x, erfc(mul(x, -0.7071067811865476)))", "mul(gelu_erf(x), 2)"),
    ("clamp_max(relu(x), 6)", "hardtanh(x, 0, 6)"),
    ("sqrt(pow(x, 2))", "abs(x)"),
]

APART = [
    ("add(gelu_erf(x), mul(sin(x), 0.1))", "add(gelu_erf(x), mul(sin(x), 0.1001))"),
    ("gelu_erf(x)", "gelu_tanh(x)"),
    ("silu(x)", "mul(x, sigmoid(mul(x, 1.0001)))"),
    ("mul(silu(x), 1e-5)", "mul(gelu_erf(x), 1e-5)"),
    ("add(pow(x, 8), mul(sin(x), 0.1))", "add(pow(x, 8), mul(cos(x), 0.1))"),
    ("mul(x, detach(sigmoid(x)))", "silu(x)"),
    ("leaky_relu(x, 0.01)", "leaky_relu(x, 0.0101)"),
    ("clamp(x, -50, 50)", "clamp(x, -50, 51)"),
    ("log(x)", "where(gt(x, 0), log(x), 0)"),
    ("where(gt(x, 0.5), x, 0)", "where(gt(x, 0.5005), x, 0)"),
    ("where(gt(x, 0.5), x, 0)", "where(gt(x, 0.50000001), x, 0)"),
    ("where(gt(mul(x, 3), 1), x, 0)", "where(gt(mul(x, 3), 1.000001), x, 0)"),
    ("where(gt(softplus(x, 1, 20), 0.5), x, 0)", "where(gt(softplus(x, 1, 20), 0.5001), x, 0)"),
    ("add(x, exp(neg(pow(mul(sub(x, 1.234), 5000), 2))))", "add(x, exp(neg(pow(mul(sub(x, 1.235), 5000), 2))))"),
    ("tanh(x)", "neg(tanh(x))"),
]


@pytest.mark.parametrize(("first", "second"), SAME)
def test_two_spellings_are_found(first: str, second: str) -> None:
    a, b = written(first), written(second)
    known = Known()
    known.add(b)
    assert known.find(a) == b.hash
    assert same_function(b, a)


@pytest.mark.parametrize(("first", "second"), APART)
def test_two_functions_stay_two(first: str, second: str) -> None:
    a, b = written(first), written(second)
    known = Known()
    known.add(b)
    assert known.find(a) is None
    assert not same_function(a, b)


def composed() -> Iterator[Graph]:
    """Every u(x), u(v(x)) and u(x) ∘ v(x) of the moves' operations, and x under every threshold of a few."""
    for u in UNARY:
        draft = Draft()
        yield draft.finish(UNARY[u](draft, "x"))
    for u, v in itertools.product(UNARY, repeat=2):
        draft = Draft()
        yield draft.finish(UNARY[u](draft, UNARY[v](draft, "x")))
    for op, (u, v) in itertools.product(BINARY, itertools.combinations(UNARY, 2)):
        draft = Draft()
        yield draft.finish(draft.add(op, UNARY[u](draft, "x"), UNARY[v](draft, "x")))
    for u, threshold in itertools.product(UNARY, (0.25, 0.2501, 0.25001)):
        draft = Draft()
        above = draft.add("gt", UNARY[u](draft, "x"), threshold)
        yield draft.finish(draft.add("where", above, "x", 0))


def test_thousands_of_composed_functions() -> None:
    """What is merged agrees on a dense grid of its own, far below float32's rounding."""
    known, graphs, merged = Known(), dict[str, Graph](), []
    for graph in composed():
        found = known.find(graph)
        if found is None:
            known.add(graph)
            graphs[graph.hash] = graph
        elif found != graph.hash:
            merged.append((graphs[found], graph))
    assert len(known) > 1500
    assert len(merged) > 50
    x = np.sort(np.random.default_rng(0).uniform(-15, 15, 5_000))
    for a, b in merged:
        first, second = values_and_slopes(a, x), values_and_slopes(b, x)
        np.testing.assert_allclose(first.values, second.values, rtol=1e-6, atol=1e-6, err_msg=f"{a} {b}")
        np.testing.assert_allclose(first.slopes, second.slopes, rtol=1e-5, atol=1e-5, err_msg=f"{a} {b}")


def test_a_border_between_keys_parts_nothing() -> None:
    """Functions that differ by half of the tolerance are one wherever their keys lie."""
    for factor in np.linspace(0.5, 2.0, 40):
        a, b = (written(f"mul(silu(x), {c:.17g})") for c in (factor, factor * (1 + TOLERANCE / 2)))
        known = Known()
        known.add(a)
        assert a.hash != b.hash
        assert abs(fingerprint(a).key - fingerprint(b).key) <= KEY_TOLERANCE
        assert known.find(b) == a.hash


def test_functions_of_the_whole_tensor() -> None:
    turned = "roll(roll(x, shifts=(1,), dims=(-1,)), shifts=(-1,), dims=(-1,))"
    known = Known()
    known.add(written("sin(x)"))
    assert known.find(written(f"sin({turned})")) == written("sin(x)").hash
    for name in ("turbulent", "turbulent-base"):
        assert known.find(get(name).graph) is None
        known.add(get(name).graph)
        assert known.find(get(name).graph) == get(name).graph.hash
    means = [f"sub(x, mean(x, dim={dim}, keepdim=True))" for dim in ("None", "(-1,)", "(-2,)", "(-2, -1)")]
    for mean in means:
        assert known.find(written(mean)) is None
        known.add(written(mean))


def test_a_function_is_known_once() -> None:
    known = Known()
    for _ in range(2):
        known.add(written("silu(x)"))
    known.add(written("mul(x, sigmoid(x))"))
    assert len(known) == 1
    assert Known().find(written("silu(x)")) is None
