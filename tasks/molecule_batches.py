"""Molecules on the device that trains, cut into batches there: no loop on the host and no transfer a batch.

Many batches are put together at once by index arithmetic, in the order in which they will be used; a batch is then a
slice. The numbers are those of `tasks.molecule_data.collate`, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from tasks.gcn import Batch
from tasks.molecule_data import Molecules, offsets

if TYPE_CHECKING:
    from numpy.typing import NDArray

AHEAD = 256
"""Batches put together at once: at 32 molecules about 30 MB, and few enough calls for a GPU not to wait for them."""


class MoleculeBatches:
    """All molecules of a data set on one device."""

    def __init__(self, molecules: Molecules, device: str) -> None:
        self._first_atom = molecules.first_atom
        self._first_bond = molecules.first_bond
        arrays = (molecules.atoms, molecules.bonds, molecules.edges, molecules.labels)
        self._atoms, self._bonds, self._edges, self._labels = (torch.from_numpy(a).to(device) for a in arrays)
        self._device = device
        self.on_gpu = self._labels.is_cuda

    def __call__(self, runs: Sequence[NDArray[np.int64]]) -> Iterator[Batch]:
        """One batch for each run of molecule numbers, in this order."""
        for begin in range(0, len(runs), AHEAD):
            yield from self._together(runs[begin : begin + AHEAD])

    def _together(self, runs: Sequence[NDArray[np.int64]]) -> Iterator[Batch]:
        # Sizes are counted on the host, which has them: asking the device for a size would wait for it.
        numbers, molecules = np.concatenate(runs), offsets(np.array([len(run) for run in runs]))
        atoms = offsets(self._first_atom[numbers + 1] - self._first_atom[numbers])
        bonds = offsets(self._first_bond[numbers + 1] - self._first_bond[numbers])
        begins = np.repeat(molecules[:-1], np.diff(molecules))  # the first molecule of each one's batch
        of_atom, of_bond = self._owners(atoms), self._owners(bonds)
        atom_rows = self._rows(self._first_atom[numbers] - atoms[:-1], of_atom)
        bond_rows = self._rows(self._first_bond[numbers] - bonds[:-1], of_bond)
        whole = Batch(
            atoms=self._atoms[atom_rows].long(),
            bonds=self._bonds[bond_rows].long(),
            edges=self._edges[:, bond_rows] + self._there(atoms[:-1] - atoms[begins])[of_bond],
            molecule=self._there(np.arange(len(numbers)) - begins)[of_atom],
            labels=self._labels[self._there(numbers)],
        )
        for i in range(len(runs)):
            first, last = molecules[i], molecules[i + 1]
            an_atom, a_bond = slice(atoms[first], atoms[last]), slice(bonds[first], bonds[last])
            yield Batch(
                atoms=whole.atoms[an_atom],
                bonds=whole.bonds[a_bond],
                edges=whole.edges[:, a_bond],
                molecule=whole.molecule[an_atom],
                labels=whole.labels[first:last],
            )

    def _owners(self, first: NDArray[np.int64]) -> torch.Tensor:
        """Which of the molecules each atom or bond belongs to."""
        counts = self._there(np.diff(first))
        return torch.repeat_interleave(counts, output_size=int(first[-1]))

    def _rows(self, shift: NDArray[np.int64], owners: torch.Tensor) -> torch.Tensor:
        """The rows of the data set, where those of each molecule are shifted by so many."""
        return torch.arange(len(owners), device=self._device) + self._there(shift)[owners]

    def _there(self, values: NDArray[np.int64]) -> torch.Tensor:
        return torch.from_numpy(values).to(self._device)
