"""The gallery: a card and a picture for every activation, and an index of all, as a folder of Markdown and SVG files.

Only published records are shown, and nothing is dated: the same catalogue and records give the same bytes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from textwrap import shorten

from bench.card import Portrait, card, code, interval, portray, write_card
from bench.errors import UsageError
from bench.evidence import gather
from bench.store import Store
from bench.tables import count_of, markdown

INDEX = "README.md"
WIDTH = 360
"""Pixels of a picture in the index."""
FORMULA = 90
"""Characters of a formula in the index."""
INTRODUCTION = """\
# Activation functions

Every function of the catalogue: its curve f(x), its slope f′(x) and the slope of the slope f″(x), each on axes of its
own, and a card with formula, facts, source and published scores. Parameters that are learned stand at their initial
values. FLOPs are floating-point operations an element. A function that is not pointwise looks at several elements at
once and has no curve.

`bench card --all DIR` writes these pages from the code and the published records; `bench card NAME` shows one card.
"""


def show(name: str, folder: Path | None, results: Path) -> None:
    """Print the card of one activation, or write the gallery when a folder is given.

    Raises:
        UsageError: neither a name nor a folder is given, or both are.
    """
    from activations import get

    if bool(name) == (folder is not None):
        raise UsageError("name one activation (`bench list activations`), or give --all and a folder for all of them.")
    os.environ.setdefault("JAX_PLATFORMS", "cpu")  # the forms are compared on the processor; a GPU stays free
    if not results.is_dir():
        print(f"there is no folder {results}, so a card shows no scores", file=sys.stderr)
    if folder is None:
        print(card(get(name), results), end="")
        return
    print(f"{count_of(gallery(folder, results), 'card')} in {folder}")


def gallery(folder: Path, results: Path, names: Sequence[str] | None = None) -> int:
    """Write cards, pictures and `README.md` into the folder and return how many cards there are.

    `names` picks activations; all of the catalogue when left out. Other files in the folder stay.

    Raises:
        UsageError: the folder cannot be made.
        activations.TraceError: a function, of a plugin, cannot be traced.
        activations.UnknownActivation: a name is not in the catalogue.
    """
    import activations
    from bench.curves import draw_curves

    _prepare(folder)
    boards = gather(Store(results).load(curves=False).records)
    shown = sorted({activations.get(name).name for name in (activations.names() if names is None else names)})
    rows = []
    for name in shown:
        portrait = portray(activations.get(name))
        picture = ""
        if portrait.facts.pointwise:
            draw_curves(portrait.activation.graph, folder / f"{name}.svg")
            picture = f"![{name}: curve, first and second derivative]({name}.svg)"
        _write(folder / f"{name}.md", write_card(portrait, boards, picture=picture))
        rows.append(_row(portrait))
    head = ["activation", "f(x), f′(x), f″(x)", "formula", "FLOPs", "monotone", "range", "origin"]
    _write(folder / INDEX, f"{INTRODUCTION}\n{count_of(len(rows), 'function')}.\n\n{markdown(head, rows)}")
    return len(rows)


def _prepare(folder: Path) -> None:
    """Make the folder, and refuse one that holds somebody's own README.md."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder} cannot be a folder ({error.strerror}): name another one.") from error
    index = folder / INDEX
    if index.exists() and not index.read_text(errors="replace").startswith(INTRODUCTION.partition("\n")[0]):
        raise UsageError(f"{folder} holds a {INDEX} that is no index of ours: name an empty or a new folder")


def _row(portrait: Portrait) -> list[object]:
    activation, shape = portrait.activation, portrait.facts.shape
    name, formula = activation.name, code(shorten(activation.formula, FORMULA, placeholder=" …"))
    link, known = f"[{name}]({name}.md)", [formula, portrait.facts.flops]
    if shape is None:
        return [link, "not pointwise", *known, "—", "—", activation.origin]
    picture = f'<img src="{name}.svg" width="{WIDTH}" alt="curves of {name}">'
    return [link, picture, *known, "yes" if shape.monotone else "no", interval(shape), activation.origin]


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
