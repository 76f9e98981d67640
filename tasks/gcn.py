"""OGB's graph convolutional network for molecules, every nonlinearity a module of its own so that it can be injected.

The arithmetic is that of the example published with the Open Graph Benchmark (Hu et al., NeurIPS 2020,
arXiv:2005.00687), without virtual node: the same seed gives the same initial weights, and those the same predictions.
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tasks.ogb_package import bond_feature_sizes, encoders


class Batch(NamedTuple):
    """Several molecules as one graph without edges between them; A atoms, B directed bonds, G molecules."""

    atoms: Tensor
    """(A, 9) int64: OGB's atom features."""
    bonds: Tensor
    """(B, 3) int64: OGB's bond features; a chemical bond is two directed ones."""
    edges: Tensor
    """(2, B) int64: from which atom to which, numbered within the batch."""
    molecule: Tensor
    """(A,) int64: the molecule that an atom belongs to."""
    labels: Tensor
    """(G,) float32: 1 for an active molecule, 0 for an inactive one."""

    def to(self, device: str) -> Batch:
        """The same molecules on another device."""
        return Batch(*(part.to(device) for part in self))


class Convolution(nn.Module):
    """Graph convolution with bond embeddings, `sum_j f(W x_j + e_ij) / sqrt(d_i d_j) + f(W x_i + r) / d_i`.

    Two activation sites: `message` on every directed bond and `root` on every atom.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.root_embedding = nn.Embedding(1, width)
        self.bond_encoder = encoders().bond(width)
        self.message = nn.ReLU()
        self.root = nn.ReLU()

    def forward(self, x: Tensor, edges: Tensor, kinds: Tensor, bond_kind: Tensor, degree: Tensor) -> Tensor:
        """One step of message passing.

        Args:
            x: (A, width) float: state of the atoms.
            edges: (2, B) int64: source and target atom of each directed bond.
            kinds: (K, 3) int64: the features of every possible kind of bond.
            bond_kind: (B,) int64: row of `kinds` for each directed bond.
            degree: (A,) float: number of neighbours plus one.

        Returns:
            (A, width) float: the new state.
        """
        source, target = edges
        x = self.linear(x)
        scale = degree.pow(-0.5)
        # There are few kinds of bonds and many bonds: embed each kind once, then look it up.
        embedding = nn.functional.embedding(bond_kind, self.bond_encoder(kinds))
        messages = self.message(x.index_select(0, source) + embedding)
        messages = (scale[source] * scale[target]).unsqueeze(1) * messages
        received = torch.zeros_like(x).index_add(0, target, messages)
        return received + self.root(x + self.root_embedding.weight) / degree.unsqueeze(1)


class GCN(nn.Module):
    """`layers` convolutions, each with batch normalisation and dropout, then mean pooling and one linear unit.

    Activation sites: two in each convolution and one between consecutive layers, `3 * layers - 1` in all.
    """

    kinds: Tensor
    strides: Tensor

    def __init__(self, layers: int, width: int, dropout: float) -> None:
        super().__init__()
        self.atom_encoder = encoders().atom(width)
        self.convolutions = nn.ModuleList()
        self.norms = nn.ModuleList()
        for _ in range(layers):
            self.convolutions.append(Convolution(width))
            self.norms.append(nn.BatchNorm1d(width))
        self.between = nn.ModuleList(nn.ReLU() for _ in range(layers - 1))
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, 1)
        sizes = bond_feature_sizes()
        strides = [prod(sizes[i + 1 :]) for i in range(len(sizes))]
        self.register_buffer("kinds", torch.cartesian_prod(*map(torch.arange, sizes)), persistent=False)
        self.register_buffer("strides", torch.tensor(strides), persistent=False)

    def forward(self, batch: Batch) -> Tensor:
        """Logits of activity, (G,) float32, for a batch of G molecules."""
        x = self.atom_encoder(batch.atoms)
        bond_kind = (batch.bonds * self.strides).sum(1)
        degree = torch.ones_like(x[:, 0]).index_add(0, batch.edges[0], torch.ones_like(batch.edges[0], dtype=x.dtype))
        for i, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            x = norm(convolution(x, batch.edges, self.kinds, bond_kind, degree))
            if i < len(self.between):
                x = self.between[i](x)
            x = self.dropout(x)
        molecules = len(batch.labels)
        atoms = torch.bincount(batch.molecule, minlength=molecules).clamp(min=1).unsqueeze(1)
        pooled = x.new_zeros(molecules, x.shape[1]).index_add(0, batch.molecule, x) / atoms
        return self.head(pooled).squeeze(1)
