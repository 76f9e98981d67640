"""The built-in catalogue: what each function is, held against its own formula and against the literature."""

from __future__ import annotations

import re
from collections import defaultdict

import numpy as np
import pytest
from numpy.typing import NDArray

import activations
from activations import expression, registry
from activations.facts import facts
from activations.graph import Graph

Array = NDArray[np.float64]

BUILTIN = activations.names()

NOT_POINTWISE = {"turbulent", "fisg", "chaotic-wave"}

SEARCHED_2017 = {
    "swish",
    "max-x-sigmoid",
    "cos-minus-x",
    "min-x-sin",
    "atan-squared-minus-x",
    "max-x-tanh",
    "sinc-plus-x",
    "x-asinh-squared",
}
MINED_2026 = {"gelu-sine", "gelu-sinc-perturbation", "gmtu", "turbulent", "fisg", "chaotic-wave"}


def curve(name: str, x: float | list[float] | Array) -> Array:
    """The float64 reference at its initial parameters."""
    value: Array = activations.get(name).numpy()(np.atleast_1d(np.asarray(x, dtype=np.float64)))
    return value


def ours(name: str) -> bool:
    """Whether our own miner found it."""
    return activations.get(name).function.__module__.startswith("activations.mined.")


def test_what_our_miner_found_says_which_tasks_chose_it() -> None:
    for name in [name for name in BUILTIN if ours(name)]:
        assert activations.get(name).origin == "mined"
        assert activations.get(name).mined_on


def test_catalogue_is_large_enough_and_holds_what_was_promised() -> None:
    usual = "relu leaky-relu prelu elu celu selu gelu gelu-tanh silu swish mish softplus softsign tanh sigmoid"
    more = "hardswish hardtanh relu6 squared-relu sine snake gcu pade acon-c"
    assert len(BUILTIN) >= 80
    assert set(BUILTIN) >= {*usual.split(), *more.split(), *SEARCHED_2017, *MINED_2026}


@pytest.mark.parametrize("name", BUILTIN)
def test_every_builtin_says_what_it_is_and_where_it_comes_from(name: str) -> None:
    activation = activations.get(name)
    assert activation.origin in {"hand-designed", "searched", "mined", "control"}
    assert "x" in activation.formula
    assert activation.source.startswith("@register(")
    assert f'"{name}"' in activation.source
    cited = re.search(r"\b(19|20)\d\d\b", activation.reference)
    assert cited or ours(name) or activation.origin == "control" or name in {"bent-identity", "hard-mish"}
    for number in re.findall(r"arXiv (\S+)", activation.reference):
        assert re.fullmatch(r"\d{4}\.\d{4,5}[;,]?", number), number


def test_origins() -> None:
    by_origin = defaultdict(set)
    for name in BUILTIN:
        by_origin[activations.get(name).origin].add(name)
    by_origin["mined"] -= {name for name in BUILTIN if ours(name)}
    assert by_origin["mined"] == MINED_2026
    assert by_origin["searched"] == SEARCHED_2017 | {"squared-relu", "elish", "hard-elish"}
    assert by_origin["control"] == {"identity", "turbulent-base"}


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("swish-1", "silu"),
        ("gelusine", "gelu-sine"),
        ("gelu-sinc", "gelu-sinc-perturbation"),
        ("pau", "pade"),
        ("hard-swish", "hardswish"),
        ("telu", "tanhexp"),
        ("elliott", "softsign"),
    ],
)
def test_aliases(alias: str, name: str) -> None:
    assert activations.get(alias) is activations.get(name)


def test_two_names_are_never_one_function() -> None:
    by_hash = defaultdict(list)
    for name in BUILTIN:
        by_hash[activations.get(name).graph.hash].append(name)
    assert [names for names in by_hash.values() if len(names) > 1] == []


@pytest.mark.parametrize("name", BUILTIN)
def test_pointwise_and_serialised(name: str) -> None:
    graph = activations.get(name).graph
    assert graph.pointwise == (name not in NOT_POINTWISE)
    again = Graph.from_json(graph.to_json())
    assert again == graph
    assert again.hash == graph.hash
    assert (again.flops, again.pointwise) == (graph.flops, graph.pointwise)


@pytest.mark.parametrize("name", sorted(set(BUILTIN) - NOT_POINTWISE))
def test_formula_as_written_is_the_function(name: str) -> None:
    activation = activations.get(name)
    text = activation.formula
    for p in activation.graph.parameters:
        values = p.initial if isinstance(p.initial, tuple) else [p.initial]
        letter = {"numerator": ("a", 0), "denominator": ("b", 1)}.get(p.name)
        for index, value in enumerate(values):
            written = f"{letter[0]}{index + letter[1]}" if letter else p.name
            text, count = re.subn(rf"\b{written}\b", f"({value})", text)
            assert count, f"the formula of {name} does not show {written}"
    import torch

    x = np.linspace(-6.0, 6.0, 241)
    written_value = expression.parse(text)(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(curve(name, x), written_value, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("x * sigmoid(x)", "silu"),
        ("sigmoid(x) * x", "silu"),
        ("x / (1 + exp(-x))", "silu"),
        ("x * tanh(softplus(x))", "mish"),
        ("gelu(x) + 0.1 * sin(x)", "gelu-sine"),
        ("(1 + sinc(x) * 0.5) * gelu(x)", "gelu-sinc-perturbation"),
        ("sin(x) + x", "sin-plus-x"),
        ("max(x, 0) ** 2", "squared-relu"),
        ("square(relu(x))", "squared-relu"),
        ("relu(x) * relu(x)", "squared-relu"),
    ],
)
def test_the_same_function_written_otherwise_has_the_same_hash(written: str, name: str) -> None:
    assert activations.from_source(written).graph.hash == activations.get(name).graph.hash


@pytest.mark.parametrize(
    ("name", "flops"),
    [
        ("identity", 0),
        ("relu", 1),
        ("absolute", 1),
        ("sine", 10),
        ("siren", 11),
        ("gcu", 11),
        ("sin-plus-x", 11),
        ("squared-relu", 2),
        ("tanhshrink", 11),
        ("lisht", 11),
        ("sigmoid", 16),
        ("silu", 17),
        ("swish", 18),
        ("cos-minus-x", 11),
        ("max-x-tanh", 11),
        ("softsign", 6),
        ("gelu", 14),
        ("gelu-sine", 26),
    ],
)
def test_flops_by_the_table(name: str, flops: int) -> None:
    """1 for arithmetic and selection, 4 for division and roots, 10 for transcendental functions."""
    assert activations.get(name).graph.flops == flops


@pytest.mark.parametrize(
    ("name", "x", "value"),
    [
        ("gelu-sinc-perturbation", 0.0, 0.0),
        ("gmtu", 1.03, 0.841),
        ("gmtu", 3.66, 0.435),
        ("lecun-tanh", 1.0, 0.99999726),  # LeCun et al. 1998 choose the constants so that f(±1) is ±1
        ("lecun-tanh", -1.0, -0.99999726),
        ("softplus", 0.0, np.log(2.0)),
        ("squareplus", 0.0, 1.0),  # Barron 2021: b = 4
        ("hardswish", -1.5, -0.375),
        ("silu", -1.278465, -0.278465),  # the minimum's place and depth coincide up to sign
        ("gelu", 1.0, 0.841345),
        ("selu", -40.0, -1.758099),
        ("turbulent-base", -2.0, -np.log(2.0)),
        ("snake", np.pi / 2, np.pi / 2 + 1),
        ("gcu", np.pi / 2, 0.0),
        ("sqnl", 1.0, 0.75),
        ("smelu", 0.0, 0.25),
        ("cosine-squasher", -2.0, 0.0),
        ("star-relu", -1.0, -0.4472),
        ("max-x-sigmoid", 0.0, 0.5),
        ("elish", -1.0, (np.exp(-1) - 1) / (1 + np.e)),
        ("hard-elish", -0.5, (np.exp(-0.5) - 1) * 0.25),
        ("aria-2", 0.0, 0.0),
        ("golu", 0.0, 0.0),
        ("golu", 1.0, np.exp(-np.exp(-1.0))),
        ("prelu", -2.0, -0.5),
        ("celu", -200.0, -2.0),
    ],
)
def test_values_of_the_literature(name: str, x: float, value: float) -> None:
    digits = len(repr(float(value)).partition(".")[2])
    assert curve(name, x)[0] == pytest.approx(value, abs=max(0.6 * 10.0**-digits, 1e-12))


@pytest.mark.parametrize(
    ("name", "slope"),
    [
        ("gelu-sinc-perturbation", 0.75),
        ("gelu-sine", 0.6),
        ("gmtu", 1.6),
        ("relu", 0.0),
        ("gelu", 0.5),
        ("swish", 0.5),
        ("tanhexp", np.tanh(1.0)),
        ("siren", 30.0),
        ("erf", 2 / np.sqrt(np.pi)),
        ("turbulent-base", 0.0),  # autograd: sign(0) = 0 hides the true slope of 0.5
    ],
)
def test_slopes_at_zero(name: str, slope: float) -> None:
    shape = facts(activations.get(name)).shape
    assert shape is not None
    assert shape.slope_at_0 == pytest.approx(slope, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        ("gelu", -0.7518, -0.16997),
        ("silu", -1.2785, -0.27846),
        ("mish", -1.1925, -0.30884),
        ("serf", None, -0.3484),
        ("tanhexp", None, -0.3532),
        ("hard-mish", -1.0, -0.5),
    ],
)
def test_minima_of_the_literature(name: str, place: float | None, value: float) -> None:
    x = np.linspace(-6.0, 6.0, 120_001)
    y = curve(name, x)
    assert y.min() == pytest.approx(value, abs=1e-4)
    if place is not None:
        assert x[y.argmin()] == pytest.approx(place, abs=2e-4)


@pytest.mark.parametrize(("name", "mean", "variance"), [("selu", 0, 1), ("serlu", 0, 1), ("star-relu", 0, 1)])
def test_self_normalising_functions_keep_mean_and_variance(name: str, mean: float, variance: float) -> None:
    """Klambauer 2017, Zhang 2018 and Yu 2022 derive their constants from this property under N(0, 1)."""
    shape = facts(activations.get(name)).shape
    assert shape is not None
    assert shape.mean == pytest.approx(mean, abs=1e-4)
    assert shape.second_moment - shape.mean**2 == pytest.approx(variance, abs=1e-3)


def test_gmtu_has_the_extrema_that_the_constants_imply() -> None:
    x = np.linspace(0.5, 5.0, 450_001)
    slope = np.sign(np.diff(curve("gmtu", x)))
    turns = x[1:-1][np.diff(slope) != 0]
    assert turns == pytest.approx([1.03, 3.66], abs=0.005)


def test_gelu_sinc_keeps_a_ripple_that_does_not_decay() -> None:
    x = np.linspace(100.0, 104.0, 41)
    np.testing.assert_allclose(curve("gelu-sinc-perturbation", x), x + np.sin(np.pi * x) / (2 * np.pi), atol=1e-12)


def test_pade_starts_near_leaky_relu() -> None:
    x = np.linspace(-3.0, 3.0, 1_201)
    error = curve("pade", x) - np.where(x > 0, x, 0.01 * x)
    assert np.sqrt(np.mean(error**2)) == pytest.approx(0.0055, abs=1e-4)
    assert np.abs(error).max() < 0.034


def test_turbulent_sees_the_whole_tensor() -> None:
    x = np.random.default_rng(0).normal(size=(3, 4, 5)) * 2 + 1
    z = (x - x.mean()) / (x.std() + 1e-6)
    expected = np.sign(x) * np.log1p(0.5 * np.abs(x)) + 0.2 * np.exp(-(z**2) / 2) * np.sin(2 * x)
    np.testing.assert_allclose(activations.get("turbulent").numpy()(x), expected, rtol=1e-12)


def test_fisg_by_a_plain_fourier_transform() -> None:
    rng = np.random.default_rng(1)
    for width in (2, 3, 8, 9):
        x = rng.normal(size=(4, width))
        spectrum = np.fft.rfft(x)
        middle = spectrum.shape[-1] // 2
        share = np.abs(spectrum[:, middle:]).sum(-1) / (np.abs(spectrum).sum(-1) + 1e-6)
        gate = np.exp(-share)[:, None]
        flipped = np.concatenate([spectrum[:, :middle], spectrum[:, middle:].conj()], axis=-1)
        expected = gate * x + (1 - gate) * np.fft.irfft(flipped, n=width)
        np.testing.assert_allclose(activations.get("fisg").numpy()(x), expected, rtol=1e-12, atol=1e-12)


def test_chaotic_wave_by_the_papers_formula_one_element_at_a_time() -> None:
    row = np.random.default_rng(2).normal(size=9) * 12
    expected = []
    for i, x in enumerate(row):
        before, after = row[i - 1], row[(i + 1) % 9]
        u = (x / 10) ** 2
        m, a = 1 + 2 * u * np.exp(-u / 1.5), 2 * u * np.exp(-u / 2)
        energy, bend = x**2 + 0.25 * (before**2 + after**2), x - 0.5 * (before + after)
        alpha = 1 / (1 + np.exp(-(2 * (energy - 100) / 100 + 5 * (bend / 10) ** 2)))
        p = (1 - alpha) * 0.2 * np.sin(15 * x) + alpha * 0.8 * np.sin(40 * x + 5 * bend)
        phi = x + 0.5 * x**2 * np.sign(x) / 10 + p + 2 * (0.5 * before - after) / 10
        d, g = a * np.sin(phi), np.exp(-((abs(x) / 20) ** 4))
        sign = 1 if np.cos(50 * (x / 10) ** 3 + 0.5 * np.sin(2.5 * x)) > 0 else -1
        expected.append(10 * np.tanh((g * x + sign * m * d) / 10))
    np.testing.assert_allclose(activations.get("chaotic-wave").numpy()(row[None])[0], expected, rtol=1e-10)


def test_catalogue_needs_no_test_order() -> None:
    assert registry.snapshot().keys() >= set(BUILTIN)
