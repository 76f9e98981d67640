"""The files beside the pages: the style sheet, our script, and the table library as its package brings it.

The library is DataTables, from the bundle in `itables`. The bundle is an ES module, which a browser refuses to import
into a page that lies on a disk, so it becomes a plain script here: the same text in a function of its own, whose one
export that we need is handed to the page. Its style sheet is left out: a tenth of a megabyte for a search box that we
do not show, and dark colours that hang on a class instead of the reader's preference.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib.resources import files

from bench.errors import BenchError

STYLE, SCRIPT, LIBRARY = "style.css", "board.js", "datatables.js"
MARK = "/* The pages of activation-bench"
"""How the style sheet begins: by this a site is known as ours, and may be replaced."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'"
)
"""Nothing is loaded from elsewhere, and no script runs but those beside the pages. Styles stand inside pictures."""

_EXPORT = re.compile(r"\bexport\{([^}]*)\};?")
_ADDRESS = re.compile(r"https?://(?!www\.w3\.org/(?:1999/xhtml|2000/svg|1998/Math/MathML|1999/xlink)\b)", re.IGNORECASE)
_LONGEST = 80


@cache
def library() -> str:
    """The table library as a plain script that sets `window.DataTable`, with the notices of its licences.

    Raises:
        BenchError: the installed bundle is not of the layout that we know.
    """
    text = (files("itables") / "html" / "dt_bundle.js").read_text(encoding="utf-8")
    exports = _EXPORT.findall(text)
    names = dict(reversed(pair.split(" as ")) for pair in exports[0].split(",")) if len(exports) == 1 else {}
    if "default" not in names:
        raise BenchError(
            "the installed itables has another bundle of DataTables: install the version of constraints.txt"
        )
    script = _EXPORT.sub(lambda _: f"window.DataTable={names['default']};", text)
    return without_addresses(f'(() => {{\n"use strict";\n{script}\n}})();\n')


def assets() -> dict[str, str]:
    """Every file beside the pages, by its path in the site."""
    here = files("bench.site")
    own = {name: (here / name).read_text(encoding="utf-8") for name in (STYLE, SCRIPT)}
    return {**own, LIBRARY: library()}


def without_addresses(text: str) -> str:
    """The text with every web address cut down to host and path, so that no page can be suspected of a connection.

    Names of XML's own vocabularies, which look like addresses, stay.
    """
    return _ADDRESS.sub("", text)


def file_name(*parts: str) -> str:
    """A page's file name: the parts joined by dots. Other parts give another name, and none leads out of its folder."""
    plain = ".".join(parts)
    name = ".".join(re.sub(r"[^a-z0-9_-]+", "-", part.lower()) for part in parts)
    if name != plain or len(name) > _LONGEST:
        name = f"{name[:_LONGEST]}.{digest(plain)}"
    return f"{name}.html"


def digest(text: str) -> str:
    """A short name for a text, which nobody can make two texts share."""
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]
