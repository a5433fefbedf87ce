"""The contents of the HTML page: each result once, tables open where they matter, settings side by side."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.report.results import a_result
from tnas_cli.report.html_report import html_report


def a_run(folder: Path, settings: str, *records: dict[str, object], threads: int = 2) -> Path:
    folder.mkdir(parents=True)
    (folder / "settings.toml").write_text(settings)
    (folder / "environment.json").write_text(json.dumps({"package_version": "0.1.0", "threads": threads}))
    (folder / "events.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return folder


def cells(text: str, table: str) -> list[list[str]]:
    """The rows of a table's bodies."""
    (body,) = re.findall(rf'<table id="{table}">(.*?)</table>', text, re.DOTALL)
    rows = re.findall(r'<tr class="find">(.*?)</tr>', body, re.DOTALL)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]


def test_a_result_that_is_given_twice_is_measured_once(tmp_path: Path) -> None:
    result = a_result()
    run = a_run(tmp_path / "train-eval-x-1", 'dataset = "omniglot"\n', result)
    file = tmp_path / "result.jsonl"
    file.write_text(json.dumps(result) + "\n")
    assert html_report([run, file], tmp_path / "r.html").measured == 1
    text = (tmp_path / "r.html").read_text()
    assert [row[3] for row in cells(text, "table-2") if row[3]] == ["98.76 ± 0.34 [1]"]
    assert [row[0] for row in cells(text, "summary-table")] == ["train-eval-x-1", "result"]


def test_tables_are_open_where_ours_stands_beside_the_papers(tmp_path: Path) -> None:
    run = a_run(tmp_path / "train-eval-x-1", "way = 5\n", a_result())
    html_report([run], tmp_path / "r.html")
    opened = re.findall(r'<details id="paper-table-(\d)" open>', (tmp_path / "r.html").read_text())
    assert opened == ["2"]


def test_settings_and_environments_stand_side_by_side_where_they_differ(tmp_path: Path) -> None:
    runs = [
        a_run(tmp_path / "search-x-1", "way = 5\nbetas = [0.5, 0.9]\nfast = true\n"),
        a_run(tmp_path / "search-x-2", "way = 20\nbetas = [0.5, 0.9]\n", threads=4),
    ]
    html_report(runs, tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text()
    assert cells(text, "settings-differ") == [["way", "5", "20"]]
    assert cells(text, "settings-same") == [["betas", "0.5, 0.9"], ["fast", "true"]]
    assert cells(text, "environment-differ") == [["threads", "2", "4"]]
    assert cells(text, "environment-same") == [["package_version", "0.1.0"]]


def test_an_unfinished_run_is_shown_as_that(tmp_path: Path) -> None:
    html_report([a_run(tmp_path / "search-x-1", "way = 5\nseed = 3\n")], tmp_path / "r.html")
    (row,) = cells((tmp_path / "r.html").read_text(), "summary-table")
    assert row[0] == "search-x-1" and row[-2:] == ["3", "search, not finished"]


def test_names_are_escaped(tmp_path: Path) -> None:
    run = a_run(tmp_path / "search-x-1", "dataset = '<script>alert(1)</script>'\n")
    html_report([run], tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text()
    assert text.count("<script>") == 1 and "&lt;script&gt;alert(1)&lt;/script&gt;" in text
