"""Reading results: what counts, what replaces what, and what a broken file is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.report.results import a_result, a_run
from tnas_cli.errors import DataError
from tnas_cli.report.records import Measurement, parse_results, read_results


def test_a_run_directory_gives_its_last_result(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run", {"event": "step"}, a_result(mean=0.5), a_result(mean=0.6), {"event": "done"})
    assert [result["mean"] for result in read_results(run)] == [0.6]


def test_a_file_gives_all_runs_and_the_last_of_each() -> None:
    lines = [
        a_result(run="a", mean=0.1),
        a_result(run="a", mean=0.2),
        a_result(run="b", mean=0.3),
        a_result(run="a", shot=5, mean=0.4),
    ]
    found = parse_results(map(json.dumps, lines), "x")
    assert sorted(result["mean"] for result in found) == [0.2, 0.3, 0.4]


def test_what_is_no_measurement_is_passed_over() -> None:
    others = [
        {"event": "result", "command": "prepare-data", "mean": [0.0]},
        {"event": "result", "command": "search", "validation_accuracy": 0.9},
        {"event": "result", "command": "adapt", "mean": None},
        {"event": "result", "command": "train-eval", "dry_run": True},
        {"event": "adapted", "accuracy": 1.0},
    ]
    assert parse_results([*map(json.dumps, others), "", json.dumps(a_result())], "x") == [a_result()]


def test_adapting_task_folders_needs_no_data_set() -> None:
    record = a_result(command="adapt", weights="inherited")
    for key in ("dataset", "protocol", "split", "query", "genotypes", "genotypes_trained", "parameters_mean"):
        del record[key]
    measured = Measurement.from_record(record)
    assert measured.dataset == "task folders" and measured.genotypes is None


def test_a_transfer_result_needs_no_tasks() -> None:
    record = a_result(setting="transfer", dataset="cifar10", interval=None)
    for key in ("protocol", "split", "way", "shot", "query", "tasks", "transductive"):
        del record[key]
    measured = Measurement.from_record(record)
    assert (measured.protocol, measured.way, measured.has_interval) == ("images", 0, False)
    with pytest.raises(DataError, match="'way' is 0"):
        Measurement.from_record(a_result(way=0))


BROKEN: list[tuple[str, str]] = [
    ("", "is empty"),
    ("\n\n", "is empty"),
    ('{"event": "step"}\n', "no measured result"),
    ('{"event": "step"}\n{"event": "res', "line 2: not JSON"),
    ("[1, 2]\n", "line 1"),
    ("[" * 100_000, "line 1"),
    (json.dumps(a_result(mean="high")), "'mean' is 'high'"),
    (json.dumps(a_result(mean=98.76)), "'mean' is 98.76"),
    (json.dumps(a_result(mean=float("nan"))), "'mean' is nan"),
    (json.dumps(a_result(way=True)), "'way' is True"),
    (json.dumps(a_result(transductive=1)), "'transductive' is 1"),
    (json.dumps(a_result(shot=None)), "'shot' is None"),
    (json.dumps(a_result(budget=7)), "'budget' is 7"),
    (json.dumps(a_result(budget={"search_tasks": "many"})), "'search_tasks' is 'many'"),
    (json.dumps(a_result(wall_seconds=-1)), "'wall_seconds' is -1"),
    (json.dumps(a_result(version=2)), "version 2"),
    (json.dumps(a_result(setting="zero-shot")), "'setting' is 'zero-shot'"),
    (json.dumps(a_result(seeds=[0, "one"])), "'seeds' is [0, 'one']"),
    (json.dumps(a_result(spread_over_seeds="small")), "'spread_over_seeds' is 'small'"),
    (json.dumps(a_result(tasks=0)), "'tasks' is 0"),
]


@pytest.mark.parametrize(("text", "message"), BROKEN, ids=[message for _, message in BROKEN])
def test_a_broken_file_is_named_with_its_fault(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "results.jsonl"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_results(file)
    assert str(file) in caught.value.message and message in caught.value.message
    assert caught.value.exit_code == 3 and caught.value.hint


def _nothing(path: Path) -> None:
    """Leave the path missing."""


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_nothing, "does not exist"),
        (Path.mkdir, "has no events.jsonl"),
        (lambda path: path.write_bytes(b"\xff\xfe\x00\x80"), "is not text"),
    ],
    ids=["missing", "folder without events", "binary"],
)
def test_a_source_that_cannot_be_read_is_named(tmp_path: Path, make: Any, message: str) -> None:
    path = tmp_path / "source"
    make(path)
    with pytest.raises(DataError) as caught:
        read_results(path)
    assert str(path) in caught.value.message and message in caught.value.message
