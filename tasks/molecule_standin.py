"""Generated molecules that stand in for ogbg-molhiv where no data is at hand.

Drug-like molecules are put together from rings, linkers and substituents, always the same ones. A molecule is active
when much of its surface is slightly negative. The partial charge of an atom depends on its neighbourhood, and only a
window of it counts, so that a network without nonlinearity falls behind. The split is by Bemis-Murcko scaffold, as in
ogbg-molhiv.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.molecule_data import SPLITS, Molecules, directed, offsets
from tasks.ogb_package import features

if TYPE_CHECKING:
    from numpy.typing import NDArray

RINGS = (
    "c1ccc(cc1)",
    "C1CCC(CC1)",
    "c1ccc(nc1)",
    "N1CCN(CC1)",
    "c1ccc(s1)",
    "c1cc(ccc1)",
    "N1CCC(CC1)",
    "c1ncc(cn1)",
    "c1ccc2cc(ccc2c1)",
    "c1ccc(o1)",
    "c1ncc(s1)",
    "C1CC(CC1)",
    "c1ccc2[nH]cc(c2c1)",
    "c1ncc([nH]1)",
    "C1CCC(OC1)",
    "c1ccc2nc(ccc2c1)",
)
LINKERS = ("", "C", "C(=O)N", "CO", "CC", "S(=O)(=O)N", "CNC", "C=C", "C(=O)")
LEFT = ("C", "F", "O", "CO", "N", "Cl", "N#C", "CC(C)", "NC(=O)", "FC(F)(F)", "CN(C)", "OC(=O)", "OCC")
RIGHT = ("", "F", "C", "O", "Cl", "OC", "C#N", "N", "C(C)C", "C(=O)N", "CCN", "C(F)(F)F", "S(C)(=O)=O", "C(=O)OC")
"""SMILES fragments: concatenated left, ring, linker, ring, right they are one molecule, bonded end to end."""

SCAFFOLDS = 300
CHARGES = slice(4, 6)
"""RDKit's bins of Gasteiger partial charge from -0.15 to -0.05 e."""
SHARE = 0.2
"""Active from this share of the surface on."""


def smiles() -> Iterator[str]:
    """The SMILES of the molecules, always the same ones in the same order."""
    cores = [(ring, linker, other) for ring in RINGS for linker in LINKERS for other in RINGS]
    ends = [(left, right) for left in LEFT for right in RIGHT]
    for i in range(SCAFFOLDS):
        ring, linker, other = cores[i * 997 % len(cores)]
        for j in range(4 + i * 7 % 13):
            left, right = ends[(i * 31 + j * 61) % len(ends)]
            yield left + ring + linker + other + right


def is_active(molecule: Any) -> bool:
    """Whether at least `SHARE` of the surface (Labute's approximation) has a partial charge within `CHARGES`."""
    from rdkit.Chem.rdMolDescriptors import PEOE_VSA_

    surface = PEOE_VSA_(molecule)
    return bool(sum(surface[CHARGES]) >= SHARE * sum(surface))


def scaffold_split(scaffolds: Sequence[str]) -> dict[str, NDArray[np.int64]]:
    """Split 80/10/10 so that no scaffold is in two parts, common scaffolds first, as OGB does."""
    groups: dict[str, list[int]] = defaultdict(list)
    for number, scaffold in enumerate(scaffolds):
        groups[scaffold].append(number)
    parts: dict[str, list[int]] = {name: [] for name in SPLITS}
    for group in sorted(groups.values(), key=lambda group: (-len(group), group[0])):
        if len(parts["train"]) + len(group) <= 0.8 * len(scaffolds):
            parts["train"] += group
        elif len(parts["train"]) + len(parts["valid"]) + len(group) <= 0.9 * len(scaffolds):
            parts["valid"] += group
        else:
            parts["test"] += group
    return {name: np.array(sorted(numbers), np.int64) for name, numbers in parts.items()}


def generate() -> Molecules:
    """Build, label and split the molecules."""
    from rdkit import Chem
    from rdkit.Chem.Scaffolds.MurckoScaffold import MurckoScaffoldSmiles

    atom_features, bond_features = features()
    molecules = {Chem.MolToSmiles(molecule): molecule for molecule in map(Chem.MolFromSmiles, smiles())}
    atoms = [[atom_features(atom) for atom in molecule.GetAtoms()] for molecule in molecules.values()]
    bonds = [[bond_features(bond) for bond in molecule.GetBonds()] for molecule in molecules.values()]
    ends = [[(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in molecule.GetBonds()] for molecule in molecules.values()]
    directed_bonds, edges = directed(
        np.array([row for part in bonds for row in part], np.uint8),
        np.array([pair for part in ends for pair in part], np.int16),
    )
    labels = np.array([is_active(molecule) for molecule in molecules.values()], np.float32)
    flat_atoms = np.array([row for part in atoms for row in part], np.uint8)
    digest = hashlib.sha256()
    for array in (flat_atoms, directed_bonds, edges, labels):
        digest.update(array.tobytes())
    return Molecules(
        atoms=flat_atoms,
        bonds=directed_bonds,
        edges=edges,
        first_atom=offsets(np.array([len(part) for part in atoms])),
        first_bond=offsets(np.array([2 * len(part) for part in bonds])),
        labels=labels,
        split=scaffold_split([MurckoScaffoldSmiles(mol=molecule) for molecule in molecules.values()]),
        checksums={"molecules": f"sha256:{digest.hexdigest()}"},
    )
