"""Images in memory: reading CIFAR's layout, checksums, subsets, order and augmentation."""

from __future__ import annotations

import hashlib
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tasks.base import MissingData
from tasks.vision_data import (
    CIFAR10,
    CIFAR100,
    Cifar,
    Digits,
    ImageSet,
    MemoryBatches,
    channel_moments,
    hold_out,
    subset,
)
from tasks.vision_recipes import SmallImageRecipe

RECIPE = SmallImageRecipe(epochs=1, batch_size=8, lr=0.1)
CPU = torch.device("cpu")


def write_cifar(data: Path, source: Cifar, images: int = 6) -> Cifar:
    """Random batches in the layout of `source`, and `source` with their checksums."""
    random = np.random.default_rng(0)
    folder = data / source.folder
    folder.mkdir()
    checksums = {}
    for name in source.checksums:
        batch = {
            "data": random.integers(0, 256, (images, 3072), dtype=np.uint8),
            source.label_key: random.integers(0, source.classes, images).tolist(),
        }
        content = pickle.dumps(batch, protocol=2)
        (folder / name).write_bytes(content)
        checksums[name] = f"md5:{hashlib.md5(content).hexdigest()}"
    return replace(source, checksums=checksums)


def numbered(count: int = 40, side: int = 6) -> ImageSet:
    """Images whose pixels are all different within an image, with the image's number as label."""
    pixels = torch.arange(3 * side * side).reshape(1, 3, side, side) % 200 + 1
    images = ((pixels + torch.arange(count)[:, None, None, None]) % 256).to(torch.uint8)
    labels = torch.arange(count)
    return ImageSet(images, labels, images[:10], labels[:10], classes=count)


def epoch(batches: MemoryBatches, number: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = zip(*batches.train(number), strict=True)
    return torch.cat(images), torch.cat(labels)


@pytest.mark.parametrize(("source", "train"), [(CIFAR10, 30), (CIFAR100, 6)], ids=["cifar10", "cifar100"])
def test_cifar_is_read_in_the_published_layout(source: Cifar, train: int, tmp_path: Path) -> None:
    written = write_cifar(tmp_path, source)
    images = written.load(tmp_path)
    assert images.train_images.shape == (train, 3, 32, 32)
    assert images.test_images.shape == (6, 3, 32, 32)
    assert (images.train_images.dtype, images.train_labels.dtype) == (torch.uint8, torch.int64)
    assert images.checksums == written.checksums
    last = pickle.loads((tmp_path / source.folder / source.train_files[-1]).read_bytes())
    assert images.train_images[-1, 2, 31, 31] == last["data"][-1, 3071]
    assert images.train_labels[-6:].tolist() == last[source.label_key]


def test_a_changed_byte_is_refused_before_anything_is_unpickled(tmp_path: Path) -> None:
    source = write_cifar(tmp_path, CIFAR10)
    file = tmp_path / source.folder / "data_batch_3"
    file.write_bytes(file.read_bytes()[:-1] + b"!")  # no longer a pickle at all
    with pytest.raises(MissingData, match=r"data_batch_3 .* is damaged .*bench data prepare cifar10"):
        source.load(tmp_path)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    source = write_cifar(tmp_path, CIFAR100)
    (tmp_path / source.folder / "test").unlink()
    assert not source.status(tmp_path).present
    with pytest.raises(MissingData, match=r"cifar-100-python/test is not in .*bench data prepare cifar100"):
        source.load(tmp_path)


def test_published_checksums_are_those_of_torchvision() -> None:
    from tasks._torchvision import ensure_torchvision

    ensure_torchvision()
    from torchvision import datasets

    for ours, theirs in ((CIFAR10, datasets.CIFAR10), (CIFAR100, datasets.CIFAR100)):
        assert ours.folder == theirs.base_folder
        published = {name: f"md5:{digest}" for name, digest in theirs.train_list + theirs.test_list}
        assert ours.checksums == published


def test_digits_are_split_by_writer_order() -> None:
    digits = Digits().load(None)
    assert digits.train_images.shape == (1000, 1, 8, 8)
    assert digits.test_images.shape == (797, 1, 8, 8)
    assert int(digits.train_images.max()) == 240
    assert set(digits.test_labels.tolist()) == set(range(10))


def test_moments_are_those_of_the_pixels() -> None:
    images = torch.randint(0, 256, (50, 3, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    mean, deviation = channel_moments(images)
    pixels = images.double()
    assert torch.allclose(mean.flatten().double(), pixels.mean((0, 2, 3)))
    assert torch.allclose(deviation.flatten().double(), pixels.std((0, 2, 3), correction=0))


def test_subsets_are_fixed_distinct_and_nested() -> None:
    small, large = subset(1000, 50), subset(1000, 200)
    assert len(set(large.tolist())) == 200
    assert large[:50].tolist() == small.tolist() == subset(1000, 50).tolist()
    assert subset(10, 0).tolist() == subset(10, 99).tolist() == list(range(10))


def test_order_and_augmentation_depend_on_seed_and_epoch_alone() -> None:
    images, labels = epoch(MemoryBatches(numbered(), RECIPE, seed=3, device=CPU))
    torch.manual_seed(99)  # whatever others draw
    again, same_labels = epoch(MemoryBatches(numbered(), RECIPE, seed=3, device=CPU))
    assert torch.equal(images, again)
    assert torch.equal(labels, same_labels)
    batches = MemoryBatches(numbered(), RECIPE, seed=4, device=CPU)
    assert not torch.equal(labels, epoch(batches)[1])
    assert not torch.equal(epoch(batches, 0)[1], epoch(batches, 1)[1])


def test_batches_leave_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    epoch(MemoryBatches(numbered(), RECIPE, seed=3, device=CPU))
    assert torch.equal(before, torch.get_rng_state())


def test_every_image_comes_once_an_epoch_and_a_part_batch_is_dropped() -> None:
    assert sorted(epoch(MemoryBatches(numbered(40), RECIPE, 0, CPU))[1].tolist()) == list(range(40))
    batches = MemoryBatches(numbered(42), RECIPE, 0, CPU)
    assert batches.steps == 5
    assert len(set(epoch(batches)[1].tolist())) == 40


def test_without_augmentation_images_are_only_normalised() -> None:
    data = numbered()
    recipe = replace(RECIPE, crop_padding=0, flip=False)
    images, labels = epoch(MemoryBatches(data, recipe, 0, CPU))
    mean, deviation = channel_moments(data.train_images)
    assert torch.equal(images, (data.train_images[labels].float() - mean) / deviation)


def test_every_crop_is_a_window_of_the_padded_image_and_half_are_flipped() -> None:
    data = numbered(200)
    batches = MemoryBatches(data, replace(RECIPE, crop_padding=2), 0, CPU)
    images, labels = epoch(batches)
    mean, deviation = channel_moments(data.train_images)
    raw = (images * deviation + mean).round().to(torch.uint8)
    padded = torch.nn.functional.pad(data.train_images, (2, 2, 2, 2))
    flipped, shifts = 0, set()
    for image, label in zip(raw, labels, strict=True):
        windows = {(y, x): padded[label, :, y : y + 6, x : x + 6] for y in range(5) for x in range(5)}
        plain = [place for place, window in windows.items() if torch.equal(window, image)]
        mirrored = [place for place, window in windows.items() if torch.equal(window.flip(2), image)]
        assert plain or mirrored
        flipped += not plain
        shifts.update(plain or mirrored)
    assert len(shifts) == 25
    assert 70 <= flipped <= 130


@pytest.mark.parametrize("channels_last", [True, False])
def test_batches_are_cut_as_their_draws_say(channels_last: bool) -> None:
    """One image after the other: a change of the draws, or of their order, would change every score."""
    data, seed, number = numbered(), 3, 1
    recipe = replace(RECIPE, crop_padding=2, channels_last=channels_last)
    mean, deviation = channel_moments(data.train_images)
    padded = torch.nn.functional.pad(data.train_images, (2, 2, 2, 2))
    generator = torch.Generator().manual_seed((seed << 16) + number)
    count, size = len(padded), data.train_images.shape[2]
    order = torch.randperm(count, generator=generator)
    rows, columns = torch.randint(5, (2, count), generator=generator).tolist()
    flips = (torch.rand(count, generator=generator) < 0.5).tolist()
    images, labels = epoch(MemoryBatches(data, recipe, seed, CPU), number)
    assert torch.equal(labels, data.train_labels[order[: len(labels)]])
    for image, index, y, x, flip in zip(images, order, rows, columns, flips, strict=False):
        window = padded[index, :, y : y + size, x : x + size]
        assert torch.equal(image, ((window.flip(2) if flip else window).float() - mean) / deviation)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    batch, _ = next(iter(MemoryBatches(data, recipe, seed, CPU).train(number)))
    assert batch.is_contiguous(memory_format=layout)


def test_test_images_come_in_their_own_order() -> None:
    data = numbered()
    images, labels = zip(*MemoryBatches(data, RECIPE, 0, CPU).test(), strict=True)
    assert torch.cat(labels).tolist() == list(range(10))
    assert torch.cat(images).shape == (10, 3, 6, 6)


@pytest.mark.data
def test_the_real_cifar10_has_its_published_checksums(data_folder: Path) -> None:
    if not CIFAR10.status(data_folder).present:
        pytest.skip(CIFAR10.status(data_folder).reason)
    images = CIFAR10.load(data_folder)
    assert images.train_images.shape == (50_000, 3, 32, 32)
    assert torch.bincount(images.train_labels).tolist() == [5000] * 10
    assert torch.bincount(images.test_labels).tolist() == [1000] * 10
    mean, deviation = channel_moments(images.train_images)
    assert (mean.flatten() / 255).tolist() == pytest.approx([0.4914, 0.4822, 0.4465], abs=1e-4)
    assert (deviation.flatten() / 255).tolist() == pytest.approx([0.2470, 0.2435, 0.2616], abs=1e-4)


class Untouchable:
    """A test set that must not be looked at."""

    def __getattr__(self, name: str) -> None:
        raise AssertionError(f"the test set was read ({name})")

    def __getitem__(self, index: object) -> None:
        raise AssertionError("the test set was read")

    def __len__(self) -> int:
        raise AssertionError("the test set was counted")


def without_test(images: ImageSet) -> ImageSet:
    nothing: Any = Untouchable()
    return replace(images, test_images=nothing, test_labels=nothing)


@pytest.mark.parametrize("train_samples", [0, 20, 40])
def test_held_out_images_are_tested_on_and_never_trained_on(train_samples: int) -> None:
    """Labels number the images; batches of one let every image be seen."""
    recipe = replace(RECIPE, batch_size=1, held_out=12, train_samples=train_samples, test_samples=3)
    trained: dict[int, set[int]] = {}
    tested: dict[int, list[int]] = {}
    for seed in (0, 1):
        batches = MemoryBatches(without_test(numbered()), recipe, seed, CPU)
        trained[seed] = {int(label) for number in range(2) for label in epoch(batches, number)[1]}
        tested[seed] = [int(label) for _, labels in batches.test() for label in labels]
        assert batches.part == "valid"
    assert tested[0] == tested[1]
    assert len(set(tested[0])) == 12, "all of them, whatever test_samples says"
    assert trained[0] == trained[1]
    assert len(trained[0]) == (20 if train_samples == 20 else 28)
    assert not trained[0] & set(tested[0])


def test_held_out_images_take_no_part_in_the_normalisation() -> None:
    images = numbered()
    kept = hold_out(images, 12)
    batches = MemoryBatches(without_test(images), replace(RECIPE, held_out=12), 0, CPU)
    mean, deviation = channel_moments(kept.train_images)
    shown, labels = next(batches.test())
    assert torch.equal(shown[0], (images.train_images[labels[0]].float() - mean) / deviation)


def test_without_held_out_images_the_test_set_is_tested() -> None:
    batches = MemoryBatches(numbered(), RECIPE, 0, CPU)
    assert batches.part == "test"
    assert [int(label) for _, labels in batches.test() for label in labels] == list(range(10))
