"""The look of our vector pictures: dark ink on a ground of their own, read on light and on dark pages alike.

Colours are those of Okabe and Ito, which the colour-blind tell apart, and no two lines share a dash pattern. Text stays
text and holds no address, ids come from a fixed salt, and no date is written: the same picture has the same bytes.
Imports matplotlib when called, never opens a window, and leaves matplotlib's settings as they were.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GROUND, INK, GREY, FAINT = "#fbfbf8", "#1a1a1a", "#777777", "#c9c9c4"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")
DASHES: tuple[Any, ...] = ("solid", (0, (6, 2)), (0, (1, 1.2)), (0, (6, 2, 1, 2)), (0, (3, 1)))
_FONT = "DejaVu Sans"
"""Comes with matplotlib, so that a layout is the same everywhere; a page shows the text in its own sans-serif."""


@contextmanager
def figure(width: float, height: float) -> Iterator[Figure]:
    """A figure in inches; draw and save it inside the block."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    style: dict[Any, Any] = {
        "font.size": 10, "font.family": [_FONT], "text.color": INK, "text.parse_math": False, "axes.edgecolor": INK,
        "axes.labelcolor": INK, "axes.titlesize": 10, "xtick.color": INK, "ytick.color": INK, "axes.facecolor": GROUND,
        "axes.grid": True, "axes.axisbelow": True, "axes.spines.top": False, "axes.spines.right": False,
        "grid.color": FAINT, "grid.linewidth": 0.5, "legend.facecolor": GROUND, "legend.edgecolor": FAINT,
        "svg.fonttype": "none", "svg.hashsalt": "activation-bench", "path.simplify": True,
        "path.simplify_threshold": 1 / 9,
    }  # fmt: skip
    with matplotlib.rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # the page's own font draws the text
        drawn = Figure((width, height), facecolor=GROUND, layout="constrained")
        FigureCanvasAgg(drawn)
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
