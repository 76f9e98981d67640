"""The look of every picture: dark ink on a ground of its own, read on light and on dark pages alike.

Colours are those of Okabe and Ito, which the colour-blind tell apart, and no two lines share a dash pattern. Imports
matplotlib when called, never opens a window, and leaves matplotlib's settings as they were.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GROUND, INK, GREY, FAINT = "#fbfbf8", "#1a1a1a", "#777777", "#c9c9c4"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")
DASHES: tuple[Any, ...] = ("solid", (0, (6, 2)), (0, (1, 1.2)), (0, (6, 2, 1, 2)), (0, (3, 1)))
_STYLE = {
    "font.size": 10, "text.color": INK, "text.parse_math": False, "axes.edgecolor": INK, "axes.labelcolor": INK,
    "axes.facecolor": GROUND, "axes.grid": True, "axes.axisbelow": True, "axes.spines.top": False,
    "axes.spines.right": False, "xtick.color": INK, "ytick.color": INK, "grid.color": FAINT, "grid.linewidth": 0.5,
    "legend.facecolor": GROUND, "legend.edgecolor": FAINT,
}  # fmt: skip


@contextmanager
def canvas(width: float, height: float, settings: Mapping[str, Any]) -> Iterator[Figure]:
    """A figure in inches, under these settings of matplotlib besides ours; draw and save it inside the block."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    style: dict[Any, Any] = {**_STYLE, **settings}
    with matplotlib.rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Attempting to set identical")  # all values are one: the axis makes room
        figure = Figure((width, height), facecolor=GROUND, layout="constrained")
        FigureCanvasAgg(figure)
        yield figure
