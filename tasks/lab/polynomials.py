"""Random polynomials: the first family of the lab.

A polynomial of degree d in n variables holds every monomial of total degree 0 to d, each with an independent standard
normal coefficient; the variables range over [-1, 1]. 64 problems: four draws of each of 1 to 4 variables and degrees
2 to 5. The coefficients are drawn once and for all: a seed changes points and weights, never the problem. The paper
(arXiv 2602.05688) names the family and no more, so degrees, variables and the coefficients' law are our choice.
"""

from __future__ import annotations

from functools import cache, partial
from itertools import product

import numpy as np
from numpy.typing import NDArray

from tasks.lab.problem import Array, Problem, Variable
from tasks.lab.ranges import generator

VARIABLES = (1, 2, 3, 4)
DEGREES = (2, 3, 4, 5)
DRAWS = 4


def exponents(variables: int, degree: int) -> list[tuple[int, ...]]:
    """The exponents of all monomials in `variables` variables of total degree at most `degree`."""
    return [powers for powers in product(range(degree + 1), repeat=variables) if sum(powers) <= degree]


def evaluate(points: Array, powers: NDArray[np.int64], coefficients: Array) -> Array:
    """The polynomial at `points` (n, variables), with `powers` (monomials, variables), `coefficients` (monomials,)."""
    table = points[:, :, None] ** np.arange(powers.max() + 1)
    monomials = np.ones((len(points), len(powers)))
    for variable in range(points.shape[1]):
        monomials *= table[:, variable, powers[:, variable]]
    return np.asarray(monomials @ coefficients)


def polynomial(variables: int, degree: int, draw: int) -> Problem:
    """The `draw`-th random polynomial of a degree and a number of variables."""
    name = f"n{variables}d{degree}-{draw}"
    powers = exponents(variables, degree)
    coefficients = generator("polynomials", name).standard_normal(len(powers))
    return Problem(
        name=name,
        variables=tuple(Variable(f"x{i + 1}", -1.0, 1.0) for i in range(variables)),
        function=partial(evaluate, powers=np.array(powers), coefficients=coefficients),
        formula=f"degree {degree} in {variables} variables, {len(powers)} standard normal coefficients",
    )


@cache
def problems() -> tuple[Problem, ...]:
    """The 64 polynomials; neighbours differ in their number of variables, so any stretch of the table is mixed."""
    return tuple(polynomial(n, degree, draw) for draw in range(DRAWS) for degree in DEGREES for n in VARIABLES)
