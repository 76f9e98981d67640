"""Molecules as flat arrays: the record, the collation of batches, and the reader of OGB's published files.

OGB's own loader is not used, because it asks questions on standard input, unpickles its cache, and downloads.
A test on the real data shows that both give the same graphs.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tasks.base import MissingData
from tasks.checksums import State, judge
from tasks.ogb_package import atom_feature_sizes, bond_feature_sizes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.gcn import Batch

SPLITS = ("train", "valid", "test")
FOLDER = "ogbg_molhiv"
FEATURE_FILES = ("raw/node-feat.csv.gz", "raw/edge.csv.gz", "raw/edge-feat.csv.gz")


@dataclass(frozen=True)
class Molecules:
    """A data set of G molecules with A atoms and B directed bonds, all molecules one after another."""

    atoms: NDArray[np.uint8]
    """(A, 9): OGB's atom features."""
    bonds: NDArray[np.uint8]
    """(B, 3): OGB's bond features."""
    edges: NDArray[np.int16]
    """(2, B): source and target atom of each directed bond, numbered within the molecule."""
    first_atom: NDArray[np.int64]
    """(G + 1,): where each molecule's atoms begin."""
    first_bond: NDArray[np.int64]
    """(G + 1,): where each molecule's directed bonds begin."""
    labels: NDArray[np.float32]
    """(G,): 1 for active, 0 for inactive."""
    split: Mapping[str, NDArray[np.int64]]
    """`train`, `valid` and `test`: the numbers of their molecules."""
    checksums: Mapping[str, str]
    """What these molecules were read or generated from, as `algorithm:hex digest`."""
    notes: Sequence[str] = ()
    """What a reader of a score on these molecules must know."""


def directed(bonds: NDArray[np.uint8], ends: NDArray[np.int16]) -> tuple[NDArray[np.uint8], NDArray[np.int16]]:
    """Each chemical bond as two directed ones, there and back, side by side as OGB's loader has them.

    Args:
        bonds: (B, 3) features of the chemical bonds.
        ends: (B, 2) their two atoms.

    Returns:
        (2B, 3) features and (2, 2B) edges.
    """
    both_ways = np.stack([ends, ends[:, ::-1]], axis=1).reshape(-1, 2)
    return np.repeat(bonds, 2, axis=0), np.ascontiguousarray(both_ways.T)


def offsets(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each of consecutive runs of `counts` rows begins, and after the last where it ends."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])


def _rows(first: NDArray[np.int64], numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows of the given molecules, in their order, and how many rows each molecule has."""
    counts = first[numbers + 1] - first[numbers]
    begin = np.cumsum(counts) - counts
    return np.arange(counts.sum()) + np.repeat(first[numbers] - begin, counts), counts


def collate(molecules: Molecules, numbers: NDArray[np.int64]) -> Batch:
    """The molecules with the given numbers, in their order, as one batch of torch tensors on the CPU."""
    import torch

    from tasks.gcn import Batch

    atom_rows, atom_counts = _rows(molecules.first_atom, numbers)
    bond_rows, bond_counts = _rows(molecules.first_bond, numbers)
    shift = np.repeat(np.cumsum(atom_counts) - atom_counts, bond_counts)
    return Batch(
        atoms=torch.from_numpy(molecules.atoms[atom_rows].astype(np.int64)),
        bonds=torch.from_numpy(molecules.bonds[bond_rows].astype(np.int64)),
        edges=torch.from_numpy(molecules.edges[:, bond_rows] + shift),
        molecule=torch.from_numpy(np.repeat(np.arange(len(numbers)), atom_counts)),
        labels=torch.from_numpy(molecules.labels[numbers]),
    )


def missing_files(data: Path | None, files: Sequence[str]) -> str:
    """Which of OGB's files are not in the data folder, as the beginning of a sentence; empty when all are there."""
    if data is None:
        return "no data folder was named"
    absent = [name for name in files if not (data / FOLDER / name).is_file()]
    return f"{data / FOLDER} lacks {', '.join(absent)}" if absent else ""


def read_ogb(data: Path, published: Mapping[str, str], rebuilt: Mapping[str, str], command: str) -> Molecules:
    """Read ogbg-molhiv from OGB's files in `data`/ogbg_molhiv.

    Args:
        data: folder of prepared data sets.
        published: checksums of OGB's own files.
        rebuilt: digests of the content of feature files that were made anew; these are accepted, and noted.
        command: what brings the data, for the error message.

    Raises:
        MissingData: a file is absent, is neither OGB's nor one of those, or cannot be read.
    """
    folder = data / FOLDER
    try:
        judged = {name: judge(folder / name, digest, rebuilt.get(name)) for name, digest in published.items()}
        wrong = [name for name, found in judged.items() if found.state is State.WRONG]
        if wrong:
            raise ValueError(f"wrong checksum of {', '.join(wrong)}")
        anew = [name for name, found in judged.items() if found.state is State.REBUILT]
        note = f"features were made anew from the SMILES: {', '.join(anew)}"
        return _read(folder, {name: found.digest for name, found in judged.items()}, (note,) if anew else ())
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise MissingData(f"{folder} is damaged ({error}): bring a good copy with `{command}`.") from error


def _read(folder: Path, checksums: Mapping[str, str], notes: Sequence[str]) -> Molecules:
    def table(name: str) -> NDArray[np.int64]:
        import pandas as pd

        return pd.read_csv(folder / f"{name}.csv.gz", header=None, dtype=np.int64).to_numpy()

    atom_counts, bond_counts = table("raw/num-node-list")[:, 0], table("raw/num-edge-list")[:, 0]
    atoms, bonds, ends = table("raw/node-feat"), table("raw/edge-feat"), table("raw/edge")
    atoms_of_bonds = np.repeat(atom_counts, bond_counts)
    for name, values, rows, limits in (
        ("node-feat", atoms, atom_counts.sum(), np.array(atom_feature_sizes())),
        ("edge-feat", bonds, bond_counts.sum(), np.array(bond_feature_sizes())),
        ("edge", ends, bond_counts.sum(), np.stack([atoms_of_bonds, atoms_of_bonds], axis=1)),
    ):
        if values.shape != (rows, limits.shape[-1]):
            raise ValueError(f"raw/{name}.csv.gz has shape {values.shape}, not {(int(rows), limits.shape[-1])}")
        if (values < 0).any() or (values >= limits).any():
            raise ValueError(f"raw/{name}.csv.gz has values outside of OGB's ranges")
    directed_bonds, edges = directed(bonds.astype(np.uint8), ends.astype(np.int16))
    return Molecules(
        atoms=atoms.astype(np.uint8),
        bonds=directed_bonds,
        edges=edges,
        first_atom=offsets(atom_counts),
        first_bond=offsets(2 * bond_counts),
        labels=table("raw/graph-label")[:, 0].astype(np.float32),
        split={name: table(f"split/scaffold/{name}")[:, 0] for name in SPLITS},
        checksums=checksums,
        notes=notes,
    )
