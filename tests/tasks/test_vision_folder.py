"""ImageNet's pipeline on a few generated images in every local layout, and on real ones where they are."""

from __future__ import annotations

import json
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from activations import get
from tasks.base import Context, MissingData
from tasks.vision import TASKS
from tasks.vision_folder import FolderBatches, ImageNet
from tasks.vision_recipes import IMAGENET_PAPER, ImageNetRecipe

CPU = torch.device("cpu")
# A test before this one may have started jax in this process; the forked loaders touch none of it.
pytestmark = pytest.mark.filterwarnings(r"ignore:os.fork\(\) was called:RuntimeWarning")

RECIPE = ImageNetRecipe(epochs=1, batch_size=4, lr=0.1, resolution=32, test_resolution=32, workers=1)
FEW = ImageNet(classes=3, train_images=12, test_images=6)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three classes of plain colours, four training and two validation images each."""
    from PIL import Image

    for part, count in (("train", 4), ("val", 2)):
        for number, name in enumerate(("n01", "n02", "n03")):
            place = tmp_path / "imagenet" / part / name
            place.mkdir(parents=True)
            for index in range(count):
                shade = 60 * number + 10 * index
                Image.new("RGB", (50, 40), (shade, 255 - shade, 128)).save(place / f"{name}_{index}.JPEG")
    return tmp_path


def epoch(data: Path, source: ImageNet = FEW, recipe: ImageNetRecipe = RECIPE, seed: int = 0) -> list[torch.Tensor]:
    batches = FolderBatches(source, data, recipe, seed, CPU)
    return [part for batch in batches.train(0) for part in batch]


def test_a_folder_a_class_is_read(folder: Path) -> None:
    batches = FolderBatches(FEW, folder, RECIPE, 0, CPU)
    images, labels = zip(*batches.train(0), strict=True)
    assert batches.steps == len(images) == 3
    assert images[0].shape == (4, 3, 32, 32)
    assert sorted(torch.cat(labels).tolist()) == [0] * 4 + [1] * 4 + [2] * 4
    assert batches.checksums == {"train": "images:12", "validation": "images:6"}


def test_test_images_are_normalised_by_imagenets_moments(folder: Path) -> None:
    images, labels = next(FolderBatches(FEW, folder, RECIPE, 0, CPU).test())
    assert labels.tolist() == [0, 0, 1, 1, 2, 2]
    red = torch.tensor([0.0, 10, 60, 70, 120, 130]) / 255
    assert torch.allclose(images[:, 0].mean((1, 2)), (red - 0.485) / 0.229, atol=0.05)


def test_one_ahead_as_on_a_gpu_gives_the_same_batches(folder: Path) -> None:
    batches = FolderBatches(FEW, folder, RECIPE, 0, CPU)
    plain, ahead = list(batches.test()), list(batches._ahead(batches._test))
    assert len(plain) == len(ahead) == 1
    many = [(torch.full((2, 3, 4, 4), shade, dtype=torch.uint8), torch.tensor([shade, 0])) for shade in range(5)]
    plain += [batches._brought(*batch) for batch in many]
    ahead += list(batches._ahead(many))
    assert len(ahead) == len(plain) == 6
    for (images, labels), (others, same) in zip(plain, ahead, strict=True):
        assert torch.equal(images, others)
        assert torch.equal(labels, same)
    assert list(batches._ahead([])) == []


def test_order_and_crops_depend_on_the_seed_alone(folder: Path) -> None:
    first, again, other = epoch(folder), epoch(folder), epoch(folder, seed=1)
    assert all(torch.equal(*pair) for pair in zip(first, again, strict=True))
    assert not all(torch.equal(*pair) for pair in zip(first, other, strict=True))


def test_tars_and_a_described_layout_give_the_same_images(folder: Path) -> None:
    expected = epoch(folder)
    home = folder / "imagenet"
    (home / "dataset.json").write_text(json.dumps({"name": "", "root": ".", "train": "train", "validation": "val"}))
    assert all(torch.equal(*pair) for pair in zip(expected, epoch(folder), strict=True))
    (home / "dataset.json").unlink()
    for part in ("train", "val"):
        with tarfile.open(home / f"{part}.tar", "w") as tar:
            tar.add(home / part, arcname=".")
        (home / part).rename(folder / part)
    assert all(torch.equal(*pair) for pair in zip(expected, epoch(folder), strict=True))


def test_a_subset_trains_on_fewer_images_whatever_the_seed(folder: Path) -> None:
    recipe = replace(RECIPE, train_samples=4)
    one, two = epoch(folder, recipe=recipe, seed=0), epoch(folder, recipe=recipe, seed=1)
    assert len(one) == 2
    assert sorted(one[1].tolist()) == sorted(two[1].tolist())


def test_another_number_of_images_is_refused(folder: Path) -> None:
    with pytest.raises(
        MissingData, match=r"12 training images in place of 1,281,167: run `bench data prepare imagenet"
    ):
        FolderBatches(ImageNet(), folder, RECIPE, 0, CPU)


@pytest.mark.data
def test_resnet50_trains_on_real_photographs(data_folder: Path, tmp_path: Path) -> None:
    sample = data_folder / "imagenet-sample"
    if not sample.is_dir():
        pytest.skip(f"{sample} is not there: it holds one photograph a class")
    (tmp_path / "imagenet").mkdir()
    for part in ("train", "val"):
        (tmp_path / "imagenet" / part).symlink_to(sample)
    task = next(task for task in TASKS if task.spec.name == "imagenet-resnet50")
    recipe = replace(
        IMAGENET_PAPER, epochs=1, batch_size=16, train_samples=32, resolution=64, test_resolution=32, workers=1
    )
    source = ImageNet(train_images=1000, test_images=1000)
    measurement = replace(task, source=source).run(get("gelu"), 0, recipe, Context(data=tmp_path))
    assert measurement.injection.swapped == 49
    assert set(measurement.metrics) == {"test_loss", "test_top1", "test_top5", "train_loss"}
