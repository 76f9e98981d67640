"""The import of torchvision that works with every build of torch."""

import importlib
from typing import Any

import pytest

from tasks import _torchvision


def test_timm_can_be_imported_behind_it_and_a_second_call_changes_nothing() -> None:
    _torchvision.ensure_torchvision()
    first = importlib.import_module("torchvision")
    importlib.import_module("timm")
    _torchvision.ensure_torchvision()
    assert importlib.import_module("torchvision") is first


def test_only_the_missing_operator_is_mended(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> Any:
        raise RuntimeError("something else is wrong")

    monkeypatch.setattr(importlib, "import_module", broken)
    monkeypatch.setattr(_torchvision, "_declare_missing_operators", lambda: pytest.fail("nothing to mend here"))
    with pytest.raises(RuntimeError, match="something else"):
        _torchvision.ensure_torchvision()
