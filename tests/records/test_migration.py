"""Records of version 1, as tnas 0.1 wrote them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.report.results import a_result
from tnas_cli.errors import DataError
from tnas_cli.records import kinds, results
from tnas_cli.records.parts import Amount, Budget, CountedFor, Preparation
from tnas_cli.records.reading import parse


def test_a_training_has_its_budget_with_units() -> None:
    found = parse(a_result())
    assert isinstance(found, results.TrainResult)
    assert found.budget == Budget(
        search=Amount(amount=8000, unit="tasks"), training=Amount(amount=3000, unit="tasks", each="genotype")
    )
    assert found.environment.device == "cpu" and found.mean == 0.9876 and found.extra == {}
    again = parse(found.to_json())
    assert again == found and found.to_json()["version"] == 2


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({}, Budget()),
        (
            {"search_tasks": None, "train_epochs": 30},
            Budget(training=Amount(amount=30, unit="epochs", each="genotype")),
        ),
        (
            {"search_tasks": 4, "inherit_tasks": 5},
            Budget(search=Amount(amount=4, unit="tasks"), training=Amount(amount=5, unit="tasks")),
        ),
        ({"further": 1}, Budget(extra={"further": 1})),
    ],
)
def test_budgets(old: dict[str, Any], new: Budget) -> None:
    found = parse(a_result(budget=old))
    assert isinstance(found, results.TrainResult) and found.budget == new


def test_a_budget_that_is_none_is_refused() -> None:
    with pytest.raises(DataError, match=r"'budget.search.amount' is 'many'"):
        parse(a_result(budget={"search_tasks": "many"}))


def test_the_other_settings_of_train_eval_are_commands() -> None:
    found = parse(a_result(setting="supervised", per_task=None))
    assert isinstance(found, results.SupervisedResult) and (found.command, found.setting) == ("supervised",) * 2
    record = a_result(setting="transfer", dataset="cifar10", interval=None)
    for key in ("protocol", "split", "transductive"):
        del record[key]
    found_ = parse(record)
    assert isinstance(found_, results.TransferResult)
    assert (found_.protocol, found_.split, found_.way, found_.interval) == ("images", "test", None, None)


def test_a_network_has_its_true_name() -> None:
    found = parse(a_result(training="compare-nets", method="compare-nets", network="4conv-32"))
    assert isinstance(found, results.TrainResult) and found.network == "relation network"
    found = parse(a_result(training="maml", method="maml", network="4conv-32"))
    assert isinstance(found, results.TrainResult) and found.network == "4conv-32"


def test_an_adaptation_says_how_its_images_were_prepared() -> None:
    data = {"dataset": "omniglot", "protocol": "random", "size": 28, "channels": 1, "mean": [0.0], "std": [1.0]}
    found = parse({"event": "adapted", "version": 1, "theta": [[[0.0]]], "data": data, "task": {"folder": "x"}})
    assert isinstance(found, kinds.Adapted)
    assert found.preparation == Preparation(size=28, channels=1, mean=(0.0,), std=(1.0,))
    assert found.preparation.invert is None  # not known


def test_a_genotype_says_of_which_network_its_weights_were_counted() -> None:
    old = {"event": "genotype", "version": 1, "genotype": {}, "parameters": 12}
    found = parse(old)
    assert isinstance(found, kinds.Decoded)
    assert found.counted_for == CountedFor(way=5, image_channels=3, channels=16)
    found = parse(old | {"way": 3, "channels": 4, "data": {"channels": 1}})
    assert isinstance(found, kinds.Decoded)
    assert found.counted_for == CountedFor(way=3, image_channels=1, channels=4)


def test_log_lines_had_no_version() -> None:
    step = parse({"event": "step", "stage": "search", "tasks": 4, "loss": 0.5})
    assert step == kinds.Step(stage="search", tasks=4, values={"loss": 0.5})
