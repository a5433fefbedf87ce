"""The paper's numbers: some by hand, all against the paper's text where that is at hand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tnas_cli.errors import SettingsError
from tnas_cli.report.paper_tables import paper_table, paper_table_numbers, parse_number

PAPER = Path(__file__).parents[2].parent / "shared" / "paper.md"


def test_table_2_by_hand() -> None:
    table = paper_table(2)
    rows = {row.method: row for row in table.rows}
    assert len(rows) == 10 and table.shots == (1, 5)
    t_nas = rows["t-nas"].numbers
    assert (t_nas[1].mean, t_nas[1].interval, t_nas[5].mean, t_nas[5].interval) == (99.16, 0.34, 99.93, 0.07)
    assert rows["siamese-nets"].numbers[5].interval is None
    assert rows["maml"].numbers[1].citation == "Finn et al., 2017"


@pytest.mark.skipif(not PAPER.is_file(), reason=f"the paper's text is not at {PAPER}")
def test_table_2_equals_the_paper_cell_by_cell() -> None:
    lines = iter(PAPER.read_text(encoding="utf-8").splitlines())
    next(line for line in lines if line.startswith("Table 2:"))
    header = next(line for line in lines if line.startswith("Methods"))
    assert header.split("\t") == ["Methods", "1-shot", "5-shot"]
    printed = []
    for line in lines:
        if not line:
            break
        printed.append(tuple(re.sub(r"</?b>", "", cell) for cell in line.split("\t")))
    ours = [
        (f"{row.name} ({row.citation.replace('Lian et al., 2020', 'ours')})", row.numbers[1].text, row.numbers[5].text)
        for row in paper_table(2).rows
    ]
    assert ours == printed


def test_numbers_are_read_as_they_are_printed() -> None:
    number = parse_number("99.53 ± 0.26%", "Li et al., 2017")
    assert (number.mean, number.interval, number.text) == (99.53, 0.26, "99.53 ± 0.26%")
    assert parse_number("97.3%", "").interval is None


def test_the_papers_budget() -> None:
    budget = paper_table(2).budget
    assert budget.search_tasks == 10 * 5000
    assert budget.train_tasks_per_genotype == 20 * 15000


@pytest.mark.parametrize("number", [1, 0, -2, 99])
def test_an_unknown_table_is_refused(number: int) -> None:
    assert number not in paper_table_numbers()
    with pytest.raises(SettingsError, match=f"table {number} "):
        paper_table(number)
