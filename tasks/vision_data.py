"""Small images as tensors: CIFAR in torchvision's layout and scikit-learn's digits; subsets, order, augmentation.

A whole data set is one uint8 tensor on the device, and batches are cut and augmented there. Order and augmentation come
from a generator of their own, seeded with (seed, epoch): no activation, dropout or initialisation can shift them.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.base import DataStatus, MissingData

if TYPE_CHECKING:
    import torch

    from tasks.vision_recipes import SmallImageRecipe

SUBSET_SEED = 20_240
"""Seed of the one permutation that every subset is cut from: a subset never depends on a cell's seed."""
HELD_OUT_SEED = 20_241
"""Seed of the permutation whose first images are held out: they never depend on a cell's seed, either."""
TEST_BATCH = 500
GPU_TEST_BATCH = 2000
"""On a CPU the size of a batch can change rounding, and scores are to repeat; a GPU is idle with less."""


@dataclass(frozen=True)
class ImageSet:
    """A classification data set in memory."""

    train_images: torch.Tensor
    """uint8 (images, channels, height, width)."""
    train_labels: torch.Tensor
    """int64 (images,)."""
    test_images: torch.Tensor
    test_labels: torch.Tensor
    classes: int
    checksums: Mapping[str, str] = field(default_factory=dict)
    """File name to `md5:hex digest`, as verified while loading."""


@dataclass(frozen=True, eq=False)  # known by itself, so that what it loads can be kept
class Cifar:
    """CIFAR-10 or CIFAR-100 as pickled batches, in the layout that torchvision downloads."""

    name: str
    folder: str
    train_files: tuple[str, ...]
    test_files: tuple[str, ...]
    label_key: str
    classes: int
    checksums: Mapping[str, str]
    """File name to `md5:hex digest`, as published with the data set and in torchvision."""

    @property
    def command(self) -> str:
        """What brings the data."""
        return f"bench data prepare {self.name} --data DIR --download"

    def status(self, data: Path | None) -> DataStatus:
        """Whether every file lies in `data`; contents are checked by `load`."""
        if data is None:
            return DataStatus(False, f"{self.name} needs a data folder: run `{self.command}` and pass --data DIR")
        absent = [name for name in self.checksums if not (data / self.folder / name).is_file()]
        if absent:
            return DataStatus(False, f"{self.folder}/{absent[0]} is not in {data}: run `{self.command}`")
        return DataStatus(True)

    def load(self, data: Path | None) -> ImageSet:
        """Verify every file's checksum, then read it.

        Raises:
            MissingData: a file is absent or differs from the published one.
        """
        status = self.status(data)
        if data is None or not status.present:
            raise MissingData(status.reason)
        files = {name: self._verified(data, name) for name in self.checksums}
        train_images, train_labels = self._stack([files[name] for name in self.train_files])
        test_images, test_labels = self._stack([files[name] for name in self.test_files])
        return ImageSet(train_images, train_labels, test_images, test_labels, self.classes, dict(self.checksums))

    def _verified(self, data: Path, name: str) -> bytes:
        content = (data / self.folder / name).read_bytes()
        digest = f"md5:{hashlib.md5(content, usedforsecurity=False).hexdigest()}"
        if digest != self.checksums[name]:
            raise MissingData(
                f"{self.folder}/{name} in {data} is damaged ({digest}, published {self.checksums[name]}): "
                f"delete it and run `{self.command}`"
            )
        return content

    def _stack(self, files: list[bytes]) -> tuple[torch.Tensor, torch.Tensor]:
        import numpy as np
        import torch

        # Unpickling runs code, which is safe here only because the checksum was that of the published file.
        batches: list[dict[str, Any]] = [pickle.loads(content, encoding="latin1") for content in files]
        images = np.concatenate([batch["data"] for batch in batches]).reshape(-1, 3, 32, 32)
        labels = np.concatenate([np.asarray(batch[self.label_key], dtype=np.int64) for batch in batches])
        return torch.from_numpy(images), torch.from_numpy(labels)


@dataclass(frozen=True)
class Digits:
    """The 1,797 handwritten digits that scikit-learn carries (8×8, 17 grey levels), split by order.

    They are sorted by writer: the first 1,000 train, the last 797 test on writers that training never saw.
    """

    name: str = "digits"
    train: int = 1000
    classes: int = 10

    def status(self, data: Path | None) -> DataStatus:
        """Embedded data is always there."""
        return DataStatus(True)

    def load(self, data: Path | None) -> ImageSet:
        """Read the digits from the scikit-learn package; `data` is not used."""
        import numpy as np
        import torch
        from sklearn.datasets import load_digits

        digits = load_digits()
        pixels = np.ascontiguousarray(digits.images[:, None] * 15).astype(np.uint8)
        checksum = {"digits": f"md5:{hashlib.md5(pixels.tobytes(), usedforsecurity=False).hexdigest()}"}
        images, labels = torch.from_numpy(pixels), torch.from_numpy(digits.target.astype(np.int64))
        cut = self.train
        return ImageSet(images[:cut], labels[:cut], images[cut:], labels[cut:], self.classes, checksum)


class MemoryBatches:
    """Batches of an `ImageSet` for one seed, on one device; see `tasks.training.Batches`."""

    def __init__(self, images: ImageSet, recipe: SmallImageRecipe, seed: int, device: torch.device) -> None:
        from torch.nn import functional

        if recipe.held_out:
            images = hold_out(images, recipe.held_out)
        self.classes = images.classes
        self.part = "valid" if recipe.held_out else "test"
        self._recipe = recipe
        self._seed = seed
        mean, deviation = channel_moments(images.train_images)
        self._mean, self._deviation = mean.to(device), deviation.to(device)
        chosen = subset(len(images.train_images), recipe.train_samples)
        tested = subset(len(images.test_images), 0 if recipe.held_out else recipe.test_samples)
        pad = recipe.crop_padding
        # Channels last: a crop then gathers whole pixels.
        self._train_images = functional.pad(images.train_images[chosen].to(device), (pad,) * 4)
        self._train_images = self._train_images.permute(0, 2, 3, 1).contiguous()
        self._train_labels = images.train_labels[chosen].to(device)
        self._test_images = images.test_images[tested].to(device)
        self._test_labels = images.test_labels[tested].to(device)
        self.steps = max(1, len(chosen) // recipe.batch_size)
        self.example = self._normalised(self._test_images[:2])

    def train(self, epoch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Shuffled, cropped and flipped batches of one epoch, counted from 0."""
        import torch

        device, count = self.example.device, len(self._train_labels)
        # Drawn on the CPU, a whole epoch at once: the same on every device, and one transfer.
        generator = torch.Generator().manual_seed((self._seed << 16) + epoch)
        order = torch.randperm(count, generator=generator)
        shift = torch.randint(2 * self._recipe.crop_padding + 1, (2, count), generator=generator)
        flip = torch.rand(count, generator=generator) < (0.5 if self._recipe.flip else 0.0)
        order, labels = order.to(device), self._train_labels[order.to(device)]
        rows, columns = self._windows(shift.to(device), flip.to(device))
        for step in range(self.steps):
            part = slice(step * self._recipe.batch_size, (step + 1) * self._recipe.batch_size)
            cut = self._train_images[order[part, None, None], rows[part, :, None], columns[part, None, :]]
            yield self._normalised(cut.permute(0, 3, 1, 2)), labels[part]

    def test(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """The test images, or those held out, in an order of their own."""
        size = GPU_TEST_BATCH if self.example.is_cuda else TEST_BATCH
        for images, labels in zip(self._test_images.split(size), self._test_labels.split(size), strict=True):
            yield self._normalised(images), labels

    def _windows(self, shift: torch.Tensor, flip: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Rows (images, height) and columns (images, width) of the padded images that an epoch's crops show."""
        import torch

        height, width = self.example.shape[2:]
        rows = shift[0, :, None] + torch.arange(height, device=shift.device)
        columns = shift[1, :, None] + torch.arange(width, device=shift.device)
        return rows, torch.where(flip[:, None], columns.flip(1), columns)

    def _normalised(self, images: torch.Tensor) -> torch.Tensor:
        import torch

        layout = torch.channels_last if self._recipe.channels_last else torch.contiguous_format
        return ((images.float() - self._mean) / self._deviation).to(memory_format=layout)


def channel_moments(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Exact mean and standard deviation of each channel of uint8 `images`, both float32 (channels, 1, 1)."""
    import torch

    levels = torch.arange(256, dtype=torch.float64)
    means, deviations = [], []
    for channel in images.unbind(1):
        share = torch.bincount(channel.flatten().long(), minlength=256) / channel.numel()
        mean = (share * levels).sum()
        means.append(mean)
        deviations.append(((share * (levels - mean) ** 2).sum()).sqrt())
    return torch.stack(means).float()[:, None, None], torch.stack(deviations).float()[:, None, None]


def subset(count: int, wanted: int) -> torch.Tensor:
    """Indices of `wanted` of `count` images, the same ones in every run; all of them in order where `wanted` is 0."""
    import torch

    if wanted == 0 or wanted >= count:
        return torch.arange(count)
    return torch.randperm(count, generator=torch.Generator().manual_seed(SUBSET_SEED))[:wanted]


def hold_out(images: ImageSet, count: int) -> ImageSet:
    """Put `count` of the training images, the same ones in every run, in the place of the test images."""
    import torch

    order = torch.randperm(len(images.train_images), generator=torch.Generator().manual_seed(HELD_OUT_SEED))
    return put_aside(images, held=order[:count], kept=order[count:].sort().values)


def put_aside(images: ImageSet, held: torch.Tensor, kept: torch.Tensor) -> ImageSet:
    """Train on the images `kept`, in that order, and test on the training images `held`; both are int64 indices."""
    return replace(
        images,
        train_images=images.train_images[kept],
        train_labels=images.train_labels[kept],
        test_images=images.train_images[held],
        test_labels=images.train_labels[held],
    )


CIFAR10 = Cifar(
    name="cifar10",
    folder="cifar-10-batches-py",
    train_files=tuple(f"data_batch_{number}" for number in range(1, 6)),
    test_files=("test_batch",),
    label_key="labels",
    classes=10,
    checksums={
        "data_batch_1": "md5:c99cafc152244af753f735de768cd75f",
        "data_batch_2": "md5:d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "md5:54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "md5:634d18415352ddfa80567beed471001a",
        "data_batch_5": "md5:482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "md5:40351d587109b95175f43aff81a1287e",
    },
)

CIFAR100 = Cifar(
    name="cifar100",
    folder="cifar-100-python",
    train_files=("train",),
    test_files=("test",),
    label_key="fine_labels",
    classes=100,
    checksums={
        "train": "md5:16019d7e3df5f24257cddd939b257f8d",
        "test": "md5:f0ef6b0ae62326f3e7ffdfab6717acfc",
    },
)
