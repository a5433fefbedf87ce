"""Markdown, CSV, JSON and LaTeX have the same numbers; an independent reader reads each back."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest

from tests.report.results import a_result, a_table
from tnas_cli.report.formats import render, to_markdown, to_record
from tnas_cli.report.tables import Table


@pytest.fixture
def table() -> Table:
    return a_table(2, [a_result(), a_result(dataset="glyphs", mean=0.5, run="b|c")])


def cells(line: str) -> list[str]:
    return [cell.strip().replace("\\", "") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_markdown_is_two_regular_tables(table: Table) -> None:
    text = to_markdown(table)
    first, second = [block for block in text.split("\n\n") if block.startswith("|")]
    rows = [cells(line) for line in first.splitlines()]
    assert {len(row) for row in rows} == {5}
    by_name = {row[0]: row[1:] for row in rows}
    assert by_name["T-NAS (Lian et al., 2020)"] == ["99.16 ± 0.34", "99.93 ± 0.07", "98.76 ± 0.34 [1]", ""]
    assert by_name["T-NAS: glyphs (random split)"] == ["", "", "50.00 ± 0.34 [2]", ""]
    further = [cells(line) for line in second.splitlines()]
    assert further[0] == [
        *(
            "Note",
            "Ours",
            "minus paper",
            "95% interval",
            "tasks",
            "search budget",
            "training budget",
            "weights",
            "seed",
        ),
    ]
    assert further[2] == ["[1]", "1-shot", "−0.40", "± 0.34", "600", "16%", "0.0067%", "from scratch", "0"]
    assert further[3] == ["[2]", "1-shot", "", "± 0.34", "600", "16%", "0.0067%", "from scratch", "0"]
    assert "b\\|c" in text and text.count("\n- ") == len(table.notes)


def test_csv_has_a_line_per_method_and_shot(table: Table) -> None:
    records = list(csv.DictReader(io.StringIO(render(table, "csv"))))
    assert len(records) == 10 * 2 + 1
    (ours,) = [r for r in records if r["method"] == "t-nas" and r["paper_mean"] and r["shot"] == "1"]
    assert (ours["paper_mean"], ours["paper_interval"], ours["our_mean"]) == ("99.16", "0.34", "98.76")
    assert (ours["difference"], ours["our_interval"], ours["unit"], ours["seeds"]) == ("-0.4", "0.34", "percent", "0")
    assert float(ours["search_share_of_paper"]) == pytest.approx(8000 / 50_000)
    assert float(ours["training_share_of_paper"]) == pytest.approx(3000 * 4 / (300_000 * 600))
    wanted = {"tasks": "600", "protocol": "random", "weights": "from-scratch", "transductive": "True", "seed": "0"}
    assert {key: ours[key] for key in wanted} == wanted
    (empty,) = [r for r in records if r["method"] == "siamese" and r["shot"] == "1"]
    assert (
        empty["difference"] == empty["our_mean"] == empty["tasks"] == empty["paper_interval"] == ""
        and empty["paper_mean"] == "97.3"
    )


def test_json_holds_the_same_records_with_null_for_what_was_not_run(table: Table) -> None:
    value = json.loads(render(table, "json"))
    assert value == to_record(table).to_json()
    rows = list(csv.DictReader(io.StringIO(render(table, "csv"))))
    assert [{k: "" if v is None else str(v) for k, v in record.items()} for record in value["records"]] == rows
    assert value["records"][0]["our_mean"] is None


def test_one_task_has_no_interval() -> None:
    table = a_table(2, [a_result(tasks=1, interval=0.0)])
    assert "| 98.76 \\[1\\] |" in to_markdown(table)


def test_markdown_keeps_a_note_with_a_star_a_note() -> None:
    assert "\n- \\* the average number of parameters" in to_markdown(a_table(3, []))


#: What escapes and commands leave of a LaTeX line once they are gone.
ESCAPED = re.compile(r"\\(?:[&%$#_{}\\]|[a-z]+\b)")


@pytest.mark.parametrize("number", [2, 3, 5, 7, 8])
def test_latex_has_balanced_braces_and_rows_of_equal_length(number: int) -> None:
    awkward = a_result(dataset="a_b & 50% $x^2$ #1 {~} \\", run="r[1]_#")
    text = render(a_table(number, [awkward, a_result()]), "latex")
    bare = ESCAPED.sub("", text)
    depth = 0
    for character in bare:
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0
    assert depth == 0
    assert not re.search("[#_^~<>±−]", bare)
    assert text.count("$") - text.count("\\$") == 2 * (text.count("$\\pm$") + text.count("$-$"))
    assert sorted(re.findall(r"\\begin\{(\w+)", text)) == sorted(re.findall(r"\\end\{(\w+)", text)) != []
    for kinds, body in re.findall(r"\\begin\{tabular\}\{([lr]+)\}(.*?)\\end\{tabular\}", text, re.DOTALL):
        lines = [line for line in body.splitlines() if line.endswith("\\\\") and "multicolumn" not in line]
        assert len(lines) > 1
        for line in lines:
            assert line.replace("\\&", "").count("&") == len(kinds) - 1


def test_latex_says_our_numbers_and_the_papers() -> None:
    text = render(a_table(2, [a_result(), a_result(dataset="glyphs", run="b")]), "latex")
    (line,) = [line for line in text.splitlines() if line.startswith("T-NAS (Lian")]
    assert line == (
        "T-NAS (Lian et al., 2020) & 99.16 $\\pm$ 0.34 & 99.93 $\\pm$ 0.07 & 98.76 $\\pm$ 0.34 {[}1{]} &  \\\\"
    )
    assert "{[}1{]} & 1-shot & $-$0.40 & $\\pm$ 0.34 & 600 & 16\\% & 0.0067\\% & from scratch & 0 \\\\" in text
    assert text.index("T-NAS++ (Lian") < text.index("\\emph{not in the paper's table:}") < text.index("T-NAS: glyphs")
    assert "\\usepackage{booktabs}" in text and "\\toprule" in text


def test_latex_without_results_has_one_tabular() -> None:
    assert render(a_table(4, []), "latex").count("\\begin{tabular}") == 1
