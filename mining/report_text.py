"""Words, numbers and tables of the report as Markdown that no stranger's text can break out of."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence


def signed(value: float | None) -> str:
    """A fitness, with its sign; a dash where there is none."""
    if value is None or math.isnan(value):
        return "–"
    return f"{value:+.3f}" if math.isfinite(value) else "not finite"


def change(fitness: float) -> str:
    """A log10 ratio of losses in percent, such as `21 % lower loss`."""
    if not math.isfinite(fitness):
        return "no finite loss"
    percent = round(100 * (10**fitness - 1))
    return f"{abs(percent)} % {'lower' if percent < 0 else 'higher'} loss" if percent else "the same loss"


def count_of(count: int, noun: str) -> str:
    """`1 seed`, `2 seeds`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def duration(seconds: float) -> str:
    """`12.3 s`, `4.5 min` or `6.7 h`."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:.1f} s"


def code(text: str, longest: int = 200) -> str:
    """Text as a code span on one line."""
    line = printable(" ".join(text.split())).replace("`", "'")
    return f"`{line if len(line) <= longest else line[: longest - 1] + '…'}`" if line else ""


def block(text: str, language: str) -> str:
    """Text as a fenced block, whose fence is longer than any in the text."""
    body = "\n".join(printable(line) for line in text.strip("\n").splitlines())
    longest = max((len(run) for run in re.findall(r"`+", body)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{body}\n{fence}\n"


def printable(line: str) -> str:
    """A line without control signs, such as those that reverse the direction of writing."""
    return "".join(sign if sign.isprintable() else " " for sign in line)


def markdown(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table, ending with a line break; bars in cells are escaped."""
    import pandas

    frame = pandas.DataFrame([[_cell(cell) for cell in row] for row in rows], columns=[_cell(name) for name in head])
    text: str = frame.to_markdown(index=False, disable_numparse=True)
    return text + "\n"


def _cell(text: object) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")
