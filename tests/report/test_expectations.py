"""Files of expectations: what they may contain, which results they match, and when they are met."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.report.results import a_result, measured
from tnas_cli.errors import DataError, SettingsError
from tnas_cli.report.expectations import Outcome, check, read_expectations

WHICH = 'method = "t-nas"\ndataset = "omniglot"\nway = 5\nshot = 1\n'


def outcome(tmp_path: Path, text: str, *results: dict[str, Any]) -> Outcome:
    file = tmp_path / "expected.toml"
    file.write_text(f"[[expect]]\n{text}\n", encoding="utf-8")
    (found,) = check(read_expectations(file), measured(*results))
    return found


@pytest.mark.parametrize(
    ("bounds", "mean", "status"),
    [
        ("mean = 0.95\ntolerance = 0.01", 0.955, "met"),
        ("mean = 0.95\ntolerance = 0.01", 0.96, "met"),
        ("mean = 0.95\ntolerance = 0.01", 0.94, "met"),
        ("mean = 0.95\ntolerance = 0.01", 0.9601, "outside"),
        ("mean = 0.95\ntolerance = 0.01", 0.9399, "outside"),
        ("at_least = 0.9", 0.9, "met"),
        ("at_least = 0.9", 0.8999, "outside"),
        ("at_most = 0.9", 0.9001, "outside"),
        ("at_least = 0.9\nat_most = 0.91", 0.905, "met"),
    ],
)
def test_bounds(tmp_path: Path, bounds: str, mean: float, status: str) -> None:
    assert outcome(tmp_path, WHICH + bounds, a_result(mean=mean)).status == status


@pytest.mark.parametrize("changes", [{"shot": 5}, {"dataset": "glyphs"}, {"method": "maml"}, {"command": "adapt"}])
def test_another_result_is_not_meant(tmp_path: Path, changes: dict[str, Any]) -> None:
    found = outcome(tmp_path, WHICH + "at_least = 0.1", a_result(**changes))
    assert found.status == "not measured" and found.line().startswith("not measured: method t-nas, dataset omniglot")


def test_an_adaptation_is_meant_where_it_is_named(tmp_path: Path) -> None:
    adapted = a_result(command="adapt", mean=0.5)
    text = WHICH + 'command = "adapt"\nat_least = 0.6'
    assert [m.mean for m in outcome(tmp_path, text, a_result(), adapted).found] == [0.5]


def test_all_meant_results_must_be_inside(tmp_path: Path) -> None:
    seeds = [a_result(seed=0, run="a", mean=0.95), a_result(seed=1, run="b", mean=0.8)]
    found = outcome(tmp_path, WHICH + "at_least = 0.9", *seeds)
    assert found.status == "outside"
    assert found.line().endswith("shot 1: 95.00 and 80.00, expected 90.00 to 100.00")
    assert outcome(tmp_path, WHICH + "seed = 0\nat_least = 0.9", *seeds).status == "met"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no [[expect]] table"),
        ("[[expect]", "is not TOML"),
        ("[[expect]]\nat_least = 0.9", "expectation 1 does not say which results"),
        ("[[expect]]\nshot = 1", "has no bound"),
        ("[[expect]]\nshot = 1\nmean = 0.9", "has mean"),
        ("[[expect]]\nshot = 1\nmean = 0.9\nat_least = 0.8", "has at_least, mean"),
        ("[[expect]]\nshot = 1\nat_least = 95", "at_least is 95"),
        ('[[expect]]\nshot = "one"\nat_least = 0.9', "shot is 'one'"),
        ("[[expect]]\nshot = true\nat_least = 0.9", "shot is True"),
        ("[[expect]]\nshots = 1\nat_least = 0.9", "unknown key 'shots'"),
        ("[[expect]]\nshot = 1\nat_least = 0.9\n[[expect]]\nway = 5", "expectation 2 has no bound"),
        ("[expect]\nshot = 1\nat_least = 0.9", "no [[expect]] table"),
        ("[[expect]]\nshot = 1\nat_least = 0.9\n[other]\na = 1", "has 'other' beside"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "expected.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        read_expectations(file)
    assert words in caught.value.message and str(file) in caught.value.message and caught.value.hint


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read .*expected\.toml"):
        read_expectations(tmp_path / "expected.toml")
