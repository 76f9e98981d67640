"""The subset is cut from a miniature of the official layout, each image's bytes telling where it came from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.base import MissingData
from tasks.tiny_imagenet import cut

CLASSES = ("n01", "n02")
VALIDATION = {"val_0.JPEG": "n02", "val_1.JPEG": "n01", "val_2.JPEG": "n02"}


@pytest.fixture
def official(tmp_path: Path) -> Path:
    """Two classes of 52 training images, three validation images, and what else the archive holds."""
    home = tmp_path / "tiny-imagenet-200"
    for name in CLASSES:
        images = home / "train" / name / "images"
        images.mkdir(parents=True)
        (images.parent / f"{name}_boxes.txt").write_text(f"{name}_0.JPEG\t0\t10\t63\t58\n")
        for number in range(52):
            (images / f"{name}_{number}.JPEG").write_bytes(f"train {name} {number}".encode())
    (home / "val" / "images").mkdir(parents=True)
    for image in VALIDATION:
        (home / "val" / "images" / image).write_bytes(image.encode())
    rows = "".join(f"{image}\t{name}\t0\t32\t44\t62\n" for image, name in VALIDATION.items())
    (home / "val" / "val_annotations.txt").write_text(rows)
    (home / "wnids.txt").write_text("\n".join(CLASSES))
    return home


def files(home: Path) -> dict[str, bytes]:
    return {str(path.relative_to(home)): path.read_bytes() for path in home.rglob("*") if path.is_file()}


def test_the_first_fifty_of_a_class_and_all_that_validate_are_cut(official: Path, tmp_path: Path) -> None:
    before = files(official)
    assert cut(official, tmp_path / "cut") == tmp_path / "cut"
    due = {f"train/{name}/{name}_{n}.JPEG": f"train {name} {n}".encode() for name in CLASSES for n in range(50)}
    due |= {f"val/{name}/{image}": image.encode() for image, name in VALIDATION.items()}
    assert files(tmp_path / "cut") == due
    assert files(official) == before


def test_another_layout_is_left_as_it_is(official: Path, tmp_path: Path) -> None:
    subset = cut(official, tmp_path / "cut")
    assert cut(subset, tmp_path / "again") == subset
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize("lost", ["train/n02/images/n02_49.JPEG", "val/images/val_2.JPEG"])
def test_a_missing_image_is_named(official: Path, tmp_path: Path, lost: str) -> None:
    (official / lost).unlink()
    with pytest.raises(MissingData, match=rf"{lost} is not there: bring a complete copy"):
        cut(official, tmp_path / "cut")


def test_an_image_beyond_the_fiftieth_is_not_needed(official: Path, tmp_path: Path) -> None:
    (official / "train/n02/images/n02_50.JPEG").unlink()
    assert len(files(cut(official, tmp_path / "cut"))) == 103


@pytest.mark.parametrize(
    "line",
    [
        b"val_3.JPEG\t../../escape\t0\t0\t63\t63",
        b"../images/val_0.JPEG\tn01\t0\t0\t63\t63",
        b"val_0.JPEG\t/n01",
        b"val_0.JPEG n01 0 0 63 63",
        b"val_0.JPEG",
        b"",
        b"val_0.JPEG\tn\xd9\xa1",
        b"val_0.JPEG\tn01\t\xff",
    ],
)
def test_a_line_that_is_no_image_and_its_class_is_named(official: Path, tmp_path: Path, line: bytes) -> None:
    table = official / "val" / "val_annotations.txt"
    table.write_bytes(table.read_bytes() + line + b"\n")
    (official / "val" / "images" / "val_3.JPEG").write_bytes(b"v")
    with pytest.raises(MissingData, match=r"^line 4 of .*val_annotations.txt is no image and its class, '.*: bring a"):
        cut(official, tmp_path / "work" / "cut")
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["cut"]
    assert sorted(path.name for path in (tmp_path / "work" / "cut").iterdir()) == ["train", "val"]


@pytest.mark.parametrize("name", ["notes", "n01 copy", "n"])
def test_a_training_folder_that_is_no_class_is_named(official: Path, tmp_path: Path, name: str) -> None:
    (official / "train" / name / "images").mkdir(parents=True)
    with pytest.raises(MissingData, match=rf"train/{name} is no class of Tiny-ImageNet"):
        cut(official, tmp_path / "cut")
