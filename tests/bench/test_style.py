"""The look of vector pictures: small, alone, the same each time, and matplotlib left as it was."""

from __future__ import annotations

import re
import subprocess
import sys
from xml.etree import ElementTree

import matplotlib

from bench.style import COLOURS, DASHES, GROUND, figure, svg

NAMESPACES = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


def picture() -> bytes:
    with figure(4, 3) as drawn:
        axes = drawn.subplots()
        axes.plot([0, 1, 2], [0.123456789, 1, -1], label="a line")
        axes.set(xlabel="$x$ as it stands", ylabel="upright")
        axes.legend()
        return svg(drawn)


def test_the_same_picture_has_the_same_bytes_and_leaves_no_trace() -> None:
    before = dict(matplotlib.rcParams)
    assert picture() == picture()
    assert dict(matplotlib.rcParams) == before


def test_a_picture_names_no_address_and_no_date() -> None:
    text = picture().decode()
    assert set(re.findall(r"https?://[^\"'<> ]*", text)) == NAMESPACES
    assert "Matplotlib" not in text
    assert "metadata" not in text


def test_text_stays_text_on_a_ground_of_its_own() -> None:
    root = ElementTree.fromstring(picture())
    words = [element for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"$x$ as it stands", "upright", "a line"} <= {element.text for element in words}
    assert all("sans-serif" in element.attrib["style"] for element in words)
    assert "DejaVu" not in picture().decode()
    assert GROUND in picture().decode()
    upright = next(element for element in words if element.text == "upright")
    assert "rotate(-90" in upright.attrib["transform"]


def test_places_are_rounded_and_only_what_is_referred_to_has_an_id() -> None:
    text = picture().decode()
    assert not re.search(r" [dxy]=\"[^\"]*\d\.\d{3}", text)
    identified, referred = set(re.findall(r' id="([^"]*)"', text)), set(re.findall(r"#([mp][0-9a-f]{10})", text))
    assert identified == referred != set()


def test_lines_differ_without_colour() -> None:
    assert len(set(map(str, DASHES))) == len(DASHES) == len(set(COLOURS))


def test_matplotlib_is_imported_when_something_is_drawn() -> None:
    code = "import sys, bench.style, bench.curves, bench.gallery; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
