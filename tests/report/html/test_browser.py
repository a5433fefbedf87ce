"""The page in a real browser: no messages, within its width, searchable, sortable, dark and printable."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from tests.browser import AXE, Browser, needs_browser
from tests.report.html.pages import SUMMARY, a_page
from tnas_cli.report.figures.theme import DARK, LIGHT
from tnas_cli.report.html.page import HtmlTable, render

pytestmark = needs_browser

FIRST_COLUMN = "[...document.querySelectorAll('#summary-table tbody tr th')].map(cell => cell.textContent)"
VISIBLE = "[...document.querySelectorAll('.find')].filter(e => e.checkVisibility()).map(e => e.textContent.trim())"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("page") / "report.html")


def write(file: Path, **changes: Any) -> Path:
    file.write_text(render(a_page(**changes)), encoding="utf-8")
    return file


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 768, 1400])
def test_it_says_nothing_loads_nothing_and_fits_its_width(
    chromium: Browser, page: Path, width: int, scheme: str
) -> None:
    chromium.open(page, width=width, scheme=scheme)
    assert chromium.complaints() == []
    assert [url for url in chromium.requests() if not url.startswith("data:")] == [page.resolve().as_uri()]
    assert chromium.run("innerWidth") == width
    assert chromium.run("document.documentElement.scrollWidth") <= width
    assert chromium.run("[...document.images].every(image => image.complete && image.naturalWidth > 100)")


@pytest.mark.skipif(AXE is None, reason="needs axe-core: npm install --prefix build axe-core")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1400])
def test_it_passes_an_accessibility_check(chromium: Browser, page: Path, width: int, scheme: str) -> None:
    assert AXE is not None
    chromium.open(page, width=width, scheme=scheme)
    chromium.run(f"{AXE.read_text(encoding='utf-8')};1")
    found = chromium.run("axe.run().then(found => found.violations.map(v => [v.id, v.nodes.map(n => n.html)]))")
    assert found == []
    assert chromium.run("axe.run().then(found => found.passes.length)") > 20


def test_the_check_finds_what_is_wrong(chromium: Browser, tmp_path: Path) -> None:
    if AXE is None:
        pytest.skip("needs axe-core: npm install --prefix build axe-core")
    file = write(tmp_path / "report.html")
    file.write_text(file.read_text().replace('<html lang="en">', "<html>"))
    chromium.open(file)
    chromium.run(f"{AXE.read_text(encoding='utf-8')};1")
    assert chromium.run("axe.run().then(found => found.violations.map(v => v.id))") == ["html-has-lang"]


def test_a_script_in_a_name_does_not_run(chromium: Browser, tmp_path: Path) -> None:
    name = "<script>window.ran = 1</script><img src=x onerror='window.ran = 1'>"
    table = HtmlTable("summary-table", name, (name,), (False,), ((name, ((name,),)),))
    chromium.open(write(tmp_path / "report.html", title=name, summary=table))
    assert chromium.run("typeof window.ran") == "undefined"
    assert chromium.run("document.querySelector('#summary-table tbody.heading th').textContent") == name
    assert chromium.complaints() == []


def test_even_a_script_that_is_not_escaped_does_not_run(chromium: Browser, tmp_path: Path) -> None:
    file = write(tmp_path / "report.html")
    file.write_text(file.read_text().replace("<main", "<script>window.ran = 1</script><main", 1))
    chromium.open(file)
    assert chromium.run("typeof window.ran") == "undefined"
    assert any("Content Security Policy" in text for text in chromium.complaints())


def test_a_click_sorts_and_a_second_one_turns_it(chromium: Browser, page: Path) -> None:
    chromium.open(page)
    assert chromium.run(FIRST_COLUMN) == ["run-b", "run-a", "run-c"]
    click = "document.querySelectorAll('#summary-table thead button')[{}].click()"
    chromium.run(click.format(1))
    assert chromium.run(FIRST_COLUMN) == ["run-a", "run-b", "run-c"]
    assert chromium.run("document.querySelectorAll('#summary-table thead th')[1].ariaSort") == "ascending"
    chromium.run(click.format(1))
    assert chromium.run(FIRST_COLUMN) == ["run-c", "run-b", "run-a"]
    # 1,200 is more than 59.5, and the empty cell is last in both directions.
    for expected in (["run-c", "run-b", "run-a"], ["run-b", "run-c", "run-a"]):
        chromium.run(click.format(2))
        assert chromium.run(FIRST_COLUMN) == expected
    assert chromium.run("location.hash") == "#sort=summary-table.2.desc"
    assert chromium.run("document.querySelectorAll('[aria-sort]').length") == 1


def test_rows_below_the_papers_stay_below_them(chromium: Browser, page: Path) -> None:
    chromium.open(page, "#sort=table-2.0.asc")
    rows = "[...document.querySelectorAll('#table-2 tbody tr')].map(row => row.cells[0].textContent)"
    assert chromium.run(rows) == ["MAML", "T-NAS", "not in the paper's table:", "x"]


def test_searching_leaves_what_fits_and_an_address_leads_there(chromium: Browser, page: Path) -> None:
    chromium.open(page, "#q=run-c&sort=summary-table.1.desc")
    assert [text.split()[0] for text in chromium.run(VISIBLE)] == ["run-c"]
    assert chromium.run("document.querySelector('.tools output').textContent").startswith("1 of ")
    assert not chromium.run("document.querySelector('#figures').checkVisibility()")
    chromium.open(page)
    everything = chromium.run("document.querySelectorAll('.find').length")
    type_in = "{{const i = document.querySelector('input'); i.value = '{}'; i.dispatchEvent(new Event('input'))}}"
    # Also in closed tables; words in any order.
    chromium.run(type_in.format("0.4 MAML"))
    assert len(chromium.run(VISIBLE)) == 2
    assert chromium.run("document.querySelector('#paper-table-3').open")
    assert chromium.run("location.hash") == "#q=0.4+MAML"
    chromium.run(type_in.format(""))
    assert chromium.run("document.querySelectorAll('.find:not(.away)').length") == everything
    assert chromium.run("document.querySelectorAll('.away').length") == 0
    assert not chromium.run("document.querySelector('#paper-table-3').open")


def test_links_to_sections_still_lead_to_sections(chromium: Browser, page: Path) -> None:
    chromium.open(page, "#figures")
    assert chromium.run("document.querySelector('#figures').getBoundingClientRect().top") < 200
    assert chromium.run("document.querySelectorAll('.away').length") == 0


@pytest.mark.parametrize(("scheme", "theme"), [("light", LIGHT), ("dark", DARK)])
def test_ground_and_pictures_follow_the_preferred_scheme(
    chromium: Browser, page: Path, scheme: str, theme: Any
) -> None:
    chromium.open(page, scheme=scheme)
    ground = tuple(bytes.fromhex(theme.ground[1:]))
    assert chromium.run("getComputedStyle(document.body).backgroundColor") == f"rgb{ground}"
    drawn = chromium.run("[...document.images].map(image => atob(image.currentSrc.split(',')[1]))")
    assert len(drawn) == 3
    for svg in drawn:
        assert theme.ground.lower() in svg.lower()


def test_printed_it_is_light_open_and_without_tools(chromium: Browser, page: Path) -> None:
    chromium.open(page, scheme="dark", media="print")
    assert chromium.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    drawn = chromium.run("[...document.images].map(image => atob(image.currentSrc.split(',')[1]))")
    assert all(LIGHT.ground.lower() in svg.lower() and DARK.ground.lower() not in svg.lower() for svg in drawn)
    for away in ("nav", ".tools"):
        assert not chromium.run(f"document.querySelector('{away}').checkVisibility()")
    assert chromium.run("document.querySelector('#table-3').checkVisibility()")
    assert chromium.call("Page.printToPDF")["data"]


def test_on_paper_nothing_is_torn_apart(chromium: Browser, page: Path) -> None:
    """Tables, figures and commands are not split, titles stay with what follows, and pictures keep their shape."""
    chromium.open(page, media="print")
    style = "getComputedStyle(document.querySelector({!r}))"
    for whole in ("figure", "table", "tr", "pre", ".notes li"):
        assert chromium.run(f"{style.format(whole)}.breakInside") == "avoid", whole
    for title in ("h2", "h3", "summary", "caption", "thead"):
        assert chromium.run(f"{style.format(title)}.breakAfter") == "avoid", title
    # Chromium leaves a button's box empty where a table's head is repeated.
    assert chromium.run(f"{style.format('th button')}.display") == "contents"
    images = (
        "[...document.images].every(i => {}(i.clientWidth / i.clientHeight - i.naturalWidth / i.naturalHeight) < 0.02)"
    )
    assert chromium.run(images.format("Math.abs"))


def test_without_javascript_everything_can_be_read(chromium: Browser, page: Path) -> None:
    chromium.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        chromium.open(page)
        assert chromium.run(FIRST_COLUMN) == ["run-b", "run-a", "run-c"]
        assert not chromium.run("!!document.querySelector('input, button')")
        assert chromium.run("document.querySelector('#table-2').checkVisibility()")
    finally:
        chromium.call("Emulation.setScriptExecutionDisabled", value=False)


def test_long_words_and_many_columns_do_not_widen_a_small_page(chromium: Browser, tmp_path: Path) -> None:
    long = "x" * 300
    wide = dataclasses.replace(
        SUMMARY, titles=(long,) * 12, numeric=(False,) * 12, groups=(("", ((long,) * 12, (long,) * 12)),)
    )
    file = write(tmp_path / "report.html", title=long, facts=(long,), summary=wide, left_out=(long,), version=long)
    chromium.open(file, width=400)
    assert chromium.run("document.documentElement.scrollWidth") <= 400
