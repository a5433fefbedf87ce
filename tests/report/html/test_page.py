"""The page as text: well formed, complete, without anything to load, and safe for any values."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser

from tests.report.html.pages import SUMMARY, a_page
from tnas_cli.report.html.page import Commands, HtmlTable, render

VOID = {"meta", "img", "source", "input", "br", "link"}
NASTY = "</style></script><script>alert(1)</script>\"'><img src=x onerror=alert(2)>&{{ 7*7 }}"


class Outline(HTMLParser):
    """Tags with their attributes, the visible text, and tags that do not close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.crossed: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.crossed.append(tag)

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.text += data


def outline(text: str) -> Outline:
    found = Outline()
    found.feed(text)
    found.close()
    return found


def test_it_is_well_formed_and_holds_everything() -> None:
    found = outline(render(a_page()))
    assert not found.open and not found.crossed
    expectations = ("T-NAS report", "3 sources", "run-b", "64.07 ± 5.42", "not in the paper's table:", "[1] a note")
    expectations += ("ln(way)", "Genotype(normal=", "nothing to draw", "tnas search --dataset omniglot", "0.1.0")
    for expected in expectations:
        assert expected in found.text, expected
    assert sum(tag == "table" for tag, _ in found.tags) == 5
    ids = [attributes["id"] for _, attributes in found.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [str(attributes["href"]) for tag, attributes in found.tags if tag == "a"]
    assert links and all(link[0] == "#" and link[1:] in ids for link in links)


def test_it_is_the_same_for_the_same_page() -> None:
    assert render(a_page()) == render(a_page())


def test_nothing_is_loaded() -> None:
    text = render(a_page())
    found = outline(text)
    for tag, attributes in found.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base", "form")
        for name in ("src", "srcset"):
            assert str(attributes.get(name, "data:image/svg+xml")).startswith("data:image/svg+xml")
        assert not [name for name in attributes if name.startswith("on")]
    assert "http://" not in re.sub(r'"data:[^"]*"', "", text) and "https://" not in text
    assert "url(" not in text and "@import" not in text


def test_every_value_is_escaped_wherever_it_stands() -> None:
    table = HtmlTable("summary-table", NASTY, (NASTY, NASTY), (False, True), ((NASTY, ((NASTY, NASTY),)),))
    page = a_page(
        title=NASTY, facts=(NASTY,), answers=(NASTY,), summary=table, left_out=(NASTY,), version=NASTY, settings=None,
        commands=(Commands(NASTY, (NASTY,), (NASTY,)),),
    )  # fmt: skip
    figures = page.figures[0]
    named = tuple(dataclasses.replace(figure, title=NASTY, caption=NASTY) for figure in figures.figures)
    page = dataclasses.replace(page, figures=(dataclasses.replace(figures, name=NASTY, figures=named),))
    part = dataclasses.replace(page.papers[0], title=NASTY, notes=(NASTY,))
    page = dataclasses.replace(page, papers=(part, page.papers[1]))
    found = outline(render(page))
    assert sum(tag == "script" for tag, _ in found.tags) == 1
    assert sum(tag == "img" for tag, _ in found.tags) == 3
    assert not found.open and not found.crossed
    assert found.text.count(NASTY) >= 15


def test_the_policy_allows_its_own_style_and_script_only() -> None:
    policies = [a["content"] for tag, a in outline(render(a_page())).tags if tag == "meta" and a.get("http-equiv")]
    assert len(policies) == 1
    policy = str(policies[0])
    assert "default-src 'none'" in policy and "unsafe" not in policy and policy.count("sha256-") == 2


def test_parts_that_are_empty_are_left_out() -> None:
    bare = a_page(settings=None, environment=None, figures=(), left_out=())
    found = outline(render(bare))
    ids = {attributes.get("id") for _, attributes in found.tags}
    assert not {"settings", "environment"} & ids
    assert "None of the sources has anything to draw." in found.text and "Not drawn" not in found.text


def test_columns_of_numbers_are_flush_right() -> None:
    found = outline(render(a_page(summary=SUMMARY)))
    cells = [attributes.get("class") for tag, attributes in found.tags if tag == "td"][:2]
    assert cells == ["number", "number"]
