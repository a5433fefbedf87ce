"""Sources of figures and pages: run directories, files and standard input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.report.results import a_result
from tnas_cli.errors import DataError
from tnas_cli.report.material import read_material


def a_run(folder: Path, **parts: str) -> Path:
    folder.mkdir(parents=True)
    for name, text in {"settings.toml": 'dataset = "omniglot"\nway = 5\n', **parts}.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def lines(*records: dict[str, Any]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def test_a_run_is_read_with_all_its_parts(tmp_path: Path) -> None:
    validated = {"event": "validated", "stage": "ab", "tasks": 4, "accuracy": 0.5, "interval": 0.1}
    run = a_run(
        tmp_path / "train-eval-x-1",
        **{
            "events.jsonl": lines(validated, a_result()),
            "genotypes.jsonl": lines({"event": "genotype"}),
            "environment.json": '{"threads": 2}',
            "plan.json": '{"limit": 3}',
        },
    )
    (found,) = read_material([run])
    assert (found.name, found.command, found.folder) == ("train-eval-x-1", "train-eval", run)
    assert found.settings == {"dataset": "omniglot", "way": 5}
    assert found.environment == {"threads": 2} and found.plan == {"limit": 3}
    assert found.stages["ab"].validations == [(4, 0.5, 0.1)]
    assert found.result["mean"] == 0.9876 and len(found.of("genotype")) == 1


def test_a_run_that_has_just_begun_is_known_by_its_name(tmp_path: Path) -> None:
    (found,) = read_material([a_run(tmp_path / "search-omniglot-5w1s-t-nas-1")])
    assert found.command == "search" and found.result == {} and not found.stages
    (found,) = read_material([a_run(tmp_path / "train-eval-omniglot-5w1s-t-nas-1")])
    assert found.command == "train-eval"


def test_files_and_standard_input(tmp_path: Path) -> None:
    file = tmp_path / "adapted.jsonl"
    file.write_text(lines({"event": "adapted"}, a_result(command="adapt")))
    first, second = read_material([file, "-"], stdin=file.read_text())
    assert first.records == second.records and first.folder is None
    assert (first.name, second.name) == ("adapted", "stdin")


def test_equal_names_are_told_apart(tmp_path: Path) -> None:
    runs = [a_run(tmp_path / part / "run") for part in "abc"]
    assert [material.name for material in read_material(runs)] == ["run", "run-2", "run-3"]


def test_all_runs_are_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="no runs in"):
        read_material([])
    for name in ("b", "a"):
        a_run(tmp_path / "runs" / name)
    assert [material.name for material in read_material([])] == ["a", "b"]


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ("settings.toml", "way = = 5"),
        ("environment.json", "{"),
        ("environment.json", "[1]"),
        ("plan.json", "nonsense"),
        ("events.jsonl", "nonsense\n{}\n"),
        ("events.jsonl", "\udc80"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, part: str, text: str) -> None:
    run = a_run(tmp_path / "run")
    (run / part).write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(DataError, match=part):
        read_material([run])


def test_what_is_no_source_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="missing does not exist"):
        read_material([tmp_path / "missing"])
    with pytest.raises(DataError, match="not a run directory"):
        read_material([tmp_path])
    with pytest.raises(DataError, match="no standard input"):
        read_material(["-"])
