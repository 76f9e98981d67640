"""The lab's problems: formulas against independent values, splits against the stated ranges."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import sympy

from tasks.lab import FAMILIES, problems
from tasks.lab.feynman import problems as equations
from tasks.lab.harmonics import problems as harmonics
from tasks.lab.polynomials import evaluate, polynomial
from tasks.lab.ranges import PARTS, bounds, draw, rescale

EQUATIONS = {problem.name: problem for problem in equations()}

SI = {"h": 6.62607015e-34, "q": 1.602176634e-19, "m": 9.1093837139e-31, "epsilon": 8.8541878188e-12}

KNOWN = [
    ("I.6.2a", {"theta": 0}, 0.3989422804),
    ("I.6.2b", {"theta": 5, "theta1": 3, "sigma": 2}, 0.1209853623),  # standard normal density at 1, over 2
    ("I.8.14", {"x1": 1, "x2": 4, "y1": 1, "y2": 5}, 5),
    ("I.9.18", {"m1": 1, "m2": 1, "G": 1, "x1": 1, "x2": 0, "y1": 2, "y2": 0, "z1": 2, "z2": 0}, 1 / 9),
    ("I.10.7", {"m_0": 4, "v": 3, "c": 5}, 5),
    ("I.12.2", {"q1": 1, "q2": 1, "r": 1, "epsilon": SI["epsilon"]}, 8.9875517862e9),  # Coulomb's constant
    ("I.15.3t", {"x": 5, "c": 5, "u": 3, "t": 1}, 0.5),
    ("I.16.6", {"c": 1, "v": 1, "u": 0.3}, 1),  # light is no faster from a moving lamp
    ("I.26.2", {"n": 0.5, "theta2": math.pi / 2}, math.pi / 6),
    ("I.29.16", {"x1": 3, "x2": 4, "theta1": math.pi / 2, "theta2": 0}, 5),
    ("I.30.3", {"Int_0": 1, "theta": math.pi / 2, "n": 2}, 2),  # two slits: 4 cos^2(theta/2)
    ("I.34.14", {"c": 5, "v": 3, "omega_0": 7}, 14),
    ("I.38.12", SI, 5.29177210544e-11),  # Bohr radius in metres
    ("I.50.26", {"x1": 2, "omega": 1, "t": math.pi, "alpha": 0.25}, -1.5),
    ("II.11.28", {"n": 1, "alpha": 1}, 2.5),
    ("II.34.29a", SI, 9.2740100657e-24),  # Bohr magneton in J/T
    ("II.35.18", {"n_0": 6, "kb": 1, "T": 1, "mom": 0, "B": 1}, 3),
    ("III.4.32", {"h": 2 * math.pi, "omega": math.log(2), "kb": 1, "T": 1}, 1),
    ("III.9.52", {"p_d": 1, "Ef": 1, "t": 1, "h": 2 * math.pi, "omega": 3, "omega_0": 3}, 1),  # at resonance
    ("III.15.12", {"U": 1, "k": math.pi, "d": 1}, 4),
    ("III.19.51", {**SI, "n": 1}, -2.1798723611e-18),  # ground state of hydrogen in joules
]


@pytest.mark.parametrize(("name", "values", "expected"), KNOWN, ids=[row[0] for row in KNOWN])
def test_feynman_equation_gives_the_value_of_physics(name: str, values: dict[str, float], expected: float) -> None:
    problem = EQUATIONS[name]
    point = np.array([[values[variable.name] for variable in problem.variables]])
    np.testing.assert_allclose(problem(point), [expected], rtol=1e-8)


def test_feynman_equations_agree_with_sympy_at_high_precision() -> None:
    for problem in equations():
        names = [variable.name for variable in problem.variables]
        symbols = {name: sympy.Symbol(name) for name in names}  # I, beta and gamma mean other things to sympy
        expression = sympy.sympify(problem.formula, locals=symbols)
        assert {str(symbol) for symbol in expression.free_symbols} == set(names), problem.name
        point = draw(problem, "validation", 0, 1)
        exact = expression.evalf(30, subs={symbols[name]: value for name, value in zip(names, point[0], strict=True)})
        np.testing.assert_allclose(problem(point), [float(exact)], rtol=1e-10, err_msg=problem.name)


def test_feynman_table_is_complete() -> None:
    ranges = [(variable.low, variable.high) for problem in equations() for variable in problem.variables]
    assert len(EQUATIONS) == len(equations()) == 100
    assert len(ranges) == 365
    assert Counter(ranges)[1.0, 5.0] == 248
    counts = {name: len(problem.variables) for name, problem in EQUATIONS.items()}
    assert (min(counts.values()), max(counts.values())) == (1, 9)
    miscounted_upstream = {"I.18.12": 3, "I.18.14": 4, "I.38.12": 4, "II.37.1": 3, "III.10.19": 4, "III.19.51": 5}
    assert {name: counts[name] for name in miscounted_upstream} == miscounted_upstream


@pytest.mark.parametrize("family", FAMILIES)
def test_splits_are_disjoint_within_the_ranges_and_finite(family: str) -> None:
    for problem in problems(family):
        low = np.array([variable.low for variable in problem.variables])
        high = np.array([variable.high for variable in problem.variables])
        train, validation, sealed = (bounds(problem, split) for split in ("train", "validation", "sealed"))
        np.testing.assert_allclose([train[0], train[1]], [low, (low + high) / 2])
        np.testing.assert_array_equal(train[1], validation[0])
        np.testing.assert_array_equal(validation[1], sealed[0])
        np.testing.assert_allclose(sealed[1], high)
        drawn = {split: draw(problem, split, 3, 256) for split in PARTS}
        for split, points in drawn.items():
            first, last = bounds(problem, split)
            assert (points >= first).all()
            assert (points < last).all()
            assert np.isfinite(problem(points)).all(), (problem.name, split)
            assert problem(points).shape == (256,)
        assert problem(drawn["train"]).std() > 0
        assert not set(drawn["train"][:, 0]) & set(drawn["held_out"][:, 0])
        assert np.abs(rescale(problem, drawn["train"])).max() <= 1 + 1e-12
        assert rescale(problem, drawn["validation"]).min() >= 1 - 1e-12
        assert rescale(problem, drawn["sealed"]).min() >= 2 - 1e-12


@pytest.mark.parametrize("family", FAMILIES)
def test_a_stride_takes_every_so_many_problems(family: str) -> None:
    table = problems(family)
    assert len({problem.name for problem in table}) == len(table)
    assert problems(family, 5) == table[::5]


def test_points_depend_on_the_seed_the_split_and_the_problem_only() -> None:
    first, second = problems("harmonics")[:2]
    np.testing.assert_array_equal(draw(first, "train", 7, 9), draw(first, "train", 7, 9))
    np.testing.assert_array_equal(draw(first, "train", 7, 9)[:4], draw(first, "train", 7, 4))
    others = [draw(first, "train", 8, 9), draw(first, "held_out", 7, 9), draw(second, "train", 7, 9)]
    assert all((draw(first, "train", 7, 9) != other).all() for other in others)


def test_harmonics_are_orthonormal_on_the_sphere() -> None:
    nodes, weights = np.polynomial.legendre.leggauss(16)  # exact for products of degree 12
    azimuths = np.arange(32) * 2 * np.pi / 32
    theta, phi = np.meshgrid(np.arccos(nodes), azimuths, indexing="ij")
    points = np.stack([theta.ravel(), phi.ravel()], axis=1)
    area = np.repeat(weights, 32) * 2 * np.pi / 32
    values = np.stack([problem(points) for problem in harmonics()])
    assert len(values) == 48
    np.testing.assert_allclose(values * area @ values.T, np.eye(48), atol=1e-12)


def test_first_harmonics_are_the_coordinates() -> None:
    points = draw(harmonics()[0], "train", 0, 50)
    theta, phi = points.T
    scale = math.sqrt(3 / (4 * math.pi))
    coordinates = {"l1m1": np.sin(theta) * np.cos(phi), "l1m-1": np.sin(theta) * np.sin(phi), "l1m0": np.cos(theta)}
    for problem in harmonics()[:3]:
        np.testing.assert_allclose(problem(points), scale * coordinates[problem.name], rtol=1e-12)


@pytest.mark.parametrize(("variables", "degree"), [(1, 2), (1, 5), (2, 3), (3, 4), (4, 5)])
def test_polynomial_has_exactly_its_degree_along_every_line(variables: int, degree: int) -> None:
    problem = polynomial(variables, degree, draw=1)
    rng = np.random.default_rng(0)
    start, direction = rng.uniform(-0.5, 0.5, (2, variables))
    line = problem(start + np.linspace(-1, 1, degree + 2)[:, None] * direction)
    scale = np.abs(line).max()
    assert abs(np.diff(line, degree + 1)[0]) < 1e-10 * scale
    assert np.abs(np.diff(line, degree)).min() > 1e-6 * scale


def test_polynomial_is_the_sum_of_its_monomials() -> None:
    points = np.array([[2.0, 3.0], [0.5, 0.0]])
    powers = np.array([[0, 0], [1, 0], [2, 1]])
    np.testing.assert_allclose(evaluate(points, powers, np.array([1.0, 10.0, 100.0])), [1 + 20 + 1200, 1 + 5 + 0])


def test_polynomial_coefficients_are_standard_normal() -> None:
    drawn = [problem.function.keywords["coefficients"] for problem in problems("polynomials")]  # type: ignore[attr-defined]
    monomials = sum(math.comb(n + d, d) for n in (1, 2, 3, 4) for d in (2, 3, 4, 5))
    coefficients = np.concatenate(drawn)
    assert coefficients.size == 4 * monomials
    assert abs(coefficients.mean()) < 4 / math.sqrt(coefficients.size)
    assert abs(coefficients.std() - 1) < 4 / math.sqrt(2 * coefficients.size)
