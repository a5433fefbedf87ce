"""docs/report.md agrees with what `tnas report` offers."""

from __future__ import annotations

import re
from pathlib import Path

from tests.report.results import a_result, a_table
from tnas_cli.cli.report import ENDINGS
from tnas_cli.report.expectations import BOUNDS, WHICH, read_expectations
from tnas_cli.report.formats import FORMATS
from tnas_cli.report.grids import details
from tnas_cli.report.paper_tables import paper_table, paper_table_numbers

TEXT = (Path(__file__).parents[2] / "docs" / "report.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """The text under a heading."""
    return TEXT.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_every_table_is_listed_with_its_data_set() -> None:
    rows = re.findall(r"^\| (\d) \| .*? \| `([\w-]+)`, `([\w-]+)` \|", section("The tables"), re.MULTILINE)
    tables = [paper_table(number) for number in paper_table_numbers()]
    assert rows == [(str(table.number), table.dataset, table.protocol) for table in tables]


def test_the_columns_of_the_second_table_are_explained() -> None:
    grid = details(a_table(2, [a_result()]))
    explained = re.findall(r"^\| ([\w% ]+) \| ", section("The tables"), re.MULTILINE)
    assert grid is not None and explained[-7:] == list(grid.titles[2:])


def test_every_format_is_listed_with_its_ending() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\S.*?) \|", section("Formats"), re.MULTILINE)
    assert {form for form, _ in rows} == set(FORMATS)
    assert {ending.strip("`"): form for form, ending in rows} == ENDINGS


def test_the_example_is_a_file_of_expectations(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    file = tmp_path / "expected.toml"
    file.write_text(example, encoding="utf-8")
    first, second = read_expectations(file)
    assert (round(first.least, 9), round(first.most, 9)) == (0.94, 0.96)
    assert second.which["network"] == "4conv-32" and (second.least, second.most) == (0.9, 1.0)


def test_every_key_of_an_expectation_is_explained() -> None:
    rows = re.findall(r"^\| (`.*?`) \| ", section("Checking expectations"), re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(rows))) == {*WHICH, *BOUNDS}
