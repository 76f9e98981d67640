"""torch and torch.nn.functional under their usual names, imported at the first use: listing names stays fast."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any


class LazyModule:
    """Stands for a module that is imported when one of its members is first asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, member: str) -> Any:
        return getattr(importlib.import_module(self._name), member)


if TYPE_CHECKING:
    import torch
    import torch.nn.functional as F
    from torch import Tensor
else:
    torch = LazyModule("torch")
    F = LazyModule("torch.nn.functional")
    Tensor = "Tensor"

__all__ = ["F", "Tensor", "torch"]
