"""Niches of known functions, and that words and numbers agree."""

from __future__ import annotations

import pytest

from activations import get
from mining.behaviour import Cost, Growth, Niche, Waves, describe, niche
from mining.draft import Draft

from .written import written

B, S, L, P = Growth.BOUNDED, Growth.SUBLINEAR, Growth.LINEAR, Growth.SUPERLINEAR
NONE, RIPPLE, WAVE = Waves.NONE, Waves.RIPPLE, Waves.WAVE

BUILT_IN = [
    ("relu", Niche(B, L, True, NONE, False, Cost.LIGHT)),
    ("leaky-relu", Niche(L, L, True, NONE, False, Cost.LIGHT)),
    ("gelu", Niche(B, L, False, NONE, True, Cost.LIGHT)),
    ("mish", Niche(B, L, False, NONE, True, Cost.MIDDLE)),
    ("softplus", Niche(B, L, True, NONE, True, Cost.MIDDLE)),
    ("elu", Niche(B, L, True, NONE, True, Cost.LIGHT)),
    ("selu", Niche(B, L, True, NONE, False, Cost.LIGHT)),
    ("tanh", Niche(B, B, True, NONE, True, Cost.LIGHT)),
    ("dsilu", Niche(B, B, False, NONE, True, Cost.MIDDLE)),
    ("hardshrink", Niche(L, L, True, NONE, False, Cost.LIGHT)),
    ("arcsinh", Niche(S, S, True, NONE, True, Cost.LIGHT)),
    ("nlrelu", Niche(B, S, True, NONE, False, Cost.LIGHT)),
    ("squared-relu", Niche(B, P, True, NONE, True, Cost.LIGHT)),
    ("log-sigmoid", Niche(L, B, True, NONE, True, Cost.MIDDLE)),
    ("sine", Niche(B, B, False, WAVE, True, Cost.LIGHT)),
    ("siren", Niche(B, B, False, WAVE, True, Cost.LIGHT)),
    ("sinc", Niche(B, B, False, WAVE, True, Cost.LIGHT)),
    ("gcu", Niche(L, L, False, WAVE, True, Cost.LIGHT)),
    ("snake", Niche(L, L, True, WAVE, True, Cost.LIGHT)),
    ("gelu-sine", Niche(B, L, False, RIPPLE, True, Cost.MIDDLE)),
    ("gelu-sinc-perturbation", Niche(B, L, False, RIPPLE, True, Cost.MIDDLE)),
    ("gmtu", Niche(L, L, False, NONE, True, Cost.MIDDLE)),
    ("max-x-sigmoid", Niche(B, L, True, NONE, False, Cost.LIGHT)),
    ("chaotic-wave", Niche(B, B, False, WAVE, False, Cost.HEAVY)),
]


@pytest.mark.parametrize(("name", "expected"), BUILT_IN)
def test_niches_of_built_in_functions(name: str, expected: Niche) -> None:
    assert niche(get(name).graph) == expected


def test_a_niche_is_plain_whole_numbers() -> None:
    assert {type(part) for part in niche(get("relu").graph)} == {int}


def test_in_words() -> None:
    assert describe(niche(get("relu").graph)) == (
        "bounded to the left, linear to the right, monotone, no waves, kinked, light"
    )
    assert describe(niche(get("gelu-sine").graph)) == (
        "bounded to the left, linear to the right, not monotone, a ripple, smooth, middle"
    )


@pytest.mark.parametrize("function", ["silu(x)", "sin(x)", "hardtanh(x, -1, 1)", "mul(x, sin(x))", "asinh(x)"])
@pytest.mark.parametrize("factor", [1e-3, -1.0, 50.0])
def test_a_factor_changes_nothing(function: str, factor: float) -> None:
    assert niche(written(f"mul({function}, {factor})"))[:5] == niche(written(function))[:5]


@pytest.mark.parametrize("function", ["silu", "relu", "softplus", "nlrelu", "squared-relu", "gelu-sine"])
def test_mirrored_functions_have_mirrored_growth(function: str) -> None:
    draft = Draft()
    mirrored = draft.finish(draft.copy(get(function).graph, x=draft.add("neg", "x")))
    left, right, *rest = niche(get(function).graph)
    assert niche(mirrored)[:5] == (right, left, *rest[:3])


@pytest.mark.parametrize("place", [0.0, 0.01, -3.3, 7.77])
def test_a_kink_is_seen_wherever_it_lies_and_beside_a_fast_wave(place: float) -> None:
    smooth, kinked = written("sin(mul(x, 20))"), written(f"add(sin(mul(x, 2)), abs(sub(x, {place})))")
    assert niche(smooth)[4] == 1
    assert niche(kinked)[4] == 0


def test_a_step_is_no_smooth_function() -> None:
    assert niche(written("where(gt(x, 0.3), sin(x), 0)"))[4] == 0
    assert niche(written("add(x, sign(x))"))[4] == 0
