"""The network: its arithmetic against a slow transcription of the formula, and what may not matter to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from tasks.gcn import GCN, Batch, Convolution
from tasks.molecule_data import Molecules, collate
from tasks.molecules import MOLECULES


@pytest.fixture(scope="module")
def molecules() -> Molecules:
    return MOLECULES.source.load(None)


@pytest.fixture
def model() -> GCN:
    torch.manual_seed(0)
    model = GCN(layers=3, width=6, dropout=0.5).double()
    for name, tensor in model.state_dict().items():
        if name.startswith("norms.") and name.endswith(("bias", "running_mean")):
            torch.nn.init.normal_(tensor)
    return model.eval()


def slow_logit(model: GCN, molecule: Batch) -> Tensor:
    """The prediction for one molecule, atom by atom and neighbour by neighbour."""
    x = list(model.atom_encoder(molecule.atoms))
    arriving: dict[int, list[tuple[int, int]]] = {atom: [] for atom in range(len(x))}
    for bond, (source, target) in enumerate(molecule.edges.T.tolist()):
        arriving[target].append((source, bond))
    degree = {atom: 1.0 + len(bonds) for atom, bonds in arriving.items()}
    for layer, (convolution, norm) in enumerate(zip(model.convolutions, model.norms, strict=True)):
        assert isinstance(convolution, Convolution)
        e = convolution.bond_encoder(molecule.bonds)
        h = [convolution.linear(atom) for atom in x]
        x = []
        for i in range(len(h)):
            new = (h[i] + convolution.root_embedding.weight[0]).relu() / degree[i]
            for j, bond in arriving[i]:
                new = new + (h[j] + e[bond]).relu() / (degree[i] * degree[j]) ** 0.5
            new = norm(new[None])[0]
            x.append(new if layer == len(model.convolutions) - 1 else new.relu())
    return model.head(torch.stack(x).mean(0))[0]


def test_the_arithmetic_is_that_of_the_formula(model: GCN, molecules: Molecules) -> None:
    numbers = np.array([0, 100, 700, 1500, 2000])
    with torch.inference_mode():
        fast = model(collate(molecules, numbers))
        slow = torch.stack([slow_logit(model, collate(molecules, numbers[i : i + 1])) for i in range(len(numbers))])
    torch.testing.assert_close(fast, slow, rtol=1e-12, atol=1e-12)
    assert slow.std() > 1e-3


def test_gradients_are_those_of_looking_up_every_bond(model: GCN, molecules: Molecules) -> None:
    """Bonds are embedded once a kind; the embedding of each single bond must get the same gradient."""
    batch = collate(molecules, np.array([5, 1200]))
    model(batch).sum().backward()
    fast = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    model.zero_grad()
    for i in range(2):
        slow_logit(model, collate(molecules, np.array([5, 1200])[i : i + 1])).backward()
    slow = [p.grad for p in model.parameters() if p.grad is not None]
    assert len(fast) == len(slow) == len(list(model.parameters()))
    for a, b in zip(fast, slow, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


def test_neither_the_order_of_atoms_nor_the_company_in_a_batch_matters(model: GCN, molecules: Molecules) -> None:
    batch = collate(molecules, np.array([42]))
    shuffled = torch.randperm(len(batch.atoms), generator=torch.Generator().manual_seed(0))
    position = torch.argsort(shuffled)
    renumbered = batch._replace(atoms=batch.atoms[shuffled], edges=position[batch.edges])
    with torch.inference_mode():
        alone = model(batch)
        torch.testing.assert_close(model(renumbered), alone)
        torch.testing.assert_close(model(collate(molecules, np.array([7, 42, 9])))[1:2], alone)


def test_an_atom_without_bonds_is_a_molecule(model: GCN, molecules: Molecules) -> None:
    lonely = replace(
        molecules,
        atoms=molecules.atoms[:1],
        bonds=molecules.bonds[:0],
        edges=molecules.edges[:, :0],
        first_atom=np.array([0, 1]),
        first_bond=np.array([0, 0]),
        labels=molecules.labels[:1],
    )
    with torch.inference_mode():
        assert model(collate(lonely, np.array([0]))).isfinite().all()


def test_nothing_follows_the_last_convolution_but_batch_norm(molecules: Molecules) -> None:
    """Otherwise a pooled channel could not be negative."""
    torch.manual_seed(1)
    model = GCN(layers=2, width=5, dropout=0.0).eval()
    pooled: list[Tensor] = []
    model.head.register_forward_pre_hook(lambda module, given: pooled.append(given[0]))
    with torch.inference_mode():
        for name, tensor in model.named_parameters():
            if name.startswith("norms.") and name.endswith("bias"):
                tensor.fill_(-1.0)
        model(collate(molecules, np.arange(4)))
    assert (pooled[0] < 0).any()
