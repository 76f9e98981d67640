"""The four budgets: which tasks, activations and seeds `bench run` takes when none are named.

A profile's name also picks each task's recipe. Which tasks, activations and seeds it takes by default is our choice.
Records of `bench tune` go under the profile's name with `-tuned` behind it, so that they never share a board.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bench.errors import unknown


@dataclass(frozen=True)
class Profile:
    """A named default for `bench run`."""

    name: str
    summary: str
    """One line for `bench list profiles`."""
    tasks: tuple[str, ...]
    """Names, and patterns such as `clrs30-*` that mean those with a recipe for this profile."""
    activations: tuple[str, ...]
    seeds: tuple[int, ...]
    timeout: int
    """Seconds after which a cell is given up."""
    device: str
    """`cpu` or `cuda`."""


COMPARED = ("relu", "gelu", "gelu-sine", "gelu-sinc-perturbation", "turbulent")
"""The baselines, two mined functions that transferred in the paper, and one that did not."""

REAL_TASKS = ("cifar10-*", "cifar100-*", "imagenet-resnet50", "molhiv-gcn", "clrs30-*", "lab-*")
"""Of both GPU profiles."""

_ALL = (
    Profile(
        name="smoke",
        summary="does everything work: minutes on two cores",
        tasks=("digits-*", "molecules-gcn", "clrs30-*", "lab-*"),
        activations=("relu", "gelu", "gelu-sinc-perturbation"),
        seeds=(0, 1),
        timeout=900,
        device="cpu",
    ),
    Profile(
        name="cpu",
        summary="real data, budgets cut down to minutes a cell on one core",
        tasks=("cifar10-*", "molhiv-gcn", "clrs30-*", "lab-*"),
        activations=COMPARED,
        seeds=(0, 1, 2, 3, 4),
        timeout=3600,
        device="cpu",
    ),
    Profile(
        name="small",
        summary="real data, planned for minutes a cell on one GPU",
        tasks=(*REAL_TASKS, "tiny-imagenet-10k-resnet50"),
        activations=COMPARED,
        seeds=(0, 1, 2, 3, 4),
        timeout=4 * 3600,
        device="cuda",
    ),
    Profile(
        name="paper",
        summary="published protocols where there are any, up to days a cell on one GPU",
        tasks=REAL_TASKS,
        activations=COMPARED,
        seeds=(0, 1, 2, 3, 4),
        timeout=7 * 24 * 3600,
        device="cuda",
    ),
)

PROFILES: Mapping[str, Profile] = {profile.name: profile for profile in _ALL}


TUNED = "-tuned"
"""Ends the name under which records with a re-tuned learning rate go."""
TUNING_SEEDS = "1000,1001"
"""Of the trials of `bench tune`, where none are named; no profile evaluates on them."""


def base_of(name: str) -> str:
    """The profile that picks the recipes: `cpu` for `cpu-tuned`."""
    return name.removesuffix(TUNED)


def get_profile(name: str) -> Profile:
    """The profile of this name.

    Raises:
        UsageError: there is none; the message gives the nearest names.
    """
    if name not in PROFILES:
        raise unknown("profile", name, PROFILES)
    return PROFILES[name]
