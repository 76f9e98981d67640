"""Cuts Tiny-ImageNet-10k out of Stanford's Tiny-ImageNet: its first training images, and all that validate, by class.

The official layout, as its archive unpacks, keeps validation images in one folder and their classes in a table:

* `train/CLASS/images/CLASS_N.JPEG`, N from 0 to 499;
* `val/images/val_N.JPEG` and `val/val_annotations.txt`, a line an image: name, class, and a box, between tabs.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from tasks.base import MissingData

TRAIN_IMAGES_PER_CLASS = 50
ANNOTATIONS = "val/val_annotations.txt"

_CLASS = re.compile(r"n[0-9]+")
_ROW = re.compile(rb"(val_[0-9]+\.JPEG)\t(n[0-9]+)(?:\t[\t -~]*)?")
"""An image and its class; both become names of files before anything has been verified."""


def cut(origin: Path, target: Path) -> Path:
    """Copy the subset out of the official layout, as `train/CLASS` and `val/CLASS`, its bytes unchanged.

    Returns:
        `target`; `origin`, and nothing is copied, where it has another layout, which may be the subset's own.

    Raises:
        MissingData: an image of the subset is not there, or a class or image has a name that none has in Tiny-ImageNet.
    """
    if not (origin / ANNOTATIONS).is_file():
        return origin
    for images in sorted(origin.glob("train/*/images")):
        if not _CLASS.fullmatch(images.parent.name):
            raise MissingData(f"{images.parent} is no class of Tiny-ImageNet: bring a good copy")
        for number in range(TRAIN_IMAGES_PER_CLASS):
            file = images / f"{images.parent.name}_{number}.JPEG"
            _copy(file, target / "train" / images.parent.name)
    for image, name in _annotations(origin / ANNOTATIONS):
        _copy(origin / "val" / "images" / image, target / "val" / name)
    return target


def _annotations(table: Path) -> Iterator[tuple[str, str]]:
    """Each validation image's name and class.

    Raises:
        MissingData: a line is no image and its class, between tabs.
    """
    for number, line in enumerate(table.read_bytes().splitlines(), 1):
        row = _ROW.fullmatch(line)
        if row is None:
            start = line[:80].decode("ascii", "backslashreplace")
            raise MissingData(
                f"line {number} of {table} is no image and its class, {start!r}: bring a good copy of Tiny-ImageNet"
            )
        yield row[1].decode(), row[2].decode()


def _copy(file: Path, folder: Path) -> None:
    if not file.is_file():
        raise MissingData(f"{file} is not there: bring a complete copy of Tiny-ImageNet")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, folder / file.name)
