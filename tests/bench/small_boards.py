"""Boards small enough to answer the suite's questions by hand."""

from collections.abc import Mapping, Sequence
from typing import Any

from bench.compare import Board, make_boards
from bench.evidence import Evidence, gather
from bench.records import Record

from .conftest import MakeRecord

CHANCE = 50.0
"""Of the records that the fixture makes."""
LOG: dict[str, Any] = {"unit": "log10 loss", "higher": False}
RELU = (70.0, 71.0, 69.0, 70.5, 69.5)
Scores = Mapping[str, Sequence[float]]


def records(make_record: MakeRecord, task: str, scores: Scores, family: str, **others: Any) -> list[Record]:
    """Some activations on one task, by seed."""
    return [
        make_record(task, name, seed, score, family=family, track="real", **others)
        for name, of_name in scores.items()
        for seed, score in enumerate(of_name)
    ]


def not_pointwise(held: Sequence[Record], name: str) -> list[Record]:
    return [
        record.model_copy(update={"activation": record.activation.model_copy(update={"pointwise": False})})
        if record.activation.name == name
        else record
        for record in held
    ]


def board_of(held: Sequence[Record]) -> Board:
    (board,) = make_boards(held)
    return board


def evidence_of(held: Sequence[Record]) -> Evidence:
    (evidence,) = gather(held)
    return evidence


def near(base: float, *scatter: float) -> list[float]:
    return [score + base + more for score, more in zip(RELU, scatter, strict=True)]


def four(sine: float = 10.0, sinc: float = 0.0) -> dict[str, Sequence[float]]:
    """ReLU, GELU like it, GELUSine and GELU-Sinc-Perturbation so far from it, each with scatter of its own."""
    return {
        "relu": RELU,
        "gelu": near(0, 0.4, -0.4, 0.2, -0.2, 0),
        "gelu-sine": near(sine, -0.2, 0.1, 0.3, -0.3, 0.1),
        "gelu-sinc-perturbation": near(sinc, 0.5, -0.6, 0.4, -0.3, 0),
    }
