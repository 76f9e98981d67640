"""Cuts Tiny-ImageNet-10k out of Stanford's Tiny-ImageNet: its first training images, and all that validate, by class.

The official layout, as its archive unpacks, keeps validation images in one folder and their classes in a table:

* `train/CLASS/images/CLASS_N.JPEG`, N from 0 to 499;
* `val/images/val_N.JPEG` and `val/val_annotations.txt`, a line an image: name, class, and a box, between tabs.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tasks.base import MissingData

TRAIN_IMAGES_PER_CLASS = 50
ANNOTATIONS = "val/val_annotations.txt"


def cut(origin: Path, target: Path) -> Path:
    """Copy the subset out of the official layout, as `train/CLASS` and `val/CLASS`, its bytes unchanged.

    Returns:
        `target`; `origin`, and nothing is copied, where it has another layout, which may be the subset's own.

    Raises:
        MissingData: an image of the subset is not there.
    """
    if not (origin / ANNOTATIONS).is_file():
        return origin
    for images in sorted(origin.glob("train/*/images")):
        for number in range(TRAIN_IMAGES_PER_CLASS):
            file = images / f"{images.parent.name}_{number}.JPEG"
            _copy(file, target / "train" / images.parent.name)
    for line in (origin / ANNOTATIONS).read_text().splitlines():
        image, name = line.split("\t")[:2]
        _copy(origin / "val" / "images" / image, target / "val" / name)
    return target


def _copy(file: Path, folder: Path) -> None:
    if not file.is_file():
        raise MissingData(f"{file} is not there: bring a complete copy of Tiny-ImageNet")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, folder / file.name)
