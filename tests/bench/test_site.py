"""The static site: its files, its links, its silence towards the network, and hostile records that stay text."""

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from activations import get
from bench.errors import UsageError
from bench.evidence import flat, gather
from bench.records import Record, cell_id
from bench.site import assets, write_site
from bench.site.cells import number
from bench.site.function import function_view, functions, mathml
from bench.store import Store

from .conftest import ROOT, MakeRecord

HOSTILE = (
    "<script>alert(1)</script>",
    "</script><script>alert(2)</script>",
    '"><img src=x onerror=alert(3)>',
    "</code></pre><iframe src=javascript:alert(4)>",
    "{{ 7 * 7 }}{% raw %}",
    "See HTTPS://evil.example/x and http://www.w3.org.evil.example/",
    "naïve 数学 \u202e desrever \x00\x07",
    "w" * 5_000,
)
ADDRESS = re.compile(r"https?://(?!www\.w3\.org/(1999/xhtml|2000/svg|1998/Math/MathML|1999/xlink)[\"'])", re.IGNORECASE)


class Page(HTMLParser):
    """The tags of a page, what it refers to, and its ids."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    @property
    def references(self) -> list[str]:
        return [value or "" for _, held in self.tags for name, value in held.items() if name in ("href", "src")]

    @property
    def ids(self) -> list[str]:
        return [value or "" for _, held in self.tags for name, value in held.items() if name == "id"]


def real(record: Record, name: str) -> Record:
    """The record with the true graph of a function of the catalogue, under its id."""
    known = get(name).graph
    fields = record.model_dump()
    fields["activation"] |= {
        "graph": json.loads(known.to_json()),
        "graph_hash": known.hash,
        "pointwise": known.pointwise,
    }
    fields["id"] = cell_id(record.task.name, record.task.version, known.hash, record.seed, record.recipe)
    return Record.model_validate(fields)


@pytest.fixture(scope="module")
def records(make_record: MakeRecord) -> list[Record]:
    """Two boards, a diverged run, a mined function, one that is not pointwise, and a graph that is none."""
    found = [
        real(make_record(task, name, seed, 90 + seed + bonus * (1 + seed / 10), track=track, train=3 + bonus), name)
        for task, track in (("digits", "stand-in"), ("lab-feynman", "real"), ("lab-other", "real"))
        for name, bonus in (("relu", 0.0), ("gelu", 0.5), ("turbulent", -1.0))
        for seed in range(5)
    ]
    found += [make_record("digits", "broken", seed, outcome="diverged") for seed in range(2)]
    return found


@pytest.fixture(scope="module")
def results(records: list[Record], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("records") / "results"
    for record in records:
        Store(folder).write(record)
    return folder


@pytest.fixture(scope="module")
def site(results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "out"
    assert write_site(folder, results) == 1 + 3 + 4
    return folder


def test_every_reference_leads_to_a_file_of_the_site(site: Path) -> None:
    pages = {path: Page(path.read_text()) for path in site.rglob("*.html")}
    resolved = {path.resolve(): page for path, page in pages.items()}
    seen = set()
    for path, page in pages.items():
        assert len(set(page.ids)) == len(page.ids), path
        for reference in page.references:
            place, _, anchor = unquote(reference).partition("#")
            target = (path.parent / place).resolve() if place else path.resolve()
            assert target.is_file(), (path.name, reference)
            assert target.is_relative_to(site.resolve())
            assert not anchor or anchor in resolved[target].ids, (path.name, reference)
            seen.add(target)
    assert seen == {path.resolve() for path in site.rglob("*") if path.is_file()}


def test_no_file_holds_a_web_address(site: Path) -> None:
    for path in site.rglob("*"):
        if path.is_file():
            assert not ADDRESS.search(path.read_text(encoding="utf-8")), path


def test_every_page_forbids_loading_from_elsewhere(site: Path) -> None:
    for path in site.rglob("*.html"):
        page = Page(path.read_text())
        policies = [held["content"] for tag, held in page.tags if held.get("http-equiv") == "Content-Security-Policy"]
        assert policies == [assets.POLICY]
        assert page.tags[0] == ("html", {"lang": "en"})
        assert {"title", "main", "h1"} <= {tag for tag, _ in page.tags}
        assert all(held.get("src") for tag, held in page.tags if tag == "script")
        assert not [name for _, held in page.tags for name in held if name.startswith("on")]


def test_it_says_what_the_records_say(site: Path) -> None:
    index = (site / "index.html").read_text()
    assert "Profile smoke, stand-ins" in index
    assert "Profile smoke, real benchmarks" in index
    assert index.index("real benchmarks") < index.index("stand-ins")
    assert "broken: digits: 2 diverged of 2; lab-feynman" not in index, "the stand-in board has digits alone"
    assert "broken: digits: 2 diverged of 2" in index
    assert 'data-pointwise="no"' in index
    task = (site / "tasks" / "smoke.real.lab-feynman.html").read_text()
    assert "bench run --profile smoke --tasks lab-feynman --activations gelu,relu,turbulent --seeds 0-4" in task
    assert "computed from the seed" in task
    assert "+0.60 [+0.50, +0.70]" in task
    assert (site / "pictures" / "smoke-real" / "forest-lab-feynman.svg").is_file()
    (gelu,) = (site / "activations").glob("gelu.*.html")
    card = gelu.read_text()
    assert "<math" in card
    assert "<svg" in card
    assert "monotone" in card
    assert "def f(x): return x" in card
    (turbulent,) = (site / "activations").glob("turbulent.*.html")
    assert "<svg" not in turbulent.read_text(), "it is not pointwise"
    (broken,) = (site / "activations").glob("broken.*.html")
    assert "Its graph cannot be read" in broken.read_text()
    assert "it diverged" in broken.read_text()


def test_numbers_sort_by_their_value_and_missing_ones_have_none(site: Path) -> None:
    page = Page((site / "tasks" / "smoke.stand-in.digits.html").read_text())
    orders = [held["data-order"] or "" for _, held in page.tags if "data-order" in held]
    assert "" in orders
    assert len([float(text) for text in orders if text]) > 10
    assert number(float("nan"), ".2f").order == number(None, ".2f").order == ""
    assert number(-0.123456789, "+.3f").order == "-0.123456789"
    assert number(-0.123456789, "+.3f").text == "−0.123"


def test_the_same_records_give_the_same_bytes(results: Path, site: Path, tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from bench.site import write_site\n"
    code += "write_site(Path(sys.argv[1]), Path(sys.argv[2]))"
    again = tmp_path / "elsewhere" / "again"
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, "-c", code, again, results], cwd=ROOT, env=environment, check=True)
    assert bytes_of(again) == bytes_of(site)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.filterwarnings("ignore:Glyph")  # the fonts of the test machine, not of the reader's
def test_what_a_record_says_stays_text(make_record: MakeRecord, tmp_path: Path) -> None:
    plain = [
        real(make_record("digits", name, seed, 90 + seed * bonus, train=bonus), name)
        for name, bonus in (("relu", 1), ("gelu", 2))
        for seed in range(3)
    ]
    plain.append(make_record("digits", "broken", 0, outcome="crashed"))
    for name, text in (("expected", "plain words"), ("hostile", " ".join(HOSTILE))):
        write([poison(record, text) for record in plain], tmp_path / "records" / name)
        write_site(tmp_path / name, tmp_path / "records" / name)
    expected, found = (sorted((tmp_path / name).rglob("*.html")) for name in ("expected", "hostile"))
    assert [path.name for path in found] == [path.name for path in expected]
    for one, other in zip(found, expected, strict=True):
        content = one.read_text(encoding="utf-8")
        assert shape(content) == shape(other.read_text(encoding="utf-8")), one.name
        assert "alert(1)" in content
        assert not re.search(r"[\x00-\x08\x0b-\x1f]", content)
    for path in (tmp_path / "hostile").rglob("*"):
        assert not path.is_file() or not ADDRESS.search(path.read_text(encoding="utf-8")), path


def shape(text: str) -> list[tuple[str, frozenset[str]]]:
    """The tags of a page with the names of their attributes: what no text may change."""
    return [(tag, frozenset(held)) for tag, held in Page(text).tags]


def poison(record: Record, text: str) -> Record:
    """The record with a text wherever its schema takes any."""
    fields = record.model_dump()
    fields["reason"] = text if record.outcome != "ok" else ""
    fields["notes"] = (text,)
    fields["versions"] = {text: text}
    fields["dataset"] = {text: text}
    fields["task"] |= dict.fromkeys(("title", "dataset", "dataset_source", "model", "site_rule"), text)
    fields["task"]["metric"] |= {"name": text, "unit": text}
    fields["task"]["reference"] = {"value": 1.0, "low": 0.0, "high": 2.0, "source": text}
    fields["activation"] |= dict.fromkeys(("formula", "reference", "origin", "source"), text)
    fields["activation"]["mined_on"] = (text,)
    fields["machine"] |= {"cpu": text, "gpu": text}
    fields["commit"] = text
    return Record.model_validate(fields)


def write(records: list[Record], folder: Path) -> None:
    for record in records:
        Store(folder).write(record)


def test_names_never_lead_out_of_their_folder_or_share_a_page() -> None:
    names = ["../../x", "a/b", "a-b", "a.b", "A-B", "", "x" * 300, "x" * 301, "digits"]
    pages = [assets.file_name("smoke", name) for name in names]
    assert len(set(pages)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9_.-]{1,120}\.html", page) for page in pages), pages
    assert pages[-1] == "smoke.digits.html"


def test_a_graph_under_another_hash_is_told_and_not_drawn(make_record: MakeRecord) -> None:
    record = make_record("digits", "gelu", graph_hash=get("relu").graph.hash)
    stolen = record.model_copy(
        update={"activation": record.activation.model_copy(update={"graph": json.loads(get("gelu").graph.to_json())})}
    )
    (function,) = functions(flat(gather([stolen])), [stolen]).values()
    page = function_view(function)
    assert "hold another graph" in page.warning
    assert not page.curve
    assert not page.mathml


def test_a_graph_of_any_size_does_not_hold_up_the_site(make_record: MakeRecord) -> None:
    node = {"op": "exp", "inputs": ["x"], "attributes": {}}
    graph = {"format": 1, "inputs": ["x"], "parameters": [], "nodes": [node] * 100_000, "outputs": ["v0"]}
    record = make_record("digits", "huge")
    huge = record.model_copy(update={"activation": record.activation.model_copy(update={"graph": graph})})
    (function,) = functions([], [huge]).values()
    assert "100,000 operations" in function_view(function).warning


def test_functions_of_one_name_have_pages_of_their_own(make_record: MakeRecord) -> None:
    records = [make_record("digits", "gelu", graph_hash=name) for name in ("aaaaaaaa1", "aaaaaaaa2")]
    found = functions(flat(gather(records)), records)
    assert len({function.path for function in found.values()}) == 2


@pytest.mark.parametrize("name", ["relu", "gelu", "prelu", "leaky-relu", "turbulent", "gelu-sine"])
def test_formulas_become_mathml(name: str) -> None:
    assert mathml(get(name).latex).startswith("<math")


def test_mathml_holds_no_markup_of_a_text() -> None:
    assert "<script" not in mathml(r"\text{&lt;script&gt;alert(1)&lt;/script&gt;} + \mathrm{<b>}")
    assert "α" in mathml(r"\alpha")


def test_a_site_replaces_an_earlier_one_and_nothing_else(tmp_path: Path) -> None:
    results = tmp_path / "results"
    results.mkdir()
    write_site(tmp_path / "site", results)
    stale = tmp_path / "site" / "tasks" / "gone.html"
    stale.write_text("an earlier page")
    kept = tmp_path / "site" / "CNAME"
    kept.write_text("mine")
    write_site(tmp_path / "site", results)
    assert not stale.exists()
    assert kept.read_text() == "mine"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="holds other files"):
        write_site(tmp_path / "other", results)
    with pytest.raises(UsageError, match="is no folder"):
        write_site(tmp_path / "other" / "thesis.txt", results)
    with pytest.raises(UsageError, match="no results folder"):
        write_site(tmp_path / "new", tmp_path / "nowhere")


def test_no_records_are_a_page_too(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    assert write_site(tmp_path / "site", tmp_path / "results") == 1
    assert "There are no records yet" in (tmp_path / "site" / "index.html").read_text()


def test_local_and_refused_records_are_told(make_record: MakeRecord, tmp_path: Path) -> None:
    path = Store(tmp_path / "local").write(make_record("digits", "relu"))
    path.with_name("relu-s1-0.json").write_text("<script>alert(1)</script>")
    write_site(tmp_path / "site", tmp_path, local=True)
    index = (tmp_path / "site" / "index.html").read_text()
    assert "nobody has published them" in index
    assert "relu-s1-0.json is no valid record" in index


def test_the_library_keeps_its_licences() -> None:
    script = assets.library()
    assert "window.DataTable=" in script
    assert "export{" not in script
    for notice in ("DataTables 2", "SpryMedia Ltd", "jQuery JavaScript Library", "MIT license"):
        assert notice in script
