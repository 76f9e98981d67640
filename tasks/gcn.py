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


class Bonds(NamedTuple):
    """What every convolution on a batch needs of its bonds."""

    source: Tensor
    """(B,) int64: the atom that a message comes from."""
    target: Tensor
    """(B,) int64: the atom that it goes to."""
    bond_kind: Tensor
    """(B,) int64: row of the table of kinds of bonds."""
    weight: Tensor
    """(B, 1) float: `1 / sqrt(d_i d_j)`."""
    degree: Tensor
    """(A, 1) float: number of neighbours plus one."""


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

    def forward(self, x: Tensor, kinds: Tensor, bonds: Bonds) -> Tensor:
        """One step of message passing.

        Args:
            x: (A, width) float: state of the atoms.
            kinds: (K, 3) int64: the features of every possible kind of bond.
            bonds: all of the batch, and what they weigh.

        Returns:
            (A, width) float: the new state.
        """
        x = self.linear(x)
        # There are few kinds of bonds and many bonds: embed each kind once, then look it up.
        embedding = nn.functional.embedding(bonds.bond_kind, self.bond_encoder(kinds))
        # In place where autograd keeps nothing of what is overwritten: the same numbers, without another tensor.
        messages = self.message(x.index_select(0, bonds.source).add_(embedding))
        received = torch.zeros_like(x).index_add_(0, bonds.target, bonds.weight * messages)
        return received.add_(self.root(x + self.root_embedding.weight) / bonds.degree)


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
        bonds = self._bonds(batch, x)
        for i, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            x = norm(convolution(x, self.kinds, bonds))
            if i < len(self.between):
                x = self.between[i](x)
            x = self.dropout(x)
        pooled = x.new_zeros(len(batch.labels), x.shape[1]).index_add_(0, batch.molecule, x)
        return self.head(pooled / _counts(batch.molecule, len(batch.labels), x).clamp(min=1)).squeeze(1)

    def _bonds(self, batch: Batch, x: Tensor) -> Bonds:
        source, target = batch.edges
        degree = _counts(source, len(x), x) + 1
        scale = degree.pow(-0.5)
        kind = (batch.bonds * self.strides).sum(1)
        return Bonds(source, target, kind, scale[source] * scale[target], degree)


def _counts(index: Tensor, size: int, like: Tensor) -> Tensor:
    """How often each of the numbers below `size` is in `index`, (size, 1) in the type of `like`.

    Unlike torch.bincount it does not wait for a GPU, and sums of ones have no rounding, in whatever order.
    """
    return like.new_zeros(size, 1).index_add_(0, index, like.new_ones(len(index), 1))
