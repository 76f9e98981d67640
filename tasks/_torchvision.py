"""Import torchvision also beside a build of torch for which its compiled operations do not load."""

from __future__ import annotations

import importlib
import sys
from typing import Any

_MISSING = ("nms", "qnms")
_libraries: list[Any] = []
"""torch forgets a schema when its library object is collected, so the object lives as long as the process."""


def ensure_torchvision() -> None:
    """Make `import torchvision`, and with it `import timm`, work; call it before either.

    With a CPU-only torch from another index than torchvision's, the import fails with `operator torchvision::nms does
    not exist`. Only detection models call that operator, so declaring its schema is enough for everything we use.

    Raises:
        ImportError: torchvision is not installed.
    """
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        _declare_missing_operators()
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        importlib.import_module("torchvision")


def _declare_missing_operators() -> None:
    import torch

    library = torch.library.Library("torchvision", "DEF")
    for name in _MISSING:
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _libraries.append(library)
