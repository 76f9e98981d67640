"""Real spherical harmonics: the second family of the lab.

A problem is one real spherical harmonic of degree l = 1 to 6 and order m = -l to l, 48 in all, as a function of the
polar angle theta in [0, pi] and the azimuth phi in [0, 2 pi]. The network sees the two angles, not the Cartesian
point, and is trained on a quarter of the sphere. The paper (arXiv 2602.05688) names the family and no more, so
degrees, orders and coordinates are our choice.
"""

from __future__ import annotations

import math
from functools import cache, partial

import numpy as np
from scipy.special import sph_harm_y

from tasks.lab.problem import Array, Problem, Variable

DEGREES = (1, 2, 3, 4, 5, 6)


def real_harmonic(points: Array, degree: int, order: int) -> Array:
    """The real spherical harmonic at `points` (n, 2) of (theta, phi); orthonormal on the sphere.

    With Y the complex one under the Condon-Shortley phase: sqrt(2) (-1)^m Re Y_l^m for m > 0, Y_l^0 for m = 0, and
    sqrt(2) (-1)^m Im Y_l^|m| for m < 0, so that Y_1,1 is a positive multiple of x, Y_1,-1 of y and Y_1,0 of z.
    """
    complex_value = sph_harm_y(degree, abs(order), points[:, 0], points[:, 1])
    if order == 0:
        return np.asarray(complex_value.real)
    part = complex_value.real if order > 0 else complex_value.imag
    return np.asarray(math.sqrt(2) * (-1) ** order * part)


@cache
def problems() -> tuple[Problem, ...]:
    """The 48 harmonics, by degree and then by order."""
    angles = (Variable("theta", 0.0, math.pi), Variable("phi", 0.0, 2 * math.pi))
    return tuple(
        Problem(f"l{degree}m{order}", angles, partial(real_harmonic, degree=degree, order=order), f"Y_{degree},{order}")
        for degree in DEGREES
        for order in range(-degree, degree + 1)
    )
