"""Markdown, CSV and JSON say the same numbers; each is read back by an independent reader."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest

from tests.report.results import a_result
from tnas_cli.report.formats import render, to_json, to_markdown
from tnas_cli.report.tables import Table, build_table


@pytest.fixture
def table() -> Table:
    return build_table(2, [a_result(), a_result(dataset="glyphs", mean=0.5, run="b|c")])


def cells(line: str) -> list[str]:
    return [cell.strip().replace("\\", "") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_markdown_is_one_regular_table(table: Table) -> None:
    text = to_markdown(table)
    rows = [cells(line) for line in text.splitlines() if line.startswith("|")]
    assert {len(row) for row in rows} == {5}
    by_name = {row[0]: row[1:] for row in rows}
    assert by_name["T-NAS (Lian et al., 2020)"] == ["99.16 ± 0.34", "99.93 ± 0.07", "98.76 ± 0.34 [1]", ""]
    assert by_name["T-NAS: glyphs (random split)"] == ["", "", "50.00 ± 0.34 [2]", ""]
    assert "b\\|c" in text and text.count("\n- ") == len(table.notes)


def test_csv_has_a_line_per_method_and_shot(table: Table) -> None:
    records = list(csv.DictReader(io.StringIO(render(table, "csv"))))
    assert len(records) == 10 * 2 + 1
    (ours,) = [r for r in records if r["method"] == "t-nas" and r["paper_mean"] and r["shot"] == "1"]
    assert (ours["paper_mean"], ours["paper_interval"], ours["our_mean"]) == ("99.16", "0.34", "98.76")
    assert float(ours["search_share_of_paper"]) == pytest.approx(8000 / 50_000)
    assert float(ours["training_share_of_paper"]) == pytest.approx(3000 * 4 / (300_000 * 600))
    wanted = {"tasks": "600", "protocol": "random", "weights": "from-scratch", "transductive": "True", "seed": "0"}
    assert {key: ours[key] for key in wanted} == wanted
    (empty,) = [r for r in records if r["method"] == "siamese-nets" and r["shot"] == "1"]
    assert empty["our_mean"] == empty["tasks"] == empty["paper_interval"] == "" and empty["paper_mean"] == "97.3"


def test_json_holds_the_same_records_with_null_for_what_was_not_run(table: Table) -> None:
    value = json.loads(render(table, "json"))
    assert value == to_json(table)
    rows = list(csv.DictReader(io.StringIO(render(table, "csv"))))
    assert [{k: "" if v is None else str(v) for k, v in record.items()} for record in value["records"]] == rows
    assert value["records"][0]["our_mean"] is None


def test_one_task_has_no_interval() -> None:
    table = build_table(2, [a_result(tasks=1, interval=0.0)])
    assert "| 98.76 \\[1\\] |" in to_markdown(table)
