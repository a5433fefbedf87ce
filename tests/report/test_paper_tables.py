"""The paper's numbers: some by hand, and all against the paper's text if it is available."""

from __future__ import annotations

import re
import tomllib
from importlib import resources
from pathlib import Path

import pytest

from tnas_cli.episodes.specs import DATASETS
from tnas_cli.errors import SettingsError
from tnas_cli.report.measured import SETTINGS
from tnas_cli.report.measures import MEASURES
from tnas_cli.report.paper_tables import NO_NUMBER, PaperTable, paper_table, paper_table_numbers, parse_number

PAPER = Path(__file__).parents[2].parent / "shared" / "paper.md"
NUMBERS = (2, 3, 4, 5, 6, 7, 8)

#: Rows of each table, and some numbers as a person read them in the paper: (method, column, mean, interval).
BY_HAND: dict[int, tuple[int, list[tuple[str, str, float, float | None]]]] = {
    2: (10, [("t-nas", "1-shot", 99.16, 0.34), ("siamese", "5-shot", 98.4, None), ("maml", "1-shot", 98.7, 0.4)]),
    3: (16, [("t-nas", "5-shot", 67.88, 0.92), ("t-nas++", "1-shot", 54.11, 1.35), ("llama", "1-shot", 49.40, 1.83)]),
    4: (5, [("t-nas", "10-shot", 58.9, 0.7), ("maml", "1-shot", 38.1, 1.7), ("t-nas++", "5-shot", 54.6, 0.9)]),
    5: (4, [("s1", "200-shot", 64.84, 0.04), ("s1", "time", 266.0, None), ("t-nas", "time", 5.0, None)]),
    6: (18, [("tadam", "5-shot", 76.7, 0.3), ("mtl", "1-shot", 61.2, 1.8), ("auto-maml", "5-shot", 64.10, 1.12)]),
    7: (9, [("t-nas", "error", 2.98, 0.12), ("nasnet-a", "cost", 180.0, None), ("enas", "parameters", 4.6, None)]),
    8: (9, [("t-nas", "top-1", 27.3, None), ("pnas", "cost", 255.0, None), ("amoebanet-a", "top-5", 8.0, None)]),
}


def test_all_tables_of_results_are_at_hand() -> None:
    assert paper_table_numbers() == NUMBERS == tuple(BY_HAND)


@pytest.mark.parametrize("number", NUMBERS)
def test_some_numbers_by_hand(number: int) -> None:
    table = paper_table(number)
    rows, cells = BY_HAND[number]
    by_method = {row.method: row for row in table.rows}
    assert len(table.rows) == rows
    for method, column, mean, interval in cells:
        found = by_method[method].numbers[column]
        assert (found.mean, found.interval) == (mean, interval)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_table_is_consistent(number: int) -> None:
    table = paper_table(number)
    text = resources.files("tnas_cli.report").joinpath("paper", f"table_{number}.toml").read_text(encoding="utf-8")
    known = {"method", "name", "citation", "printed", "order", "network", "training"}
    known |= {column.key for column in table.columns}
    assert all(set(row) <= known for row in tomllib.loads(text)["rows"])
    assert table.number == number and f"Table {number}" in table.source
    assert table.setting in SETTINGS
    assert table.protocol in DATASETS[table.dataset].protocols
    assert (table.way is None) == (table.setting == "transfer") == (not table.shots)
    identities = [(row.method, row.order, str(row.network)) for row in table.rows]
    assert len(set(identities)) == len(identities)
    for column in table.columns:
        assert column.measure is None or column.measure in MEASURES
        for row in table.rows:
            is_number = column.measure is not None and row.cells[column.key] not in NO_NUMBER
            assert is_number == (column.key in row.numbers)
            assert not is_number or row.numbers[column.key].mean > 0


@pytest.mark.parametrize("number", NUMBERS)
def test_every_row_cites_a_work_with_its_year(number: int) -> None:
    for row in paper_table(number).rows:
        assert re.fullmatch(r"[A-Z][\w& ]+(?: et al\.)?, 20\d\d[ab]?", row.citation), row
        assert all(cell.citation == row.citation for cell in row.numbers.values())


@pytest.mark.parametrize("number", [2, 3, 4, 5, 6])
def test_the_papers_own_methods_cite_the_paper(number: int) -> None:
    own = {row.method for row in paper_table(number).rows if row.citation == "Lian et al., 2020"}
    assert own == ({"random", "s1", "s2", "t-nas"} if number == 5 else {"auto-maml", "t-nas", "t-nas++"})


def test_tables_3_and_6_agree() -> None:
    small, large = paper_table(3), paper_table(6)
    shown = {(row.method, row.order): row for row in large.rows}
    for row in small.rows:
        assert {key: shown[row.method, row.order].cells[key] for key in row.cells} == row.cells
    pretrained = {row.method for row in large.rows if row.cells["pretrained"] == "Y"}
    assert pretrained == {"tadam", "mtl"} == {m for m, _ in shown} - {row.method for row in small.rows}


def printed_rows(number: int) -> list[tuple[str, ...]]:
    """The rows of a table in the paper's text, its mathematics and its bold face as plain text."""
    lines = iter(PAPER.read_text(encoding="utf-8").splitlines())
    next(line for line in lines if line.startswith(f"Table {number}:"))
    next(line for line in lines if line.startswith("Methods\t"))
    rows = []
    for line in lines:
        if not line:
            break
        text = re.sub(r"</?(?:b|math)>", "", line).replace("$", "").replace(r"\pm", "±").replace(r"\%", "%")
        # Table 8 has a second line of titles, which names no method.
        if not text.startswith("\t"):
            rows.append(tuple(cell.strip() for cell in text.split("\t")))
    return rows


def rows_as_printed(table: PaperTable) -> list[tuple[str, ...]]:
    return [(row.printed, *(row.cells[column.key] for column in table.columns)) for row in table.rows]


@pytest.mark.skipif(not PAPER.is_file(), reason=f"the paper's text is not at {PAPER}")
@pytest.mark.parametrize("number", NUMBERS)
def test_a_table_equals_the_paper_cell_by_cell(number: int) -> None:
    assert rows_as_printed(paper_table(number)) == printed_rows(number)


@pytest.mark.parametrize(
    ("text", "mean", "interval"),
    [
        ("99.53 ± 0.26%", 99.53, 0.26),
        ("97.3%", 97.3, None),
        ("3.29 ± 0.15", 3.29, 0.15),
        ("266 min", 266.0, None),
        ("~255", 255.0, None),
        ("0.043", 0.043, None),
    ],
)
def test_numbers_are_read_as_they_are_printed(text: str, mean: float, interval: float | None) -> None:
    number = parse_number(text, "Li et al., 2017")
    assert (number.mean, number.interval, number.text, number.citation) == (mean, interval, text, "Li et al., 2017")


def test_the_papers_budget() -> None:
    few_shot, supervised = paper_table(2).budget, paper_table(5).budget
    assert all(paper_table(number).budget == few_shot for number in (3, 4, 6))
    assert few_shot.search_tasks == supervised.search_tasks == 10 * 5000
    assert few_shot.train_tasks_per_genotype == 20 * 15000
    assert few_shot.training_tasks == 20 * 15000 * 600 and few_shot.train_epochs is None
    assert supervised.train_epochs == 200 and supervised.training_tasks is None


@pytest.mark.parametrize("number", [1, 0, -2, 99])
def test_an_unknown_table_is_refused(number: int) -> None:
    with pytest.raises(SettingsError, match=f"table {number} "):
        paper_table(number)
