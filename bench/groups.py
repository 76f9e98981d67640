"""Groups of activations that are named together: `bench run --activations @paper`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bench.errors import unknown
from bench.plan import select

SIGN = "@"
"""Begins the name of a group, so that no activation can be taken for one."""

GROUPS: Mapping[str, tuple[str, ...]] = {
    "@paper": (
        "relu",
        "gelu",
        "gelu-sine",
        "gelu-sinc-perturbation",
        "gmtu",
        "turbulent",
        "fisg",
        "chaotic-wave",
    ),
    "@field": (
        "relu",
        "silu",
        "swish",
        "mish",
        "elu",
        "selu",
        "leaky-relu",
        "prelu",
        "softplus",
        "squared-relu",
        "snake",
        "sine",
    ),
    "@swish-paper": (
        "relu",
        "swish",
        "max-x-sigmoid",
        "cos-minus-x",
        "min-x-sin",
        "atan-squared-minus-x",
        "max-x-tanh",
        "sinc-plus-x",
        "x-asinh-squared",
    ),
}
"""`@paper`: the baselines and the functions of "Mining Generalizable Activation Functions" (arXiv 2602.05688);
`@field`: what people use; `@swish-paper`: the eight of "Searching for Activation Functions" (arXiv 1710.05941). ReLU,
which every other function is paired with, is in each of them."""
MINED = "@mined"
"""The functions that were promoted from our own searches, and ReLU."""


def choose(wanted: Sequence[str], known: Sequence[str], resolve: Callable[[str], str]) -> list[str]:
    """Names of activations from names, patterns and groups, in the order asked, each once; see `bench.plan.select`.

    Raises:
        UsageError: a group that there is not, or a pattern that matches nothing.
    """
    return select("activation", [name for word in wanted for name in members(word)], known, resolve)


def members(word: str) -> tuple[str, ...]:
    """The names of a group; any other word alone.

    Raises:
        UsageError: there is no such group.
    """
    if not word.startswith(SIGN):
        return (word,)
    if word == MINED:
        from activations import get, names

        return ("relu", *(name for name in names() if get(name).mined_on))
    if word not in GROUPS:
        raise unknown("group", word, [*GROUPS, MINED])
    return GROUPS[word]
