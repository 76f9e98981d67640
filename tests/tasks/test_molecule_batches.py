"""Batches cut on the device are those of plain collation, bit for bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tasks import molecule_batches
from tasks.molecule_batches import MoleculeBatches
from tasks.molecule_data import Molecules, collate
from tasks.molecule_training import runs
from tasks.molecules import MOLECULES


@pytest.fixture(scope="module")
def molecules() -> Molecules:
    return MOLECULES.source.load(None)


def assert_same(molecules: Molecules, numbers: list[NDArray[np.int64]]) -> None:
    batches = list(MoleculeBatches(molecules, "cpu")(numbers))
    assert len(batches) == len(numbers)
    for run, batch in zip(numbers, batches, strict=True):
        for ours, plain in zip(batch, collate(molecules, run), strict=True):
            assert ours.dtype == plain.dtype
            assert torch.equal(ours, plain)


@pytest.mark.parametrize("size", [2, 7, 32])
@pytest.mark.parametrize("ahead", [1, 3, 256])
def test_batches_are_those_of_plain_collation(
    molecules: Molecules, size: int, ahead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(molecule_batches, "AHEAD", ahead)
    order = np.random.default_rng(size).permutation(len(molecules.labels))[:101]
    assert_same(molecules, list(runs(order, size)))


def test_a_molecule_may_come_twice_and_alone(molecules: Molecules) -> None:
    assert_same(molecules, [np.array([5, 5, 3]), np.array([7]), np.array([7, 5])])


def test_atoms_without_bonds_are_molecules(molecules: Molecules) -> None:
    lonely = replace(
        molecules,
        atoms=molecules.atoms[:3],
        bonds=molecules.bonds[:0],
        edges=molecules.edges[:, :0],
        first_atom=np.array([0, 1, 3]),
        first_bond=np.array([0, 0, 0]),
        labels=molecules.labels[:2],
    )
    assert_same(lonely, [np.array([1, 0]), np.array([0])])


def test_nothing_asked_for_is_nothing(molecules: Molecules) -> None:
    assert_same(molecules, [])
