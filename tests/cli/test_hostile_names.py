"""Names that terminals, HTML, LaTeX, Markdown, spreadsheets and pictures would obey: in every command and form."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.pasting import next_line, pasted
from tests.running import Argument, Ran, drawing, succeeding, tnas
from tnas_cli.report.latex import escape
from tnas_cli.spelling import visible

#: Colours of a terminal, its bell, lines, tabs, directions, nothing at all, markup, mathematics, tags, a formula.
NAME = "=[bold]:cat:\x1b[31mA\x07\r\n\t\u202e\u200b\U0001f600$x_2$<img src=x onerror=alert(1)>|%&#{}~^`*\\"
SHORT = ("--tasks", 2, "--validate-every", 2, "--validation-tasks", 1, "--meta-batch", 1, "--channels", 4)
MACHINE = ("--threads", 1, "--device", "cpu", "--engine", "torch")


@dataclass(frozen=True)
class Hostile:
    """A folder with a data set, a task, a search and a kept model whose names are all of NAME's kind."""

    folder: Path
    task: Path
    photos: Path
    checkpoint: Path
    model: Path
    said: tuple[Ran, ...]


def _images(folder: Path, number: int, count: int) -> None:
    folder.mkdir(parents=True)
    for variant in range(count):
        drawing(number, variant).save(folder / f"{NAME}{variant}.png")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Hostile:
    folder = tmp_path_factory.mktemp("hostile") / NAME
    for number in range(6):
        _images(folder / "data" / f"{NAME}{number}", number, 3)
    task = folder / f"task {NAME}"
    for number in range(2):
        _images(task / "support" / f"{NAME}{number}", number, 1)
    _images(task / "query", 0, 2)
    photos = folder / f"photos {NAME}"
    _images(photos, 0, 2)
    cache = ("--cache-dir", folder / "cache")
    source = ("--source", folder / "data", "--name", "mine", "--size", 20, "--split", "34/33/33")
    prepared = succeeding("prepare-data", "folder", *source, *cache, "--preview", folder / f"{NAME}.png", "-v")
    way = ("--dataset", "mine", "--way", 2, "--shot", 1, "--query", 1)
    searched = succeeding("search", *way, *SHORT, "--runs", folder / "runs", *cache, *MACHINE)
    checkpoint = Path(next(folder.glob("runs/*/best.pt")))
    model = folder / f"{NAME}.pt"
    adapted = succeeding("adapt", checkpoint, task, "--save", model, "--reject", 0.1, *cache, *MACHINE)
    data = ("--dataset", "mine", "--tasks", 2)
    measured = succeeding("adapt", checkpoint, *data, *cache, *MACHINE, "--json").stdout
    (folder / "measured.jsonl").write_text(measured.replace('"mine"', json.dumps(NAME)))
    return Hostile(folder, task, photos, checkpoint, model, (prepared, searched, adapted))


def _check_shown(text: str) -> None:
    for line in text.split("\n"):
        assert visible(line) == line


def test_a_terminal_shows_every_name_and_obeys_none(hostile: Hostile) -> None:
    prepared, searched, adapted = hostile.said
    _check_shown(prepared.stdout + prepared.stderr + searched.stderr + adapted.stdout + adapted.stderr)
    assert searched.stdout == f"{hostile.checkpoint}\n"  # for another program: exact
    assert "\U0001f600" in adapted.stdout
    for ran in (
        succeeding("predict", hostile.model, hostile.photos),
        succeeding("decode", hostile.checkpoint, "-v"),
        succeeding("report", hostile.folder / "measured.jsonl", "--format", "markdown"),
        succeeding("cite", hostile.checkpoint.parent),
        succeeding("resume", hostile.checkpoint.parent),
        succeeding("runs", hostile.folder / "runs"),
        succeeding("watch", hostile.checkpoint.parent),
        succeeding("prepare-data", "--list", "--cache-dir", hostile.folder / "cache"),
    ):
        _check_shown(ran.stdout.replace(str(hostile.checkpoint), "") + ran.stderr)


def test_an_error_shows_the_path_on_one_line() -> None:
    missing = f"{NAME}/none"
    wrong: tuple[tuple[Argument, ...], ...] = (
        ("adapt", missing, "task"),
        ("adapt", "omniglot-5w1s", missing),
        ("predict", missing, "x"),
        ("decode", missing),
        ("report", missing),
        ("resume", missing),
        ("cite", missing),
        ("runs", missing),
        ("watch", missing),
        ("export", missing, f"{NAME}.pdf"),
        ("prepare-data", NAME),
        ("search", "--dataset", NAME),
        ("search", "--method", NAME, "--dataset", "glyphs"),
        ("search", f"--{NAME}"),
    )
    for arguments in wrong:
        ran = tnas(*arguments)
        assert ran.code in (2, 3, 4)
        assert ran.stderr.count("\n") == 2
        _check_shown(ran.stderr)


def test_bytes_that_are_no_text_are_shown_as_escapes(hostile: Hostile, tmp_path: Path) -> None:
    (image,) = list(hostile.photos.glob("*1.png"))
    shutil.copy(image, tmp_path / os.fsdecode(b"caf\xe9.png"))
    ran = tnas("predict", hostile.model, tmp_path / os.fsdecode(b"caf\xe9.png"))
    assert "\\xe9" in ran.stdout + ran.stderr or "\\udce9" in ran.stdout + ran.stderr
    _check_shown(ran.stdout + ran.stderr)


def test_next_lines_can_be_pasted(hostile: Hostile) -> None:
    predicted = pasted(next_line(hostile.said[2]))
    assert "2 images" in predicted.stderr
    assert pasted(next_line(hostile.said[1]), "--tasks", 1, *MACHINE).code == 0


def test_records_are_plain_text_that_holds_the_names(hostile: Hostile) -> None:
    for ran in (
        succeeding("predict", hostile.model, hostile.photos, "--json"),
        succeeding("adapt", hostile.checkpoint, hostile.task, *MACHINE, "--json"),
    ):
        assert ran.stdout.isascii()
        assert json.dumps(NAME)[1:-1] in ran.stdout
        assert len(ran.records) == len(ran.stdout.splitlines())


def test_no_cell_of_a_spreadsheet_is_a_formula(hostile: Hostile) -> None:
    predicted = succeeding("predict", hostile.model, hostile.photos, "--csv").stdout
    reported = succeeding("report", hostile.folder / "measured.jsonl", "--format", "csv").stdout
    for text in (predicted, reported):
        _check_shown(text)
        for row in csv.reader(io.StringIO(text)):
            for cell in row:
                assert not cell.startswith(("+", "=", "@", "\t", "\r"))
                assert not cell.startswith("-") or float(cell) < 0
    (_, first, second) = csv.reader(io.StringIO(predicted))
    assert {first[1][0], second[1][0]} == {"'"}
    assert float(first[2]) > 0


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.events: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.events += [name for name, value in attrs if name.startswith("on") or (name, value) == ("src", "x")]


def test_pages_show_the_names_as_text(hostile: Hostile) -> None:
    (hostile.folder / f"{NAME}.jsonl").write_text(
        succeeding("adapt", hostile.checkpoint, hostile.task, *MACHINE, "--json").stdout
    )
    page = hostile.folder / f"{NAME}.html"
    succeeding("predict", hostile.model, hostile.photos, "--page", page)
    report = hostile.folder / f"{NAME}report.html"
    sources = (hostile.folder / f"{NAME}.jsonl", hostile.checkpoint.parent)
    said = succeeding("report", *sources, "--html", report)
    _check_shown(said.stderr)
    for file, scripts in ((page, 0), (report, 1)):
        parser = _Tags()
        text = file.read_text(encoding="utf-8")
        parser.feed(text)
        assert parser.events == []
        assert parser.tags.count("script") == scripts
        _check_shown(text)
        assert "onerror" in text  # shown, as text
    (hostile.folder / "figures").mkdir()
    succeeding("report", *sources, "--figures", hostile.folder / "figures")
    for picture in (hostile.folder / "figures").glob("*.svg"):
        ElementTree.parse(picture)


def test_latex_and_markdown_show_the_names(hostile: Hostile) -> None:
    latex = succeeding("report", hostile.folder / "measured.jsonl", "--format", "latex").stdout
    markdown = succeeding("report", hostile.folder / "measured.jsonl", "--format", "markdown").stdout
    _check_shown(latex + markdown)
    shown = visible(NAME)
    assert escape(shown) in latex
    (line,) = [line for line in markdown.splitlines() if line.startswith("- \\[1")]
    for mark in "|<`*[":
        assert f"\\{mark}" in line
        assert line.count(mark) == line.count(f"\\{mark}")
