"""The data of the molecule tasks: OGB's files, what is refused, and the generated stand-in."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks import ogb_package
from tasks.base import MissingData
from tasks.checksums import unpacked_digest
from tasks.molecule_data import Molecules, collate, read_ogb
from tasks.molecule_standin import generate, is_active, scaffold_split, smiles
from tasks.molecules import CHECKSUMS, FEATURE_CHECKSUMS, MOLECULES, MOLHIV

ATOM, BOND = "5,0,4,5,3,0,2,0,0", "0,0,0"


@dataclass
class Layout:
    """A data set of three tiny molecules in OGB's layout: a chain of three atoms, a single atom, a pair."""

    data: Path
    files: dict[str, list[str]] = field(
        default_factory=lambda: {
            "raw/num-node-list": ["3", "1", "2"],
            "raw/num-edge-list": ["2", "0", "1"],
            "raw/graph-label": ["0", "1", "0"],
            "split/scaffold/train": ["0"],
            "split/scaffold/valid": ["1"],
            "split/scaffold/test": ["2"],
            "raw/node-feat": [ATOM, "6,0,4,5,3,0,2,0,0", ATOM, ATOM, ATOM, ATOM],
            "raw/edge": ["0,1", "1,2", "0,1"],
            "raw/edge-feat": [BOND, "1,0,1", "3,0,1"],
        }
    )

    def write(self) -> None:
        for name, lines in self.files.items():
            file = self.data / "ogbg_molhiv" / f"{name}.csv.gz"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(gzip.compress("\n".join(lines).encode()))

    def checksums(self, names: Any) -> dict[str, str]:
        folder = self.data / "ogbg_molhiv"
        return {name: "sha256:" + hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}

    def read(self) -> Molecules:
        return read_ogb(self.data, self.checksums(CHECKSUMS | FEATURE_CHECKSUMS), {}, "bring it")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


def test_bonds_go_both_ways_side_by_side_and_batches_renumber_atoms(layout: Layout) -> None:
    layout.write()
    molecules = layout.read()
    assert molecules.edges.tolist() == [[0, 1, 1, 2, 0, 1], [1, 0, 2, 1, 1, 0]]
    batch = collate(molecules, np.array([2, 1, 0]))
    assert batch.edges.tolist() == [[0, 1, 3, 4, 4, 5], [1, 0, 4, 3, 5, 4]]
    assert batch.bonds[:, 0].tolist() == [3, 3, 0, 0, 1, 1]
    assert batch.atoms[:, 0].tolist() == [5, 5, 5, 5, 6, 5]
    assert batch.molecule.tolist() == [0, 0, 1, 2, 2, 2]
    assert batch.labels.tolist() == [0, 1, 0]
    assert {name: numbers.tolist() for name, numbers in molecules.split.items()} == {
        "train": [0],
        "valid": [1],
        "test": [2],
    }


def test_features_that_are_not_ogbs_bytes_are_noted(layout: Layout) -> None:
    layout.write()
    assert layout.read().notes == ()
    known = {**layout.checksums(CHECKSUMS | FEATURE_CHECKSUMS), "raw/edge.csv.gz": "sha256:0"}
    content = unpacked_digest((layout.data / "ogbg_molhiv" / "raw/edge.csv.gz").read_bytes())
    molecules = read_ogb(layout.data, known, {"raw/edge.csv.gz": content}, "")
    assert molecules.notes == ("features were made anew from the SMILES: raw/edge.csv.gz",)
    assert molecules.checksums["raw/edge.csv.gz"] == content
    for other in ({}, {"raw/edge.csv.gz": "sha256-unpacked:0"}, {"raw/edge-feat.csv.gz": content}):
        with pytest.raises(MissingData, match=r"wrong checksum of raw/edge\.csv\.gz"):
            read_ogb(layout.data, known, other, "")


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("raw/node-feat", [ATOM] * 5),
        ("raw/node-feat", ["1,2,3"] * 6),
        ("raw/node-feat", [ATOM] * 5 + ["119,0,4,5,3,0,2,0,0"]),
        ("raw/node-feat", [ATOM] * 5 + ["-1,0,4,5,3,0,2,0,0"]),
        ("raw/node-feat", [ATOM] * 5 + ["x,0,4,5,3,0,2,0,0"]),
        ("raw/edge", ["0,1", "1,3", "0,1"]),
        ("raw/edge", ["0,1", "1,2"]),
        ("raw/edge-feat", [BOND, BOND, "5,0,0"]),
        ("raw/edge-feat", []),
    ],
)
def test_features_that_do_not_fit_are_refused(layout: Layout, name: str, lines: list[str]) -> None:
    layout.files[name] = lines
    layout.write()
    with pytest.raises(MissingData, match=r"is damaged .*: bring a good copy with `bring it`\.$"):
        layout.read()


@pytest.mark.parametrize("name", ["raw/edge.csv.gz", "raw/graph-label.csv.gz"])
def test_truncated_files_are_refused(layout: Layout, name: str) -> None:
    layout.write()
    known = layout.checksums(CHECKSUMS | FEATURE_CHECKSUMS)
    file = layout.data / "ogbg_molhiv" / name
    file.write_bytes(file.read_bytes()[:-12])
    with pytest.raises(MissingData, match="is damaged"):
        read_ogb(layout.data, known, {}, "bring it")


def test_missing_data_is_one_sentence_with_the_command(layout: Layout) -> None:
    layout.write()
    (layout.data / "ogbg_molhiv/raw/edge.csv.gz").unlink()
    for data, reason in ((None, "no data folder was named"), (layout.data, r"lacks raw/edge\.csv\.gz")):
        status = MOLHIV.data_status(data)
        assert not status.present
        with pytest.raises(MissingData, match=reason + r"\): run `bench data prepare molhiv") as caught:
            MOLHIV.source.load(data)
        assert str(caught.value) == status.reason


def test_files_that_are_not_ogbs_are_refused(layout: Layout) -> None:
    layout.write()
    assert MOLHIV.data_status(layout.data).present  # the quick look reads no checksums
    with pytest.raises(MissingData, match=r"wrong checksum of raw/graph-label\.csv\.gz"):
        MOLHIV.source.load(layout.data)


def test_the_stand_in_is_always_the_same() -> None:
    known, again = MOLECULES.source.load(None), generate()
    assert known.checksums == again.checksums
    for part, numbers in known.split.items():
        assert np.array_equal(numbers, again.split[part])


def test_the_stand_in_is_split_by_scaffold() -> None:
    from rdkit import Chem
    from rdkit.Chem.Scaffolds.MurckoScaffold import MurckoScaffoldSmiles

    molecules = MOLECULES.source.load(None)
    names = list(dict.fromkeys(Chem.MolToSmiles(Chem.MolFromSmiles(text)) for text in smiles()))
    assert len(names) == len(molecules.labels) == sum(map(len, molecules.split.values()))
    scaffolds = [{MurckoScaffoldSmiles(smiles=names[i]) for i in numbers} for numbers in molecules.split.values()]
    assert len(set().union(*scaffolds)) == sum(map(len, scaffolds)), "a scaffold is in two parts"
    sizes = {part: len(numbers) / len(names) for part, numbers in molecules.split.items()}
    assert sizes == pytest.approx({"train": 0.8, "valid": 0.1, "test": 0.1}, abs=0.02)
    for numbers in molecules.split.values():
        assert 0.1 < molecules.labels[numbers].mean() < 0.4


def test_stand_in_features_are_ogbs() -> None:
    from ogb.utils.mol import smiles2graph
    from rdkit import Chem

    molecules = MOLECULES.source.load(None)
    names = list(dict.fromkeys(Chem.MolToSmiles(Chem.MolFromSmiles(text)) for text in smiles()))
    first = next(iter(smiles()))
    graph, batch = smiles2graph(first), collate(molecules, np.array([0]))
    assert np.array_equal(graph["node_feat"], batch.atoms)
    assert np.array_equal(graph["edge_feat"], batch.bonds)
    assert np.array_equal(graph["edge_index"], batch.edges)
    assert [bool(label) for label in molecules.labels[:40]] == [is_active(Chem.MolFromSmiles(n)) for n in names[:40]]


def test_scaffold_split_fills_common_scaffolds_first() -> None:
    split = scaffold_split(["a"] * 4 + ["b"] * 4 + ["c"] + ["d"])
    assert {part: numbers.tolist() for part, numbers in split.items()} == {
        "train": [0, 1, 2, 3, 4, 5, 6, 7],
        "valid": [8],
        "test": [9],
    }


def test_ogb_is_imported_without_asking_for_a_newer_version() -> None:
    import subprocess
    import sys

    code = """
import sys, threading, types
asked = []
sys.modules["outdated"] = watched = types.ModuleType("outdated")
watched.check_outdated = lambda *about: asked.append(about) or (False, "")
from tasks import ogb_package
ogb_package.bond_feature_sizes()
[thread.join() for thread in threading.enumerate() if thread is not threading.main_thread()]
assert "ogb" in sys.modules and sys.modules["outdated"] is watched and not asked
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(ogb_package.__file__).parents[1], timeout=300)


@pytest.mark.data
def test_real_graphs_are_those_of_ogbs_own_loader(data_folder: Path) -> None:
    """OGB's reader of the raw files, on which PygGraphPropPredDataset rests, and its rule for the split."""
    from ogb.io.read_graph_raw import read_csv_graph_raw

    status = MOLHIV.data_status(data_folder)
    if not status.present:
        pytest.skip(status.reason)
    molecules = MOLHIV.source.load(data_folder)
    graphs = read_csv_graph_raw(str(data_folder / "ogbg_molhiv/raw"), add_inverse_edge=True)
    assert len(graphs) == len(molecules.labels) == 41_127
    for i, graph in enumerate(graphs):
        atoms = slice(molecules.first_atom[i], molecules.first_atom[i + 1])
        bonds = slice(molecules.first_bond[i], molecules.first_bond[i + 1])
        assert np.array_equal(graph["node_feat"], molecules.atoms[atoms])
        assert np.array_equal(graph["edge_feat"], molecules.bonds[bonds])
        assert np.array_equal(graph["edge_index"], molecules.edges[:, bonds])
    positives = {part: (len(n), int(molecules.labels[n].sum())) for part, n in molecules.split.items()}
    assert positives == {"train": (32_901, 1_232), "valid": (4_113, 81), "test": (4_113, 130)}
