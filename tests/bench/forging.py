"""Committed records, changed and put back as a forger would."""

import json
from pathlib import Path
from typing import Any

from activations import Activation
from bench.records import cell_id
from bench.validate import Report

from .conftest import ROOT

PUBLISHED = ROOT / "results" / "cpu"
Fields = dict[str, Any]


def published(task: str = "cifar10-vgg16", activation: str = "relu", seed: int = 0) -> Fields:
    """The fields of a committed record."""
    path = next((PUBLISHED / task).glob(f"{activation}-s{seed}-*.json"))
    fields: Fields = json.loads(path.read_text())
    return fields


def put(root: Path, fields: Fields) -> Path:
    """Write a record as its forger would: with the id that belongs to it, and in its place."""
    task, function = fields["task"], fields["activation"]
    fields["id"] = cell_id(task["name"], task["version"], function["graph_hash"], fields["seed"], fields["recipe"])
    path = root / fields["profile"] / task["name"] / f"{function['name']}-s{fields['seed']}-{fields['id']}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(fields))
    return path


def become(fields: Fields, function: Activation) -> None:
    """Put another function into a record, with all that its graph and its author say."""
    graph = function.graph
    fields["activation"] |= {
        "name": function.name,
        "formula": function.formula,
        "reference": function.reference,
        "origin": function.origin,
        "graph": json.loads(graph.to_json()),
        "graph_hash": graph.hash,
        "pointwise": graph.pointwise,
        "flops": graph.flops,
    }


def sentences(report: Report) -> str:
    return "\n".join(fault.sentence for fault in report.faults)
