"""The pieces that we take from the `ogb` package, imported without its side effect.

A plain `import ogb` starts a thread that asks the package index for a newer version.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from torch import nn


class Encoders(NamedTuple):
    """Constructors of OGB's embeddings; each takes the width and sums one embedding a feature."""

    atom: Callable[[int], nn.Module]
    bond: Callable[[int], nn.Module]


def _import(module: str) -> Any:
    """Import a module of ogb with its look-up of newer versions switched off."""
    if "ogb" in sys.modules:
        return importlib.import_module(module)
    absent = object()
    before = sys.modules.get("outdated", absent)
    sys.modules["outdated"] = None  # type: ignore[assignment]  # makes ogb's `import outdated` fail, which it allows for
    try:
        return importlib.import_module(module)
    finally:
        if before is absent:
            del sys.modules["outdated"]
        else:
            sys.modules["outdated"] = before  # type: ignore[assignment]


def encoders() -> Encoders:
    """OGB's AtomEncoder and BondEncoder."""
    module = _import("ogb.graphproppred.mol_encoder")
    return Encoders(module.AtomEncoder, module.BondEncoder)


def atom_feature_sizes() -> list[int]:
    """How many values each of the nine atom features can take."""
    return list(_import("ogb.utils.features").get_atom_feature_dims())


def bond_feature_sizes() -> list[int]:
    """How many values each of the three bond features can take."""
    return list(_import("ogb.utils.features").get_bond_feature_dims())


def features() -> tuple[Callable[[Any], Sequence[int]], Callable[[Any], Sequence[int]]]:
    """OGB's functions from an RDKit atom, and from an RDKit bond, to its features."""
    module = _import("ogb.utils.features")
    return module.atom_to_feature_vector, module.bond_to_feature_vector


def roc_auc(labels: np.ndarray, logits: np.ndarray) -> float:
    """ROC-AUC by OGB's own Evaluator of ogbg-molhiv; both arrays are (G,), larger logits mean `active`."""
    evaluator = _import("ogb.graphproppred").Evaluator("ogbg-molhiv")
    return float(evaluator.eval({"y_true": labels[:, None], "y_pred": logits[:, None]})["rocauc"])
