"""Each of the paper's tables takes the results that measure the same, and shows their differences."""

from __future__ import annotations

from typing import Any

import pytest

from tests.report.results import a_result, a_table
from tests.report.test_tables import FOUR_CONV, row
from tnas_cli.report.grids import details
from tnas_cli.report.tables import Ours, Row


def supervised(**changes: Any) -> dict[str, Any]:
    """A result of the supervised setting as Table 5 measures it."""
    record = a_result(setting="supervised", dataset="mini-imagenet", protocol="ravi", way=10, shot=200, query=50)
    record |= {"tasks": 10, "mean": 0.6323, "interval": 0.0005, "search_seconds": 330.0, "genotypes_trained": 10}
    return record | {"budget": {"search_tasks": 25_000, "train_epochs": 20}, **changes}


def transfer(**changes: Any) -> dict[str, Any]:
    """A result of the transfer setting, which has no tasks."""
    record = a_result(setting="transfer", dataset="cifar10", mean=0.9652, parameters_mean=3_450_000.0)
    for key in ("protocol", "split", "way", "shot", "query", "tasks", "interval", "transductive"):
        del record[key]
    return record | {"device": "NVIDIA P40", "search_seconds": 8640.0, **changes}


def ours(row: Row) -> list[tuple[float, float | None] | None]:
    """Value and difference of our cells, to two digits."""
    found = [cell if isinstance(cell, Ours) else None for cell in row.cells[-len(row.cells) // 2 + 1 :]]
    return [c and (round(c.value, 2), None if c.difference is None else round(c.difference, 2)) for c in found]


@pytest.mark.parametrize(
    ("number", "dataset", "protocol", "shot", "difference"),
    [
        (2, "omniglot", "random", 1, 98.76 - 99.16),
        (3, "mini-imagenet", "ravi", 5, 98.76 - 67.88),
        (4, "fc100", "superclasses", 10, 98.76 - 58.9),
        (6, "mini-imagenet", "ravi", 1, 98.76 - 52.84),
    ],
)
def test_a_few_shot_table_takes_what_was_measured_on_its_tasks(
    number: int, dataset: str, protocol: str, shot: int, difference: float
) -> None:
    table = a_table(number, [a_result(dataset=dataset, protocol=protocol, shot=shot)])
    assert all(line.in_paper for line in table.rows)
    ((column, cell),) = table.cells_of_ours
    assert column.shot == shot and cell in row(table, "T-NAS (Lian").cells
    assert cell.difference == pytest.approx(difference)


def test_another_split_of_the_same_data_set_is_not_compared() -> None:
    table = a_table(4, [a_result(dataset="fc100", protocol="classes")])
    assert [cell.difference for _, cell in table.cells_of_ours] == [None]
    assert table.rows[-1].cells[0] == "T-NAS: fc100 (classes split)"


@pytest.mark.parametrize(
    ("changes", "label"),
    [
        ({}, "MAML (first-order) (Finn"),
        ({"order": "first"}, "MAML (first-order) (Finn"),
        ({"order": "second"}, "MAML (Finn"),
        ({"network": "4conv-64"}, "MAML, 4conv-64: mini-imagenet"),
    ],
)
def test_maml_of_each_order_has_its_row_and_another_network_has_not(changes: dict[str, Any], label: str) -> None:
    record = a_result(**{**FOUR_CONV, "network": "4conv-32", **changes}, dataset="mini-imagenet", protocol="ravi")
    table = a_table(3, [record])
    ((_, cell),) = table.cells_of_ours
    assert cell in row(table, label).cells


@pytest.mark.parametrize(
    ("network", "shot", "label"),
    [
        ("auto-meta-small", 5, "Auto-Meta (small)"),
        ("auto-meta-large-1shot", 1, "Auto-Meta (large)"),
        ("auto-meta-large-5shot", 5, "Auto-Meta (large)"),
        ("auto-meta-large-5shot", 1, "Reptile, auto-meta-large-5shot: mini-imagenet"),
        ("4conv-32", 1, "Reptile, 4conv-32: mini-imagenet"),
    ],
)
def test_auto_metas_rows_take_what_reptile_makes_of_their_networks(network: str, shot: int, label: str) -> None:
    record = a_result(**{**FOUR_CONV, "method": "reptile", "title": "Reptile", "network": network, "shot": shot})
    table = a_table(3, [record | {"dataset": "mini-imagenet", "protocol": "ravi"}])
    ((_, cell),) = table.cells_of_ours
    assert cell in row(table, label).cells


def test_the_supervised_table_has_accuracy_and_search_time() -> None:
    table = a_table(5, [supervised(), supervised(method="s1", search_seconds=60.0, run="b")])
    assert ours(row(table, "T-NAS (Lian")) == [(63.23, -1.0), (5.5, 0.5)]
    assert ours(row(table, "S1 (Lian")) == [(63.23, -1.61), (1.0, -265.0)]
    assert ours(row(table, "S2 (Lian")) == [None, None]
    assert [cell.mark for _, cell in table.cells_of_ours] == [1, 1, 2, 2] and len(table.measured) == 2
    assert table.notes[0].endswith("accuracy in %, ± as printed (the paper does not say of what).")
    grid = details(table)
    assert grid is not None
    assert grid.rows[2] == ("[2]", "200-shot", "−1.00", "± 0.05", "10", "50%", "10%", "from scratch", "0")
    assert (
        "search time 6 min per task; training: 20 epochs for each of 10 of 20 genotypes, 10% of the paper's 200"
        in "".join(table.notes)
    )


def test_of_two_supervised_results_the_one_trained_longer_has_the_row() -> None:
    short = supervised(run="a", mean=0.9)
    long = supervised(run="b", mean=0.5, budget={"search_tasks": 1, "train_epochs": 21})
    for results in ([short, long], [long, short]):
        table = a_table(5, results)
        assert ours(row(table, "T-NAS (Lian"))[0] == (50.0, -14.23)
        assert ours(table.rows[-1])[0] == (90.0, None)


@pytest.mark.parametrize(
    ("changes", "label"), [({"query": 15}, "15-query"), ({"way": 5}, "5-way"), ({"shot": 100}, "T-NAS: mini-imagenet")]
)
def test_other_supervised_tasks_stand_below(changes: dict[str, Any], label: str) -> None:
    table = a_table(5, [supervised(**changes)])
    assert [cell.difference for _, cell in table.cells_of_ours] == [None, None]
    assert label in str(table.rows[-1].cells[0])


def test_the_transfer_tables_have_errors_parameters_and_gpu_days() -> None:
    table = a_table(7, [transfer()])
    assert ours(row(table, "T-NAS (first-order)")) == [(3.48, 0.5), (3.45, 0.05), (0.1, 0.06)]
    assert "cifar10 (images split), test images" in table.notes[-1]
    table = a_table(8, [transfer(dataset="imagenet", mean=0.7, top5_mean=0.89)])
    assert ours(row(table, "T-NAS (Lian")) == [(30.0, 2.7), (11.0, 2.0), (3.45, -1.45), (0.1, 0.06)]


def test_what_was_not_measured_for_a_transfer_table_is_empty() -> None:
    table = a_table(8, [transfer(dataset="imagenet", mean=0.7, device="cpu")])
    found = ours(row(table, "T-NAS (Lian"))
    assert found[1] is None, "top-5 was not measured"
    assert found[3] is None, "a processor's time is no GPU day"


def test_results_of_another_setting_are_left_out_and_counted() -> None:
    table = a_table(2, [a_result(), supervised(), transfer()])
    assert len(table.measured) == 1
    assert table.notes[-1] == "Left out: 2 results of a setting other than few-shot."


def test_several_seeds_are_named_with_their_mean_and_spread() -> None:
    table = a_table(2, [a_result(seeds=[0, 1, 2], mean_over_seeds=0.987, spread_over_seeds=0.0012)])
    assert "seeds 0, 1, 2: mean 98.70%, standard deviation 0.12 points" in table.notes[-1]
    grid = details(table)
    assert grid is not None and grid.rows[0][-1] == "0, 1, 2"


def test_an_adapted_search_network_is_named_once() -> None:
    record = a_result(command="adapt", weights="inherited", network="search network adapted")
    table = a_table(2, [record])
    assert table.rows[-1].cells[0] == "T-NAS search network, adapted: omniglot"
    assert table.notes[-1].count("search network") == 1


def test_nothing_measured_has_no_details() -> None:
    assert details(a_table(2, [])) is None


def test_what_was_found_in_another_space_is_not_compared_with_the_paper() -> None:
    table = a_table(2, [a_result(dataset="omniglot", protocol="random", shot=1, space="tiny")])
    (line,) = [line for line in table.rows if any(isinstance(cell, Ours) for cell in line.cells)]
    assert not line.in_paper
    assert line.cells[0] == "T-NAS: omniglot, space tiny"
