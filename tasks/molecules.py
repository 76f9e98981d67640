"""Molecules: OGB's graph convolutional network on ogbg-molhiv, and a stand-in on generated molecules.

What is trained, on what and for how long is here. The network is in `tasks/gcn.py`, the training loop in
`tasks/molecule_training.py`, batches in `tasks/molecule_batches.py`, the data in `tasks/molecule_data.py` and
`tasks/molecule_standin.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from tasks.base import Context, Dataset, DataStatus, Measurement, Metric, MissingData, Reference, Selection, TaskSpec

if TYPE_CHECKING:
    from activations import Activation
    from tasks.molecule_data import Molecules


@dataclass(frozen=True, kw_only=True)
class MoleculeRecipe:
    """Adam on the binary cross-entropy, tested at the epoch with the best validation score."""

    epochs: int
    batch_size: int
    """The rest of an epoch is a smaller batch; a rest of one molecule is left out, since BatchNorm needs two."""
    lr: float
    """Peak learning rate."""
    schedule: Literal["constant", "one-cycle"] = "constant"
    """`one-cycle`: linear from zero to `lr` in the first fifth of the steps, then linear back to zero."""
    dropout: float = 0.5
    layers: int = 5
    width: int = 300


PAPER = MoleculeRecipe(epochs=100, batch_size=32, lr=1e-3)
"""OGB's recipe."""
SMALL = MoleculeRecipe(epochs=20, batch_size=128, lr=2e-3, schedule="one-cycle")
"""Minutes on one GPU."""
CPU = MoleculeRecipe(epochs=1, batch_size=32, lr=2e-3, schedule="one-cycle", dropout=0.1)
"""About a minute on one core: the published network sees every training molecule once."""
SMOKE = MoleculeRecipe(epochs=6, batch_size=32, lr=3e-3, schedule="one-cycle", dropout=0.0, layers=3, width=64)
"""Seconds on one core."""

COMMAND = "bench data prepare molhiv --data DIR --download"
CHECKSUMS = {
    "raw/graph-label.csv.gz": "sha256:88f950d08c606556cca1c1ffef05229f46d64043ad7fa617e8938a3ae9779993",
    "raw/num-node-list.csv.gz": "sha256:e26f7e29de4a3985c7f47482838c62f870c90c4d01871c57bfeae1b8d993a24b",
    "raw/num-edge-list.csv.gz": "sha256:fa058f23514328fd69bc9c4c31fd8f5938c4ce18726855489d0c0e2dfeaddd37",
    "split/scaffold/train.csv.gz": "sha256:9f1e46e77897b3de3d19452cbd47c312e2844a0ec664c1c9dc897c10d12e42f0",
    "split/scaffold/valid.csv.gz": "sha256:eaf4d6b4630f9e689d2b203669674d0dc309673319e8ac32daa9e9ca90e2e1fa",
    "split/scaffold/test.csv.gz": "sha256:27485729d83edd6f47eb3b8daff69fdb32c9df6b36b17204ef87f8dc1a30eab1",
}
"""OGB's labels, counts and split: no other bytes are accepted."""
FEATURE_CHECKSUMS = {
    "raw/node-feat.csv.gz": "sha256:1e875d13c6442622d2b4f3763e7b0ef48cf2c769828b087ef0efe91c3bdb574b",
    "raw/edge.csv.gz": "sha256:d279b2d408f553cdc6e8ff9712e8eb52ee8831e6f63d29431812e27bca119389",
    "raw/edge-feat.csv.gz": "sha256:a59f5bcf890de811555f5d3819a96f713b4f8b6204801f286991c197afacf836",
}
"""OGB's features."""
REBUILT = {
    "raw/node-feat.csv.gz": "sha256-unpacked:a4e49e4aa9dbbaffda57249875e15e75df0aa40a794bff96851ef6522cbc28ef",
    "raw/edge.csv.gz": "sha256-unpacked:72ecc929db878ebc7cf7cce8f207c67bdf54d6ca609881561da1c4421d4cd2d2",
    "raw/edge-feat.csv.gz": "sha256-unpacked:94175645fd97120cab0a1558c2093403aade6c174e5cb7f68ddd944e5875b4d6",
}
"""The same made from MoleculeNet's SMILES by OGB's functions and RDKit 2026.9.1: accepted, and noted in the record."""


class Source(Protocol):
    """Where a task's molecules come from."""

    def status(self, data: Path | None) -> DataStatus:
        """Whether they can be had, by a quick look."""
        ...

    def load(self, data: Path | None) -> Molecules:
        """Read or generate them."""
        ...


class Molhiv:
    """ogbg-molhiv in the layout in which OGB publishes it."""

    def status(self, data: Path | None) -> DataStatus:
        """Whether all files lie in `data`/ogbg_molhiv."""
        from tasks.molecule_data import missing_files

        problem = missing_files(data, (*CHECKSUMS, *FEATURE_CHECKSUMS))
        return DataStatus(not problem, f"ogbg-molhiv is missing ({problem}): run `{COMMAND}`." if problem else "")

    def load(self, data: Path | None) -> Molecules:
        """Verify and read the files."""
        status = self.status(data)
        if data is None or not status.present:
            raise MissingData(status.reason)
        return _read_molhiv(data)


@cache
def _read_molhiv(data: Path) -> Molecules:
    from tasks.molecule_data import read_ogb

    return read_ogb(data, CHECKSUMS | FEATURE_CHECKSUMS, REBUILT, COMMAND)


class Generated:
    """Molecules that are put together, labelled and split on the spot."""

    def status(self, data: Path | None) -> DataStatus:
        """Always there."""
        return DataStatus(True)

    def load(self, data: Path | None) -> Molecules:
        """Generate them, once a process."""
        return _generate()


@cache
def _generate() -> Molecules:
    from tasks.molecule_standin import generate

    return generate()


@dataclass(frozen=True)
class MoleculeTask:
    """OGB's GCN on a set of molecules with one binary label."""

    spec: TaskSpec
    source: Source

    def data_status(self, data: Path | None) -> DataStatus:
        """Whether the molecules can be had; see `tasks.base.Task.data_status`."""
        return self.source.status(data)

    def run(self, activation: Activation, seed: int, recipe: MoleculeRecipe, context: Context) -> Measurement:
        """Train and test one network; see `tasks.base.Task.run`."""
        import torch

        from activations import confirm_executed, inject
        from tasks.gcn import GCN
        from tasks.kernels import fuse_sites, late_notes
        from tasks.molecule_data import collate
        from tasks.molecule_training import fit

        molecules = self.source.load(context.data)
        torch.manual_seed(seed)  # the initial weights, then dropout; the order of the data has a generator of its own
        model = GCN(recipe.layers, recipe.width, recipe.dropout)
        injection = inject(model, activation, expected=self.spec.sites)
        model.to(context.device)
        example = collate(molecules, molecules.split["train"][:2]).to(context.device)
        injection = confirm_executed(model, injection, lambda: model(example))
        fused = fuse_sites(model, context.fuse)
        result = fit(model, molecules, seed, recipe, context)
        return Measurement(
            score=result.metrics["test_roc_auc"],
            metrics=result.metrics,
            curves=result.curves,
            injection=injection,
            parameters=sum(p.numel() for p in model.parameters() if p.requires_grad),
            train_seconds=result.training.wall,
            train_cpu_seconds=result.training.cpu,
            eval_seconds=result.testing.wall,
            dataset=molecules.checksums,
            notes=(*molecules.notes, *fused.notes, *late_notes(model)),
            compile_seconds=fused.seconds,
            fused=fused.wanted,
        )


_ROC_AUC = Metric("test ROC-AUC at the epoch of the best validation ROC-AUC", "ROC-AUC", True, chance=0.5)
_SELECTION = Selection("valid_roc_auc", higher_is_better=True)
_NETWORK = (
    "OGB's example GCN without virtual node: sums of OGB's atom and bond embeddings, {layers} convolutions of width "
    "{width} with bond embeddings in the message, each with BatchNorm and dropout, mean pooling, one linear unit. "
    "Initialisation is torch's and OGB's own under every activation."
)
_SITE_RULE = (
    "All ReLUs of the network are replaced: in the message and on the root term of each of the {layers} convolutions, "
    "and between consecutive convolutions; none follows the last one."
)

MOLHIV = MoleculeTask(
    TaskSpec(
        name="molhiv-gcn",
        version=1,
        title="ogbg-molhiv, GCN",
        family="molecules",
        track="real",
        dataset=Dataset(
            "ogbg-molhiv",
            "Open Graph Benchmark (Hu et al., 2020), after MoleculeNet and the AIDS Antiviral Screen of the NCI: "
            "41,127 molecules, split by scaffold",
            CHECKSUMS | FEATURE_CHECKSUMS,
            COMMAND,
            REBUILT,
        ),
        model=_NETWORK.format(layers=5, width=300),
        sites=14,
        site_rule=_SITE_RULE.format(layers=5),
        metric=_ROC_AUC,
        recipes={"cpu": CPU, "small": SMALL, "paper": PAPER},
        reference=Reference(
            0.7606,
            0.751,
            0.770,
            "OGB leaderboard, GCN without virtual node: test 0.7606 ± 0.0097, valid 0.8204 ± 0.0141 over 10 seeds; "
            "compare a mean of 10 seeds",
        ),
        selection=_SELECTION,
    ),
    Molhiv(),
)

MOLECULES = MoleculeTask(
    TaskSpec(
        name="molecules-gcn",
        version=1,
        title="Generated molecules, small GCN (stand-in for ogbg-molhiv)",
        family="molecules",
        track="stand-in",
        dataset=Dataset(
            "generated molecules",
            "put together with RDKit from rings, linkers and substituents; active when at least a fifth of the surface "
            "has a Gasteiger charge from -0.15 to -0.05 e; split by scaffold",
        ),
        model=_NETWORK.format(layers=SMOKE.layers, width=SMOKE.width),
        sites=3 * SMOKE.layers - 1,
        site_rule=_SITE_RULE.format(layers=SMOKE.layers),
        metric=_ROC_AUC,
        recipes={"smoke": SMOKE},
        selection=_SELECTION,
    ),
    Generated(),
)

TASKS = (MOLHIV, MOLECULES)
