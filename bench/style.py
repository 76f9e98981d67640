"""The suite's vector pictures, in the look of `mining.style`.

Text stays text and holds no address, ids come from a fixed salt, and no date is written: the same picture has the same
bytes.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mining.style import COLOURS, DASHES, FAINT, GREY, GROUND, INK, canvas

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["COLOURS", "DASHES", "FAINT", "GREY", "GROUND", "INK", "figure", "svg"]

_FONT = "DejaVu Sans"
"""Comes with matplotlib, so that a layout is the same everywhere; a page shows the text in its own sans-serif."""
_SETTINGS = {
    "font.family": [_FONT], "axes.titlesize": 10, "svg.fonttype": "none", "svg.hashsalt": "activation-bench",
    "path.simplify": True, "path.simplify_threshold": 1 / 9,
}  # fmt: skip


@contextmanager
def figure(width: float, height: float) -> Iterator[Figure]:
    """A figure in inches; draw and save it inside the block."""
    with canvas(width, height, _SETTINGS) as drawn, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # the page's own font draws the text
        yield drawn


def svg(drawn: Figure) -> bytes:
    """The figure as a small SVG file: places to a hundredth of a point, no address but the names of XML.

    Only what is referred to keeps an id, so that several pictures can stand in one page.
    """
    buffer = io.BytesIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    drawn.savefig(buffer, format="svg", metadata=nothing)
    text = buffer.getvalue().decode()
    text = re.sub(r"<!DOCTYPE[^>]*>\n?", "", text)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    text = re.sub(r' transform="rotate\(-?0 [^"]*"', "", text)
    text = re.sub(r'(?<= [dxy]=")[^"]*', lambda places: _rounded(places.group()), text)
    text = re.sub(r"\n\s*", "\n", text)
    return text.replace(f"'{_FONT}'", "sans-serif").encode()


def _rounded(places: str) -> str:
    short = re.sub(r"-?\d+\.\d+", lambda number: f"{float(number.group()):.2f}".rstrip("0").rstrip("."), places)
    return " ".join(short.split())
