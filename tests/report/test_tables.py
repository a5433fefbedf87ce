"""Where a result is in the table, and what the notes say about it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.report.results import a_result, a_table
from tnas_cli.errors import DataError, SettingsError
from tnas_cli.report.footnotes import share
from tnas_cli.report.formats import to_records
from tnas_cli.report.paper_tables import PaperNumber
from tnas_cli.report.tables import Ours, Row, Table


def row(table: Table, label: str) -> Row:
    (found,) = [row for row in table.rows if str(row.cells[0]).startswith(label)]
    return found


def means(row: Row) -> list[float | None]:
    return [cell.measurement.mean if isinstance(cell, Ours) else None for cell in row.cells[3:]]


def test_papers_numbers_and_ours_have_columns_of_their_own() -> None:
    table = a_table(2, [a_result(), a_result(shot=5, mean=0.99, run="other")])
    for line in table.rows:
        for column, cell in zip(table.columns, line.cells, strict=True):
            assert not isinstance(cell, PaperNumber) or column.kind == "paper"
            assert not isinstance(cell, Ours) or column.kind == "ours"
    assert [column.title for column in table.columns[1:]] == [
        "paper 1-shot",
        "paper 5-shot",
        "ours 1-shot",
        "ours 5-shot",
    ]
    assert means(row(table, "T-NAS (Lian")) == [0.9876, 0.99]
    assert len(table.rows) == 10


def test_without_results_our_columns_are_empty() -> None:
    table = a_table(2, [])
    assert all(means(line) == [None, None] for line in table.rows)
    assert table.measured == ()


@pytest.mark.parametrize(
    ("changes", "label"),
    [
        ({"dataset": "glyphs"}, "T-NAS: glyphs (random split)"),
        ({"protocol": "vinyals"}, "T-NAS: omniglot (vinyals split)"),
        ({"way": 20}, "T-NAS: omniglot, 20-way"),
        ({"split": "val"}, "T-NAS: omniglot, val tasks"),
        ({"weights": "inherited"}, "T-NAS, inherited weights: omniglot"),
        ({"command": "adapt", "weights": "inherited"}, "T-NAS search network, adapted: omniglot"),
        ({"method": "random", "seed": 3}, "random: omniglot, seed 3"),
        ({"method": "maml", "network": "4conv-32", "dataset": "glyphs"}, "MAML, 4conv-32: glyphs (random split)"),
    ],
)
def test_what_the_paper_did_not_measure_stands_below(changes: dict[str, Any], label: str) -> None:
    table = a_table(2, [a_result(**changes)])
    assert means(row(table, "T-NAS (Lian")) == [None, None]
    assert [line.cells[0] for line in table.rows if not line.in_paper] == [label]
    assert table.rows[-1].cells[1:3] == (None, None)
    assert means(table.rows[-1]) == [0.9876, None]


def test_other_shots_get_a_column() -> None:
    table = a_table(2, [a_result(shot=3)])
    assert table.columns[-1].title == "ours 3-shot"
    assert means(table.rows[-1]) == [None, None, 0.9876]


def test_of_two_results_the_larger_budget_has_the_papers_row_and_none_is_lost() -> None:
    small = a_result(run="a", mean=0.9)
    large = a_result(run="b", mean=0.8, budget={"search_tasks": 1, "train_tasks_per_genotype": 30_000})
    for results in ([small, large], [large, small]):
        table = a_table(2, results)
        assert means(row(table, "T-NAS (Lian")) == [0.8, None]
        assert means(table.rows[-1]) == [0.9, None] and not table.rows[-1].in_paper


def test_the_note_of_a_number_says_how_it_came_about() -> None:
    table = a_table(2, [a_result()])
    (note,) = [note for note in table.notes if note.startswith("[1] ")]
    for part in (
        "omniglot (random split)",
        "5-way 1-shot",
        "15 query images per class",
        "600 test tasks",
        "transductive",
        "weights from scratch",
        "8,000 tasks, 16% of the paper's 50,000",
        "3,000 tasks for each of 4 of 20 genotypes, 0.0067% of the paper's 180,000,000",
        "seed 0",
        "14 min",
        "2 threads",
        "tnas 0.1.0",
        "runs/train-eval-omniglot-5w1s-t-nas-1",
    ):
        assert part in note
    assert "skip connection" not in note
    (note,) = [note for note in a_table(2, [a_result(max_skips=2)]).notes if note.startswith("[1] ")]
    assert "decoded with at most 2 skip connections per cell" in note


def test_the_marks_of_numbers_and_notes_agree() -> None:
    results = [a_result(dataset=name, shot=shot, run=name) for name in ("omniglot", "glyphs") for shot in (1, 5)]
    table = a_table(2, results)
    assert [ours.mark for ours in table.measured] == [1, 2, 3, 4]
    for ours in table.measured:
        (note,) = [note for note in table.notes if note.startswith(f"[{ours.mark}]")]
        assert ours.measurement.dataset in note and f"{ours.measurement.shot}-shot" in note


FOUR_CONV = {"method": "maml", "genotypes": 1, "genotypes_trained": 1, "parameters_mean": 32901.0}


def four_conv(filters: int, **changes: Any) -> dict[str, Any]:
    """MAML on 4CONV, as train-eval records it."""
    budget = {"search_tasks": None, "train_tasks_per_genotype": 3000}
    return a_result(**FOUR_CONV, network=f"4conv-{filters}", run=f"{filters}", budget=budget, **changes)


def test_a_fixed_network_stands_with_maml_and_its_note_names_it() -> None:
    table = a_table(2, [four_conv(32)])
    assert means(row(table, "T-NAS (Lian")) == [None, None]
    assert means(row(table, "MAML (Finn")) == [0.9876, None]
    (note,) = [note for note in table.notes if note.startswith("[1] ")]
    assert "network 4conv-32; training: 3,000 tasks; 32,901 parameters; seed 0" in note
    assert "genotype" not in note and "of the paper's" not in note
    assert [r["training_share_of_paper"] for r in to_records(table) if r["network"] == "4conv-32"] == [None]


def test_two_fixed_networks_share_no_further_row() -> None:
    table = a_table(2, [four_conv(32, way=20, shot=1), four_conv(64, way=20, shot=5)])
    below = [str(line.cells[0]) for line in table.rows if not line.in_paper]
    assert below == ["MAML, 4conv-32: omniglot, 20-way", "MAML, 4conv-64: omniglot, 20-way"]


@pytest.mark.parametrize(
    ("ours", "text"),
    [(8000, "16%"), (0, "0%"), (1, "0.002%"), (50_000, "100%"), (4000, "8%"), (75_000, "150%")],
)
def test_share_of_the_papers_budget(ours: int, text: str) -> None:
    assert share(ours, 50_000) == f"{text} of the paper's 50,000"


def test_wrong_input_is_refused() -> None:
    with pytest.raises(DataError, match="'interval' is None"):
        a_table(2, [a_result(interval=None)])
    with pytest.raises(SettingsError, match="table 9"):
        a_table(9, [])


def test_the_note_says_which_files_were_not_used_as_they_are() -> None:
    account = {
        "read": 90,
        "noted": [
            {"fate": "left out", "why": "files that are no images", "count": 2, "names": ["a.txt", "b.txt"]},
            {"fate": "left out", "why": "links that lead nowhere or in a circle", "count": 1, "names": ["x"]},
            {"fate": "converted", "why": "images with 16 bits, reduced to 8", "count": 1200, "names": []},
        ],
    }
    preparation = {"size": 28, "channels": 1, "mean": [0.0], "std": [1.0]}
    plain = a_table(2, [a_result(preparation=preparation)])
    told = a_table(2, [a_result(preparation={**preparation, "account": account})])
    words = (
        "90 images read; left out: files that are no images (2), links that lead nowhere or in a circle (1); "
        "converted: images with 16 bits, reduced to 8 (1,200)"
    )
    assert any(words in note for note in told.notes)
    assert not any("images read" in note for note in plain.notes)
