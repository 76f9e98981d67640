"""Graphs a second of a training epoch on ogbg-molhiv: ours, and OGB's own example on the same molecules.

    python benchmarks/molecule_speed.py --data DIR --script OGB/examples/graphproppred/mol
    python benchmarks/molecule_speed.py --data DIR --profile
    python benchmarks/molecule_speed.py --data DIR --parts

OGB's model, PyG's DataLoader and the `train` of OGB's `main_pyg.py` run as they are; only its data set object is built
from our molecules, since the package's own asks questions and downloads. Both train the published network (5 layers,
width 300, dropout 0.5, Adam) on the same molecules in batches of 32. A small --width leaves hardly any arithmetic, so
that what remains is the host's work, which is what binds a GPU at this batch size.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from measuring import Timing, head, quartiles, ratio, rounds, synchronizer
from step_profile import profile, text
from tabulate import tabulate

import activations

if TYPE_CHECKING:
    from torch import nn

    from tasks.molecule_data import Molecules

OGB = "OGB's example"
PART_ROUNDS = 30
NAMES = ("relu", "gelu", "gelu-sinc-perturbation")


def main() -> None:
    """Measure and print."""
    given = arguments()
    import torch

    from tasks.molecules import MOLHIV

    if given.threads:
        torch.set_num_threads(given.threads)
    molecules = few(MOLHIV.source.load(given.data), given.batches * given.batch)
    command = " ".join(["python benchmarks/molecule_speed.py", *given.shown])
    threads = f"{torch.get_num_threads()} threads"
    if given.profile:
        print(head("A step of molhiv-gcn", command, given.device, f"{given.batches} steps, {threads}."))
        call = ours(molecules, given, "relu")
        call()  # warms up
        print(text(profile(call, given.batches, given.device)))
        return
    if given.parts:
        print(head("Parts of a step of molhiv-gcn", command, given.device, f"Medians of {PART_ROUNDS}, {threads}."))
        print(parts(molecules, given))
        return
    things: dict[str, Callable[[], object]] = {}
    if given.script:
        things[OGB] = example(molecules, given)
    for name in given.activations:
        things[name] = ours(molecules, given, name)
        if name != "relu" and getattr(activations, "fuse", None):
            things[f"{name}, fused"] = ours(molecules, given, name, fused=True)
    found = rounds(things, given.rounds, synchronizer(given.device), warm=1)
    conditions = (
        f"Medians and quartiles of {given.rounds} interleaved rounds of {given.batches} batches of {given.batch}; "
        f"width {given.width}, {threads}."
    )
    print(head("Graphs a second in training", command, given.device, conditions))
    print(table(found, given.batches, given.batch))


def arguments() -> argparse.Namespace:
    """The command line; `shown` is what the head of the table repeats of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of prepared data sets")
    parser.add_argument("--script", type=Path, help="folder of OGB's example (its main_pyg.py); left out: ours alone")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batches", type=int, help="batches an epoch (CPU: 40, GPU: 1000)")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--width", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=0, help="0 leaves them to torch")
    parser.add_argument("--activations", nargs="+", default=list(NAMES))
    parser.add_argument("--profile", action="store_true", help="print where a step of ours with ReLU spends its time")
    parser.add_argument("--parts", action="store_true", help="print what collation and sums over neighbours cost")
    given = parser.parse_args()
    given.batches = given.batches or (1000 if given.device.startswith("cuda") else 40)
    paths = {str(given.data): "DIR", str(given.script): "OGB/examples/graphproppred/mol"}
    given.shown = [paths.get(word, word) for word in sys.argv[1:]]
    return given


def few(molecules: Molecules, count: int) -> Molecules:
    """The first molecules of the training part, and one of each label to test on."""
    labels = molecules.labels
    two = np.array([np.flatnonzero(labels == 0)[0], np.flatnonzero(labels == 1)[0]])
    return replace(molecules, split={"train": molecules.split["train"][:count], "valid": two, "test": two})


def ours(molecules: Molecules, given: argparse.Namespace, name: str, fused: bool = False) -> Callable[[], object]:
    """One epoch of the task's own `fit`."""
    import torch

    from tasks.base import Context
    from tasks.gcn import GCN
    from tasks.molecule_data import collate
    from tasks.molecule_training import fit
    from tasks.molecules import PAPER

    recipe = replace(PAPER, epochs=1, batch_size=given.batch, width=given.width)
    torch.manual_seed(0)
    model = GCN(recipe.layers, recipe.width, recipe.dropout)
    activations.inject(model, activations.get(name), expected=3 * recipe.layers - 1)
    model.to(given.device)
    model.eval()(collate(molecules, molecules.split["valid"]).to(given.device))  # sizes parameters, if there are any
    if fused:
        fuse: Any = getattr(activations, "fuse", None)
        fuse(model)
    return lambda: fit(model, molecules, 0, recipe, Context(device=given.device))


def example(molecules: Molecules, given: argparse.Namespace) -> Callable[[], object]:
    """One epoch of the `train` of OGB's example."""
    import torch
    from torch_geometric.loader import DataLoader

    from tasks.ogb_package import atom_feature_sizes

    atom_feature_sizes()  # imports ogb without its look-up of newer versions
    os.environ["TQDM_DISABLE"] = "1"
    sys.path.insert(0, str(given.script))
    theirs = importlib.import_module("main_pyg")
    torch.manual_seed(0)
    model: nn.Module = theirs.GNN(gnn_type="gcn", num_tasks=1, emb_dim=given.width, virtual_node=False)
    model.to(given.device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    loader = DataLoader(graphs(molecules), batch_size=given.batch, shuffle=True)
    return lambda: theirs.train(model, given.device, loader, optimizer, "binary classification")


def graphs(molecules: Molecules) -> Any:
    """The training molecules as a data set in memory, of the class that OGB's is derived from."""
    import torch
    from torch_geometric.data import Data, InMemoryDataset

    from tasks.molecule_data import collate

    class InMemory(InMemoryDataset):
        def __init__(self, items: list[Data]) -> None:
            super().__init__(root=None)
            self.data, self.slices = self.collate(items)

    items = []
    for number in molecules.split["train"]:
        one = collate(molecules, np.array([number]))
        label = one.labels.to(torch.int64)[:, None]  # as in OGB's own
        items.append(Data(x=one.atoms, edge_index=one.edges, edge_attr=one.bonds, y=label))
    return InMemory(items)


def parts(molecules: Molecules, given: argparse.Namespace) -> str:
    """Milliseconds a batch of collation, and of two ways to sum the messages that arrive at each atom."""
    import torch

    from tasks.molecule_batches import MoleculeBatches
    from tasks.molecule_data import collate
    from tasks.molecule_training import runs

    numbers, device = list(runs(molecules.split["train"], given.batch)), given.device
    batches, batch = MoleculeBatches(molecules, device), collate(molecules, numbers[0]).to(device)
    target, atoms = batch.edges[1], len(batch.atoms)
    messages = torch.randn(len(target), given.width, device=device)
    ordered, counts = messages[target.argsort(stable=True)], torch.bincount(target, minlength=atoms)
    things: dict[str, Callable[[], object]] = {
        "collation on the host, and transfer": lambda: [collate(molecules, run).to(device) for run in numbers],
        "collation on the device, ahead": lambda: list(batches(numbers)),
        "index_add of messages": lambda: torch.zeros(atoms, given.width, device=device).index_add_(0, target, messages),
        "segment_reduce of sorted messages": lambda: torch.segment_reduce(
            ordered, "sum", lengths=counts, unsafe=True, initial=0
        ),
    }
    found = rounds(things, PART_ROUNDS, synchronizer(device))
    rows = [
        (n, f"{1e3 * float(np.median(t.wall)) / (len(numbers) if 'coll' in n else 1):.3f}") for n, t in found.items()
    ]
    return tabulate(rows, headers=("part", "ms a batch"), tablefmt="github", disable_numparse=True)


def table(found: dict[str, Timing], batches: int, size: int) -> str:
    """Graphs a second, by the clock and by processor time, and the ratio to OGB's."""
    graphs = batches * size
    rows = []
    for name, timing in found.items():
        low, middle, high = quartiles([graphs / wall for wall in timing.wall])
        cpu = 1e3 * float(np.median(timing.cpu)) / batches
        times = (
            (ratio(found[OGB], timing), ratio(on_processor(found[OGB]), on_processor(timing)))
            if OGB in found
            else ("", "")
        )
        rows.append((name, f"{middle:.0f} ({low:.0f} to {high:.0f})", *times, f"{cpu:.1f}"))
    headers = ("training", "graphs a second", "times OGB's", "by processor time", "processor ms a step")
    return tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True)


def on_processor(timing: Timing) -> Timing:
    """The same with processor time in the place of the clock's."""
    return Timing(timing.cpu, timing.cpu)


if __name__ == "__main__":
    main()
