"""Reading results: what counts, which result replaces another, errors of broken files, and a folder of runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.report.results import a_result, a_run, measured
from tnas_cli.commands.report import check, report
from tnas_cli.errors import DataError
from tnas_cli.records.results import AdaptResult, TransferResult
from tnas_cli.report.formats import to_markdown
from tnas_cli.report.measured import dataset_of, has_interval
from tnas_cli.report.results import read_measured, results_of
from tnas_cli.runs import events

STEP = {"event": "step", "stage": "search", "tasks": 4, "loss": 1.0}


def lines(*records: dict[str, Any]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def test_a_run_directory_gives_its_last_result(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run", STEP, a_result(mean=0.5), a_result(mean=0.6), {"event": "done"})
    assert [result.mean for result in read_measured(run)] == [0.6]


def test_a_file_gives_all_runs_and_the_last_of_each() -> None:
    text = lines(
        a_result(run="a", mean=0.1),
        a_result(run="a", mean=0.2),
        a_result(run="b", mean=0.3),
        a_result(run="a", shot=5, mean=0.4),
    )
    assert sorted(result.mean or 0 for result in read_measured(text, "x")) == [0.2, 0.3, 0.4]


def test_what_is_no_measurement_is_passed_over() -> None:
    others = [
        {"event": "result", "command": "prepare-data", "mean": [0.0]},
        {"event": "result", "command": "search", "validation_accuracy": 0.9},
        a_result(command="adapt", mean=None, interval=None),
        {"event": "result", "command": "train-eval", "dry_run": True},
        {"event": "adapted", "accuracy": 1.0},
    ]
    assert read_measured(lines(*others) + "\n" + lines(a_result()), "x") == measured(a_result())


def test_adapting_task_folders_needs_no_data_set() -> None:
    record = a_result(command="adapt", weights="inherited")
    for key in ("dataset", "protocol", "split", "query", "genotypes", "genotypes_trained", "parameters_mean"):
        del record[key]
    (found,) = measured(record)
    assert isinstance(found, AdaptResult) and dataset_of(found) == "task folders" and found.genotypes is None
    table = to_markdown(report_of(record))
    assert "task folders, 5-way 1-shot, 600 given tasks" in table


def report_of(*records: dict[str, Any]) -> Any:
    from tnas_cli.report.tables import build_table

    return build_table(2, measured(*records))


def test_a_transfer_result_needs_no_tasks() -> None:
    record = a_result(setting="transfer", dataset="cifar10", interval=None)
    for key in ("protocol", "split", "way", "shot", "query", "tasks", "transductive"):
        del record[key]
    (found,) = measured(record)
    assert isinstance(found, TransferResult)
    assert (found.protocol, found.way, has_interval(found)) == ("images", None, False)
    with pytest.raises(DataError, match="'way' is 0"):
        measured(a_result(way=0))


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
    (json.dumps(a_result(budget={"search_tasks": "many"})), "'budget.search.amount' is 'many'"),
    (json.dumps(a_result(wall_seconds=-1)), "'wall_seconds' is -1"),
    (json.dumps(a_result(version=3)), "version 3"),
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
        read_measured(file)
    assert str(file) in caught.value.message and message in caught.value.message
    assert caught.value.exit_code == 3 and caught.value.hint


def _nothing(path: Path) -> None:
    """Leave the path missing."""


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_nothing, "does not exist"),
        (Path.mkdir, "has no events.jsonl"),
        (lambda path: path.write_bytes(b"\xff\xfe\x00\x80"), "not JSON"),
        (lambda path: path.write_bytes(b"\x80\x81\x82\x83"), "is not text"),
    ],
    ids=["missing", "folder without events", "UTF-16 of nothing", "binary"],
)
def test_a_source_that_cannot_be_read_is_named(tmp_path: Path, make: Any, message: str) -> None:
    path = tmp_path / "source"
    make(path)
    with pytest.raises(DataError) as caught:
        read_measured(path)
    assert str(path) in caught.value.message and message in caught.value.message


def a_folder_of_runs(root: Path) -> Path:
    """Two runs with results, a search, one that has just begun, two that cannot be read, and a folder without a run."""
    a_run(root / "one", a_result(run="one"))
    a_run(root / "two", a_result(run="two", shot=5))
    a_run(root / "search", STEP, {"event": "result", "command": "search"})
    (root / "new").mkdir()
    (root / "new" / "settings.toml").write_text("way = 5\n")
    a_run(root / "wrong", a_result(mean="high"))
    a_run(root / "noise")
    (root / "noise" / "events.jsonl").write_bytes(b"\x80\x81\x82")
    (root / "notes").mkdir()
    return root


def test_of_a_folder_of_runs_a_bad_one_hides_no_other(tmp_path: Path) -> None:
    root = a_folder_of_runs(tmp_path / "runs")
    found = results_of([root])
    assert [m.run for m in found.measured] == ["one", "two"]
    first, second = found.left_out
    assert "noise" in first and "is not text" in first
    assert "wrong" in second and "'mean' is 'high'" in second


def test_the_table_of_a_folder_names_what_it_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = a_folder_of_runs(tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    for sources in ([root], [], ["runs"], sorted(path for path in root.iterdir() if path.name not in ("new", "notes"))):
        table = report(sources)
        assert len(table.measured) == 2
        left_out = [note for note in table.notes if note.startswith("Left out: ")]
        assert len(left_out) == 2 and "'mean' is 'high'" in left_out[1]


def test_a_check_notes_what_it_left_out(tmp_path: Path) -> None:
    root = a_folder_of_runs(tmp_path / "runs")
    expected = tmp_path / "expected.toml"
    expected.write_text('[[expect]]\nmethod = "t-nas"\nat_least = 0.9\n')
    said: list[events.Event] = []
    (outcome,) = check(expected, [root], listener=said.append)
    assert len(outcome.found) == 2 and outcome.status == "met"
    assert [isinstance(event, events.Note) and event.text[:9] for event in said] == ["left out:"] * 2


def test_a_bad_run_that_is_the_only_source_is_an_error(tmp_path: Path) -> None:
    root = a_folder_of_runs(tmp_path / "runs")
    with pytest.raises(DataError, match="'mean' is 'high'"):
        results_of([root / "wrong"])
    with pytest.raises(DataError, match=r"none of the sources holds a measured result; left out: .*'mean' is 'high'"):
        results_of([root / "wrong", root / "search"])
    with pytest.raises(DataError, match="holds none"):
        results_of([root / "notes"])


def test_a_missing_source_is_an_error_also_among_several(tmp_path: Path) -> None:
    root = a_folder_of_runs(tmp_path / "runs")
    with pytest.raises(DataError, match="nowhere does not exist"):
        results_of([root / "one", "nowhere"])


def test_a_half_last_line_of_a_killed_run_is_dropped(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run", a_result())
    with (run / "events.jsonl").open("a") as file:
        file.write('{"event": "step", "sta')
    assert read_measured(run) == read_measured(run / "events.jsonl") == measured(a_result())
