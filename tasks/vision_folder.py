"""ImageNet and Tiny-ImageNet-10k through timm: images in folders, or streamed, decoded by worker processes.

What lies in the data folder for ImageNet, the first that is there:

* `imagenet/dataset.json`: arguments of `timm.data.create_dataset`, for everything but folders and tars, e.g.
  `{"name": "wds/imagenet", "root": "shards", "train": "train", "validation": "validation"}`, `root` relative to the
  folder `imagenet`; a hub data set is `{"name": "hfds/ILSVRC/imagenet-1k"}` (the splits above are the defaults);
* `imagenet/train.tar` and `imagenet/val.tar`: images in a folder a class;
* `imagenet/train/CLASS/*.JPEG` and `imagenet/val/CLASS/*.JPEG`.

Tiny-ImageNet-10k has its checksums verified, and so lies in folders: `tiny-imagenet-10k/train/CLASS/*.JPEG` and `val`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.base import DataStatus, MissingData, TaskError
from tasks.checksums import State, judge

if TYPE_CHECKING:
    import torch

    from tasks.vision_recipes import ImageNetRecipe

MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
CROP_SHARE = 0.875
"""The centre crop's share of the scaled image's side: 224 of 256."""
TEST_BATCH = 256


@dataclass(frozen=True)
class ImageFolders:
    """Images in a folder a class; refused where their number or a checksum is another one."""

    name: str
    """Also the name of its folder inside the data folder."""
    classes: int
    train_images: int
    test_images: int
    """The validation set, as everyone tests on it: labels of the test set were never published."""
    command: str
    """What brings the data."""
    checksums: Mapping[str, str] = field(default_factory=dict)
    """Of the folders `train` and `val`, see `tasks.checksums`; where they are known, no other layout is read."""

    def status(self, data: Path | None) -> DataStatus:
        """Whether one of the layouts lies in `data`; images are counted by `open`."""
        if data is None:
            return DataStatus(False, f"{self.name} needs a data folder: run `{self.command}` and pass --data DIR")
        home = data / self.name
        if not self.checksums and (home / "dataset.json").is_file():
            return DataStatus(True)
        for part in (home / "train", home / "val"):
            if not part.is_dir() and (self.checksums or not part.with_suffix(".tar").is_file()):
                kinds = "" if self.checksums else ", neither as folder nor .tar"
                return DataStatus(False, f"{part} is not there{kinds}: run `{self.command}`")
        return DataStatus(True)

    def open(self, data: Path | None, seed: int, training: bool, batch_size: int) -> Any:
        """The timm data set of the training or validation images, without a transform.

        Raises:
            MissingData: it is absent, differs from what was published, or holds another number of images.
        """
        status = self.status(data)
        if data is None or not status.present:
            raise MissingData(status.reason)
        self._verify(data / self.name, "train" if training else "val")
        from tasks._torchvision import ensure_torchvision

        ensure_torchvision()
        from timm.data.dataset_factory import create_dataset

        dataset = create_dataset(
            **self._arguments(data / self.name, training), is_training=training, batch_size=batch_size, seed=seed
        )
        expected = self.train_images if training else self.test_images
        if len(dataset) != expected:
            part = "training" if training else "validation"
            found = f"{data / self.name} holds {len(dataset):,} {part} images in place of {expected:,}"
            raise MissingData(f"{found}: run `{self.command}`")
        return dataset

    def _verify(self, home: Path, part: str) -> None:
        """Hold a part's names and bytes against its checksum, where one is known."""
        published = self.checksums.get(part)
        if published and (found := judge(home / part, published)).state is not State.PUBLISHED:
            raise MissingData(
                f"{home / part} holds files that are not {self.name}'s: run `{self.command}` (found {found.digest})"
            )

    def _arguments(self, home: Path, training: bool) -> dict[str, Any]:
        part = home / ("train" if training else "val")
        if self.checksums:
            return {"name": "", "root": str(part), "search_split": False}
        description = home / "dataset.json"
        if description.is_file():
            arguments = dict(json.loads(description.read_text()))
            splits = {True: arguments.pop("train", "train"), False: arguments.pop("validation", "validation")}
            if "root" in arguments:
                arguments["root"] = str(home / arguments["root"])
            return {**arguments, "split": splits[training]}
        tar = part.with_suffix(".tar")
        return {"name": "", "root": str(tar if tar.is_file() else part), "search_split": False}


IMAGENET = ImageFolders(
    name="imagenet",
    classes=1000,
    train_images=1_281_167,
    test_images=50_000,
    command="bench data prepare imagenet --data DIR",
)
"""ILSVRC-2012, classification."""

TINY_IMAGENET_10K = ImageFolders(
    name="tiny-imagenet-10k",
    classes=200,
    train_images=10_000,
    test_images=10_000,
    command="bench data prepare tiny-imagenet-10k --data DIR --download",
    checksums={
        "train": "sha256-tree:0e16a63968bb11e5dc9d8323db053f80f8e2ab2c51e8fda78014189487529a4e",
        "val": "sha256-tree:f07e1d1c9c1c86544965f2623837c2f922ab59418ed36934b37b3f0ebffba148",
    },
)
"""A tenth of Tiny-ImageNet's training images; `tasks/tiny_imagenet.py` cuts it."""


class FolderBatches:
    """Batches of images in folders for one seed; see `tasks.training.Batches`.

    Order and worker seeds come from a generator of their own, so they are the same for every activation.
    """

    def __init__(
        self, source: ImageFolders, data: Path | None, recipe: ImageNetRecipe, seed: int, device: torch.device
    ) -> None:
        import torch

        self.classes = source.classes
        self.part = "test"
        self._recipe = recipe
        self._mean = torch.tensor(MEAN, device=device)[:, None, None] * 255
        self._deviation = torch.tensor(DEVIATION, device=device)[:, None, None] * 255
        self.example = torch.zeros(2, 3, recipe.resolution, recipe.resolution, device=device)
        generator = torch.Generator().manual_seed(seed)
        train = source.open(data, seed, training=True, batch_size=recipe.batch_size)
        test = source.open(data, seed, training=False, batch_size=TEST_BATCH)
        self._train = self._loader(train, generator, training=True)
        self._test = self._loader(test, generator, training=False)
        self.steps = min(len(self._train), max(1, (recipe.train_samples or len(train)) // recipe.batch_size))
        counts = {"train": f"images:{len(train)}", "validation": f"images:{len(test)}"}
        self.checksums = dict(source.checksums) or counts

    def train(self, epoch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Randomly cropped and flipped batches; `epoch` only counts, the generator runs on from one to the next."""
        for step, batch in enumerate(self._on_device(self._train)):
            if step == self.steps:
                break
            yield batch

    def test(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Centre crops of the validation images, or of the recipe's subset of them."""
        yield from self._on_device(self._test)

    def _on_device(self, loader: Any) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Batches of a loader, normalised; on a GPU each is brought there while the one before trains."""
        if self.example.is_cuda:
            yield from self._ahead(loader)
        else:
            yield from (self._brought(*batch) for batch in loader)

    def _ahead(self, loader: Any) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        import torch

        backend = torch.get_device_module(self.example.device)
        stream, ready = backend.Stream(), None
        stream.wait_stream(backend.current_stream())  # mean and deviation were made there
        for batch in loader:
            with backend.stream(stream):
                fresh = self._brought(*batch)
            if ready is not None:
                yield ready
            # Only now, when the step on the batch before is on its way, must what comes next wait for the copy.
            backend.current_stream().wait_stream(stream)
            for part in fresh:
                if part.is_cuda:
                    part.record_stream(backend.current_stream())
            ready = fresh
        if ready is not None:
            yield ready

    def _brought(self, images: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self._normalised(images), labels.to(self.example.device, non_blocking=True)

    def _loader(self, dataset: Any, generator: torch.Generator, training: bool) -> Any:
        from timm.data.loader import fast_collate
        from torch.utils.data import DataLoader, IterableDataset, Subset

        from tasks.vision_data import subset

        recipe = self._recipe
        dataset.transform = self._transform(training)
        streamed = isinstance(dataset, IterableDataset)
        samples = recipe.train_samples if training else recipe.test_samples
        if streamed:
            if samples:
                raise TaskError(
                    "a streamed data set has no fixed subset: lay it out as a folder, or use another profile"
                )
            dataset.set_loader_cfg(num_workers=recipe.workers)
        elif samples:
            dataset = Subset(dataset, subset(len(dataset), samples).tolist())
        return DataLoader(
            dataset,
            batch_size=recipe.batch_size if training else TEST_BATCH,
            shuffle=training and not streamed,
            drop_last=training,
            num_workers=recipe.workers,
            collate_fn=fast_collate,
            pin_memory=self.example.device.type == "cuda",
            generator=generator,
            persistent_workers=recipe.workers > 0,
            # The worker of `bench run` was spawned and would spawn its own, without what `ensure_torchvision` did here.
            # Forked decoders inherit its pipe, so that a killed worker is noticed some seconds later (5 s seen).
            multiprocessing_context="fork" if recipe.workers and sys.platform == "linux" else None,
        )

    def _transform(self, training: bool) -> Any:
        from timm.data.transforms_factory import create_transform

        recipe = self._recipe
        size = recipe.resolution if training else recipe.test_resolution
        return create_transform(
            size,
            is_training=training,
            use_prefetcher=True,  # leaves uint8 for the device to normalise
            scale=(recipe.min_scale, 1.0),
            hflip=0.5,
            color_jitter=0.0,
            interpolation="bilinear",
            crop_pct=CROP_SHARE,
        )

    def _normalised(self, images: torch.Tensor) -> torch.Tensor:
        import torch

        layout = torch.channels_last if self._recipe.channels_last else torch.contiguous_format
        images = images.to(self.example.device, non_blocking=True)
        return ((images.float() - self._mean) / self._deviation).to(memory_format=layout)
