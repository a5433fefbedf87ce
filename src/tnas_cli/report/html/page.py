"""What the page of `tnas report --html` shows, as plain data, and its rendering."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from tnas_cli.report.figures.picture import Picture, svg_text
from tnas_cli.report.figures.theme import LIGHT, in_the_dark
from tnas_cli.report.html.template import render_template

PIXELS_PER_INCH = 96


@dataclass(frozen=True)
class HtmlTable:
    """Texts in rows and columns, grouped; a group may have a heading. Columns of numbers are set flush right."""

    id: str
    caption: str
    titles: tuple[str, ...]
    numeric: tuple[bool, ...]
    groups: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...]


@dataclass(frozen=True)
class PaperPart:
    """A table of the paper with our numbers; `open` if it is shown unfolded."""

    id: str
    title: str
    tables: tuple[HtmlTable, ...]
    notes: tuple[str, ...]
    open: bool


@dataclass(frozen=True)
class HtmlFigure:
    """A picture in both themes, as data URIs, with its size in pixels."""

    title: str
    caption: str
    light: str
    dark: str
    width: int
    height: int


@dataclass(frozen=True)
class SourceFigures:
    """The figures of one source."""

    name: str
    figures: tuple[HtmlFigure, ...]


@dataclass(frozen=True)
class Commands:
    """How to get the numbers of one source again; `notes` say what a command cannot."""

    name: str
    lines: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class SideBySide:
    """What the sources say of the same things: a column for each where they differ, one value where they agree."""

    differ: HtmlTable | None
    same: HtmlTable | None


@dataclass(frozen=True)
class Page:
    """Everything on the page, in the order of the page."""

    title: str
    facts: tuple[str, ...]
    answers: Sequence[str]
    summary: HtmlTable
    comparison: HtmlFigure | None
    papers: Sequence[PaperPart]
    figures: Sequence[SourceFigures]
    left_out: Sequence[str]
    settings: SideBySide | None
    environment: SideBySide | None
    commands: Sequence[Commands]
    version: str


def as_figure(picture: Picture) -> HtmlFigure:
    """Draw a picture once, for both themes."""
    figure = picture.drawn(LIGHT)
    width, height = (round(PIXELS_PER_INCH * inches) for inches in figure.get_size_inches())
    light = svg_text(figure)
    return HtmlFigure(picture.title, picture.caption, _data_uri(light), _data_uri(in_the_dark(light)), width, height)


def _data_uri(svg: str) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def render(page: Page) -> str:
    """The page as the text of one HTML file; the same text for the same page."""
    return render_template("page.html.j2", "script.js", page=page)
