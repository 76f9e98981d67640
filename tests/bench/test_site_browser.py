"""The static site in a real browser, from the disk: sorted, filtered, on a telephone, without the network."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.site import write_site
from bench.store import Store

from .conftest import MakeRecord
from .test_site import real

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")

pytestmark = pytest.mark.skipif(
    not (BROWSER and DRIVER), reason="needs chromium and chromedriver on the PATH to open the pages in a real browser"
)

RANKING = "#smoke-real-ranking"


@pytest.fixture(scope="module")
def site(make_record: MakeRecord, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small board: one activation is missing on a task, so it has no rank and no mean."""
    folder = tmp_path_factory.mktemp("browser")
    for name, bonus in (("relu", 0.0), ("gelu", 0.5), ("silu", -0.25), ("turbulent", -1.0)):
        for task in ("digits", "molecules"):
            if (name, task) == ("silu", "digits"):
                continue
            for seed in range(5):
                record = make_record(
                    task, name, seed, 80 + seed + bonus * (1 + seed / 9), track="real", train=3 + bonus
                )
                Store(folder / "results").write(real(record, name))
    write_site(folder / "site", folder / "results")
    return folder / "site"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER or ""
    profile = tmp_path_factory.mktemp("profile")
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", f"--user-data-dir={profile}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def page(browser: Any, site: Path) -> Iterator[Any]:
    """The first page, fresh; afterwards its console must be empty and every request have gone to the disk."""
    browser.get_log("browser")
    browser.get_log("performance")
    resize(browser, 1200)
    browser.get((site / "index.html").as_uri())
    yield browser
    assert browser.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert any(url.endswith("datatables.js") for url in asked)
    assert [url for url in asked if not url.startswith(site.as_uri())] == []


def resize(browser: Any, width: int) -> None:
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def names(page: Any) -> list[str]:
    found: list[str] = page.execute_script(
        f"return [...document.querySelectorAll('{RANKING} tbody th')].map(one => one.textContent)"
    )
    return found


def wait(page: Any, expected: list[str]) -> None:
    """Until the rows stand in this order: the library sorts a moment after a click."""
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(page, 5, 0.02).until(lambda _: names(page) == expected, f"{names(page)} are not {expected}")


def head(page: Any, title: str) -> Any:
    """The button that sorts by a column."""
    return page.find_element(
        "xpath", f"//table[@id='{RANKING[1:]}']/thead//th[starts-with(normalize-space(), '{title}')]//*[@role='button']"
    )


def keys() -> Any:
    from selenium.webdriver.common.keys import Keys

    return Keys


def test_heads_sort_by_a_click_and_missing_numbers_come_last(page: Any) -> None:
    assert names(page)[-1] == "silu"
    head(page, "field").click()
    wait(page, ["gelu", "relu", "turbulent", "silu"])
    head(page, "field").click()
    wait(page, ["turbulent", "relu", "gelu", "silu"])
    assert page.find_element("css selector", f"{RANKING} th[aria-sort=ascending]").text.startswith("field")


def test_heads_sort_by_the_keyboard(page: Any) -> None:
    button = head(page, "field")
    page.execute_script("arguments[0].focus()", head(page, "activation"))
    page.switch_to.active_element.send_keys(keys().TAB)
    assert page.switch_to.active_element == button
    page.switch_to.active_element.send_keys(keys().ENTER, keys().ENTER)
    wait(page, ["turbulent", "relu", "gelu", "silu"])
    outline = page.execute_script("return getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


def test_the_first_tab_leads_to_the_content(page: Any) -> None:
    page.find_element("css selector", "body").send_keys(keys().TAB)
    assert page.switch_to.active_element.text == "Skip to the content"
    page.switch_to.active_element.send_keys(keys().ENTER)
    assert page.current_url.endswith("#main")


def test_filters_choose_rows(page: Any) -> None:
    from selenium.webdriver.support.ui import Select

    form = page.find_element("css selector", f"form[data-table={RANKING[1:]}]")
    told = form.find_element("css selector", "output")
    assert told.text == "4 of 4 rows"
    form.find_element("css selector", "input").send_keys("elu")
    assert set(names(page)) == {"relu", "gelu"}
    form.find_element("css selector", "button").click()
    page.execute_async_script("setTimeout(arguments[0])")
    assert told.text == "4 of 4 rows"
    Select(form.find_element("name", "pointwise")).select_by_visible_text("no")
    assert names(page) == ["turbulent"]
    Select(form.find_element("name", "pointwise")).select_by_index(0)
    Select(form.find_element("name", "task")).select_by_visible_text("digits")
    Select(form.find_element("name", "verdict")).select_by_visible_text("better")
    assert names(page) == ["gelu"]
    assert told.text == "1 of 4 rows"


def test_an_activation_opens_from_its_row(page: Any) -> None:
    page.find_element("link text", "gelu").click()
    assert page.find_element("css selector", "h1").text == "gelu"
    assert page.find_element("css selector", "svg").size["height"] > 100
    assert page.find_element("css selector", "math").size["width"] > 50
    page.find_element("link text", "digits").click()
    loaded = "return [...document.images].every(one => one.complete && one.naturalWidth)"
    page.execute_script("for (const one of document.images) one.loading = 'eager'")
    page.execute_async_script("Promise.all([...document.images].map(one => one.decode())).then(arguments[0])")
    assert page.execute_script(loaded)


def test_no_page_scrolls_sideways_on_a_telephone(page: Any, site: Path) -> None:
    resize(page, 360)
    for path in sorted(site.rglob("*.html")):
        page.get(path.as_uri())
        wide, room = page.execute_script(
            "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert wide <= room <= 360, path.name


def test_it_is_dark_where_the_reader_asks_and_legible_either_way(page: Any) -> None:
    for scheme, brightest in (("dark", False), ("light", True)):
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        ground = luminance(page.execute_script("return getComputedStyle(document.body).backgroundColor"))
        assert (ground > 0.5) is brightest
        for part in ("h1", "a", ".better", ".worse", "output", "td.missing", ".dt-column-order"):
            colour = page.execute_script(f"return getComputedStyle(document.querySelector('main {part}')).color")
            light, dark = sorted((luminance(colour), ground), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (scheme, part)


def luminance(colour: str) -> float:
    """Relative luminance of `rgb(...)`, by WCAG 2."""
    parts = [float(text) / 255 for text in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_the_tables_stand_without_a_script(page: Any) -> None:
    page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        page.refresh()
        rows = page.find_elements("css selector", f"{RANKING} tbody tr")
        assert len(rows) == 4
        assert all(row.is_displayed() for row in rows)
        assert not page.find_element("css selector", "form.filters").is_displayed()
    finally:
        page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
