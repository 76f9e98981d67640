"""Write the site: load the records once, draw the pictures, lay out every page."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import StoreError, UsageError
from bench.evidence import flat, gather
from bench.inference import FEWEST_PAIRS
from bench.judge import SIGNS
from bench.publish import load
from bench.records import Record
from bench.site import assets
from bench.site.function import function_view, functions
from bench.site.index import task_page, view
from bench.site.pictures import FOLDER, draw_board
from bench.site.task import task_view
from bench.store import LOCAL, Loaded
from bench.tables import count_of

if TYPE_CHECKING:
    from jinja2 import Environment

INDEX = "index.html"
_OURS = (("tasks", "*.html"), ("activations", "*.html"), (FOLDER, "**/*.svg"))
"""What a site holds besides the files on top."""
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def write_site(folder: Path, results: Path, local: bool = False) -> int:
    """Write the published records, or a user's own, as a static site; returns the number of its pages.

    A site that lies there already is replaced; the same records give the same bytes.

    Raises:
        UsageError: there are no such results, or the folder holds something else.
        StoreError: a file cannot be written.
    """
    root = results / LOCAL if local else results
    _check(folder)
    loaded = load(root, curves=True)
    try:
        _clear(folder)
        for path, text in assets.assets().items():
            _write(folder / path, text)
        pages = 0
        for path, text in _pages(folder, loaded, local):
            _write(folder / path, text)
            pages += 1
    except OSError as error:
        raise StoreError(f"cannot write {folder}: {(error.strerror or str(error)).lower()}") from None
    print(f"{folder / INDEX}: {count_of(pages, 'page')}, {count_of(len(loaded.records), 'record')}", file=sys.stderr)
    return pages


def _pages(folder: Path, loaded: Loaded, local: bool) -> Iterator[tuple[str, str]]:
    """Path and text of every page, the first page last: it stands only when all that it links to does."""
    boards = flat(gather(loaded.records))
    found = functions(boards, loaded.records)

    def href(record: Record) -> str:
        return found[record.activation.graph_hash].path

    layout = _layout(local)
    views = []
    for evidence in boards:
        drawn = draw_board(evidence, folder)
        views.append(view(evidence, drawn.get("", ()), href))
        for task in evidence.tasks:
            page = task_view(evidence, task, drawn.get(task.table.task.name, ()), href)
            yield task_page(evidence, task), _lay_out(layout, "task.html", root="../", page=page)
    for function in found.values():
        yield function.path, _lay_out(layout, "function.html", root="../", page=function_view(function))
    yield INDEX, _lay_out(layout, "index.html", root="", boards=views, damaged=loaded.damaged)


def _layout(local: bool) -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    layout = Environment(
        loader=PackageLoader("bench.site"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    layout.globals |= {
        "library": assets.LIBRARY,
        "policy": assets.POLICY,
        "verdicts": list(SIGNS),
        "fewest_pairs": FEWEST_PAIRS,
        "local": local,
    }
    return layout


def _lay_out(layout: Environment, template: str, **context: Any) -> str:
    """A page without web addresses, and without signs that no page may hold."""
    text = layout.get_template(template).render(context)
    return assets.without_addresses(_CONTROL.sub("�", text))


def _check(folder: Path) -> None:
    """Refuse to write among somebody's files."""
    if folder.is_dir():
        style = folder / assets.STYLE
        ours = style.is_file() and style.read_text(errors="replace").startswith(assets.MARK)
        if not ours and any(folder.iterdir()):
            raise UsageError(f"{folder} holds other files and no site of ours: name an empty or a new folder")
    elif folder.exists():
        raise UsageError(f"{folder} is no folder: name an empty or a new folder")


def _clear(folder: Path) -> None:
    """Remove the pages and pictures of an earlier site, and nothing else."""
    for part, pattern in _OURS:
        for path in (folder / part).glob(pattern):
            path.unlink()
        (folder / part).mkdir(parents=True, exist_ok=True)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
