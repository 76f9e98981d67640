"""Feynman equations: the third family of the lab, from the table in `feynman_table.py`.

The equations and the ranges of their variables are those of AI Feynman (Udrescu and Tegmark, Science Advances 2020,
arXiv 1905.11481), 100 of them with 1 to 9 variables; the networks see no units and no noise.
"""

from __future__ import annotations

from functools import cache, partial
from types import CodeType
from typing import Any

import numpy as np

from tasks.lab.feynman_table import TABLE
from tasks.lab.problem import Array, Problem, Variable

USUAL_RANGE = (1.0, 5.0)


def sinc(x: Array) -> Array:
    """sin(x) / x, and 1 at 0."""
    return np.asarray(np.sinc(x / np.pi))


FUNCTIONS: dict[str, Any] = {
    "pi": np.pi,
    "sqrt": np.sqrt,
    "exp": np.exp,
    "log": np.log,
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "asin": np.arcsin,
    "sinc": sinc,
}
"""All that a formula of the table may use besides its variables and arithmetic."""


def evaluate(points: Array, code: CodeType, names: tuple[str, ...]) -> Array:
    """A compiled formula at `points` (n, variables), columns in the order of `names`."""
    columns = dict(zip(names, points.T, strict=True))
    return np.asarray(eval(code, {"__builtins__": {}}, FUNCTIONS | columns))  # our own table, never a user's text


def read_variables(text: str) -> tuple[Variable, ...]:
    """Variables of a row: names between commas, each with its range `low..high` unless it is the usual one."""
    variables = []
    for entry in text.split(","):
        name, *interval = entry.split()
        low, high = map(float, interval[0].split("..")) if interval else USUAL_RANGE
        variables.append(Variable(name, low, high))
    return tuple(variables)


def read_row(row: str) -> Problem:
    """One line of the table: name | what it is | formula | variables."""
    name, _, formula, declared = (cell.strip() for cell in row.split("|"))
    variables = read_variables(declared)
    code = compile(formula, f"<{name}>", "eval")
    names = tuple(variable.name for variable in variables)
    return Problem(name, variables, partial(evaluate, code=code, names=names), formula)


@cache
def problems() -> tuple[Problem, ...]:
    """The 100 equations in the order of the lectures."""
    return tuple(read_row(row) for row in TABLE.strip().splitlines())
