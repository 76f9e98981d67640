"""Which data sets can be brought: where each comes from, where it goes, and what is generated here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tasks import tiny_imagenet
from tasks.clrs30 import ALGORITHMS


@dataclass(frozen=True)
class Source:
    """Where one data set comes from and where it goes."""

    folder: str
    """Its folder inside the data folder, in the layout that its publisher's archive has or that `cut` gives it."""
    task: str
    """A task that reads it: its checksums are those that we verify."""
    archive: str = ""
    """Name of the publisher's archive; empty where there is none to fetch."""
    address: str = ""
    inside: str = ""
    """The archive's top folder, where it is not `folder`."""
    cut: Callable[[Path, Path], Path] | None = None
    """Makes the data set from the archive's top folder in a new one, and returns where it then lies."""
    terms: str = ""
    """Why it cannot be fetched, as a sentence."""
    parts: tuple[str, ...] = ()
    """Folders that it must have, where no checksums are published."""


SOURCES: Mapping[str, Source] = {
    "cifar10": Source(
        folder="cifar-10-batches-py",
        task="cifar10-resnet18",
        archive="cifar-10-python.tar.gz",
        address="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    ),
    "cifar100": Source(
        folder="cifar-100-python",
        task="cifar100-resnet18",
        archive="cifar-100-python.tar.gz",
        address="https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
    ),
    "molhiv": Source(
        folder="ogbg_molhiv",
        task="molhiv-gcn",
        archive="hiv.zip",
        address="http://snap.stanford.edu/ogb/data/graphproppred/csv_mol_download/hiv.zip",
        inside="hiv",
    ),
    "tiny-imagenet-10k": Source(
        folder="tiny-imagenet-10k",
        task="tiny-imagenet-10k-resnet50",
        archive="tiny-imagenet-200.zip",
        address="http://cs231n.stanford.edu/tiny-imagenet-200.zip",
        inside="tiny-imagenet-200",
        cut=tiny_imagenet.cut,
    ),
    "imagenet": Source(
        folder="imagenet",
        task="imagenet-resnet50",
        terms="ImageNet is given out at image-net.org to those who accept its terms",
        parts=("train", "val"),
    ),
}

GENERATED = {"clrs30": ALGORITHMS} | {f"clrs30-{algorithm}": (algorithm,) for algorithm in ALGORITHMS}
"""The frozen test sets of CLRS-30, all or one, which the official package makes from a fixed seed."""

NAMES = (*SOURCES, *GENERATED)
