"""The pipeline of images in folders on a few generated ones in every local layout, and on real ones if there."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from activations import get
from tasks.base import Context, MissingData
from tasks.checksums import tree_digest
from tasks.vision import TASKS
from tasks.vision_folder import IMAGENET, TINY_IMAGENET_10K, FolderBatches, ImageFolders
from tasks.vision_recipes import IMAGENET_PAPER, TINY_IMAGENET_CPU, ImageNetRecipe

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")
# A test before this one may have started jax in this process; the forked loaders touch none of it.
pytestmark = pytest.mark.filterwarnings(r"ignore:os.fork\(\) was called:RuntimeWarning")

RECIPE = ImageNetRecipe(epochs=1, batch_size=4, lr=0.1, resolution=32, test_resolution=32, workers=1)
FEW = replace(IMAGENET, classes=3, train_images=12, test_images=6)


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


def epoch(data: Path, source: ImageFolders = FEW, recipe: ImageNetRecipe = RECIPE, seed: int = 0) -> list[torch.Tensor]:
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


def test_a_subset_is_tested_on_fewer_images_whatever_the_seed(folder: Path) -> None:
    recipe = replace(RECIPE, test_samples=4)
    (images, labels), (others, same) = (next(FolderBatches(FEW, folder, recipe, seed, CPU).test()) for seed in (0, 1))
    assert len(images) == 4
    assert torch.equal(images, others)
    assert torch.equal(labels, same)
    assert set(labels.tolist()) - {0}, "a subset is drawn, not the first ones taken"


def verified(folder: Path) -> ImageFolders:
    """The few images with the checksums of what lies there."""
    return replace(FEW, checksums={part: tree_digest(folder / "imagenet" / part) for part in ("train", "val")})


def test_verified_folders_are_read_and_their_digests_recorded(folder: Path) -> None:
    source = verified(folder)
    batches = FolderBatches(source, folder, RECIPE, 0, CPU)
    assert batches.checksums == source.checksums
    plain = FolderBatches(FEW, folder, RECIPE, 0, CPU)
    assert torch.equal(next(batches.test())[0], next(plain.test())[0])


@pytest.mark.parametrize("part", ["train", "val"])
@pytest.mark.parametrize("change", ["bytes", "class", "further file"])
def test_other_names_or_bytes_are_refused(folder: Path, part: str, change: str) -> None:
    source = verified(folder)
    place = folder / "imagenet" / part
    if change == "bytes":
        (place / "n02" / "n02_1.JPEG").write_bytes((place / "n02" / "n02_0.JPEG").read_bytes())
    elif change == "class":
        (place / "n02" / "n02_1.JPEG").rename(place / "n03" / "n02_1.JPEG")
    else:
        (place / "notes.txt").write_text("mine")
    assert source.status(folder).present  # the quick look reads no file
    with pytest.raises(MissingData, match=rf"{part} holds files .*: run `bench data prepare imagenet --data DIR`"):
        FolderBatches(source, folder, RECIPE, 0, CPU)


def test_no_layout_takes_the_place_of_verified_folders(folder: Path) -> None:
    source, home = verified(folder), folder / "imagenet"
    (home / "dataset.json").write_text(json.dumps({"name": "", "root": ".", "train": "val", "validation": "train"}))
    with tarfile.open(home / "train.tar", "w") as tar:
        tar.add(home / "val", arcname=".")
    assert all(torch.equal(*pair) for pair in zip(epoch(folder, source), epoch(folder, source), strict=True))
    assert FolderBatches(source, folder, RECIPE, 0, CPU).steps == 3
    (home / "train").rename(home / "moved")
    assert FEW.status(folder).present
    assert source.status(folder).reason == f"{home / 'train'} is not there: run `{source.command}`"
    with pytest.raises(MissingData, match="train is not there"):
        FolderBatches(source, folder, RECIPE, 0, CPU)


def test_a_spawned_process_can_decode(folder: Path) -> None:
    """In such a one, as the workers of `bench run` are, torch would spawn decoders that know no torchvision."""
    code = (
        "import multiprocessing, pathlib, torch\n"
        "from tests.tasks.test_vision_folder import FEW, RECIPE, FolderBatches\n"
        "multiprocessing.set_start_method('spawn')\n"
        f"batches = FolderBatches(FEW, pathlib.Path({str(folder)!r}), RECIPE, 0, torch.device('cpu'))\n"
        "print([method for loader in (batches._train, batches._test) for method in\n"
        "       (loader.multiprocessing_context.get_start_method(), len(list(loader)))])\n"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    ).stdout
    assert shown.strip() == "['fork', 3, 'fork', 1]"


def test_another_number_of_images_is_refused(folder: Path) -> None:
    with pytest.raises(
        MissingData, match=r"12 training images in place of 1,281,167: run `bench data prepare imagenet"
    ):
        FolderBatches(IMAGENET, folder, RECIPE, 0, CPU)


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
    source = replace(IMAGENET, train_images=1000, test_images=1000)
    measurement = replace(task, source=source).run(get("gelu"), 0, recipe, Context(data=tmp_path))
    assert measurement.injection.swapped == 49
    assert set(measurement.metrics) == {"test_loss", "test_top1", "test_top5", "train_loss"}


@pytest.mark.data
def test_resnet50_trains_on_the_real_tiny_imagenet(data_folder: Path, tmp_path: Path) -> None:
    homes = [data_folder / name for name in (TINY_IMAGENET_10K.name, "tiny-imagenet")]
    home = next((home for home in homes if home.is_dir()), None)
    if home is None:
        pytest.skip(TINY_IMAGENET_10K.status(data_folder).reason)
    (tmp_path / TINY_IMAGENET_10K.name).symlink_to(home)
    task = next(task for task in TASKS if task.source is TINY_IMAGENET_10K)
    recipe = replace(TINY_IMAGENET_CPU, train_samples=32, test_samples=32)
    measurement = task.run(get("relu"), 0, recipe, Context(data=tmp_path))
    assert measurement.injection.swapped == 49
    assert measurement.dataset == task.spec.dataset.checksums
    assert "tested on a fixed subset of 32 images" in measurement.notes
