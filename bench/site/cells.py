"""A table of a page: columns, rows and cells, with what they are sorted and filtered by. Text here is not escaped; the
templates do it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.judge import SIGNS, Verdict

MISSING = "–"
"""What stands where there is no number."""


@dataclass(frozen=True)
class Cell:
    """One cell."""

    text: str
    order: str | None = None
    """Number that the cell is sorted by; empty sorts last either way, None sorts by the text."""
    href: str = ""
    """Page that the text links to."""
    words: str = ""
    """Read aloud and found by a search, but not shown: what a sign stands for."""
    kind: str = ""
    """Class of the style sheet."""


@dataclass(frozen=True)
class Column:
    """The head of a column."""

    name: str
    help: str = ""
    """Shown when the pointer rests on it, and read aloud."""
    kind: str = "number"
    """`number`, `text`, or `ordered` for text that is sorted by a number behind it."""
    largest_first: bool = False
    """Sorted downwards by the first click."""


@dataclass(frozen=True)
class Line:
    """One row: the cells, and what the filters above the table look at."""

    cells: Sequence[Cell]
    verdicts: Mapping[str, str] = field(default_factory=dict)
    """Verdict in words by task."""
    pointwise: bool | None = None
    origin: str = ""

    @property
    def verdicts_json(self) -> str:
        """For the script."""
        return json.dumps(dict(self.verdicts), ensure_ascii=False, sort_keys=True)


@dataclass(frozen=True)
class Table:
    """What a template lays out."""

    id: str
    """Unique in its page."""
    caption: str
    columns: Sequence[Column]
    lines: Sequence[Line]
    heading: int = 0
    """Column whose cells head their rows."""
    sorted_by: int | None = 0
    """Column by which the lines stand already; None for a table that is not sorted."""
    filters: bool = False
    """Whether pointwise, origin and verdicts can be chosen above it."""

    @property
    def origins(self) -> list[str]:
        """Every origin of its rows."""
        return sorted({line.origin for line in self.lines if line.origin})

    @property
    def tasks(self) -> list[str]:
        """Every task of its rows' verdicts, in their order."""
        return list(dict.fromkeys(task for line in self.lines for task in line.verdicts))


def order(value: float | None) -> str:
    """What a number is sorted by: every digit of it, or nothing where it is missing."""
    return "" if value is None or math.isnan(value) else repr(float(value))


def number(value: float | None, text: str) -> Cell:
    """A cell with a number; `text` is a format such as `+.3f`."""
    if value is None or math.isnan(value):
        return Cell(MISSING, "", words="missing", kind="number missing")
    return Cell(minus(format(value, text)), order(value), kind="number")


def minus(text: str) -> str:
    """Numbers with a true minus sign."""
    return text.replace("-", "−")


def sign(verdict: Verdict | None, short: bool = False) -> Cell:
    """A verdict: its sign and its words, of which `short` shows the sign alone."""
    if verdict is None:
        return Cell("" if short else "baseline", "", words="baseline" if short else "", kind="verdict")
    place = order(list(SIGNS).index(verdict))
    kind = f"verdict {verdict.replace(' ', '-')}"
    if short:
        return Cell(SIGNS[verdict], place, words=verdict, kind=kind)
    return Cell(f"{SIGNS[verdict]} {verdict}", place, kind=kind)
