"""`tnas report`: what it reads and the forms it writes."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tests.conftest import Pipeline
from tests.running import Ran, succeeding


def percent(pipeline: Pipeline) -> str:
    """The pipeline's accuracy as the table shows it."""
    return f"{100 * pipeline.trained.result['mean']:.2f} ± {100 * pipeline.trained.result['interval']:.2f}"


def test_a_run_a_file_and_stdin_give_the_same_table(pipeline: Pipeline, tmp_path: Path) -> None:
    run, path = pipeline.trained.result["run"], tmp_path / "results.jsonl"
    path.write_text(pipeline.trained.stdout)
    tables = [
        succeeding("report", run, "--format", "markdown"),
        succeeding("report", path, "--format", "markdown"),
        succeeding("report", "-", "--format", "markdown", stdin=pipeline.trained.stdout),
    ]
    assert percent(pipeline) in tables[0].stdout
    assert tables[0] == tables[1] == tables[2]


def test_forms(pipeline: Pipeline, tmp_path: Path) -> None:
    def shown(*options: str | Path) -> Ran:
        return succeeding("report", pipeline.trained.result["run"], *options)

    assert "Table 2" in shown().stdout
    assert percent(pipeline) in shown().stdout
    assert len({len(row) for row in csv.reader(io.StringIO(shown("--format", "csv").stdout))}) == 1
    json.loads(shown("--format", "json").stdout)
    table, result = shown("--json").records
    assert (result["event"], result["command"], result["table"], result["measured"]) == ("result", "report", 2, 1)
    assert table["event"] != "result"
    path = tmp_path / "report.md"
    written = shown("--output", path)
    assert written.stdout == ""
    assert path.read_text() == shown("--format", "markdown").stdout


def test_all_runs_are_the_default(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(pipeline.folder)
    assert percent(pipeline) in succeeding("report", "--format", "markdown").stdout


def test_the_papers_numbers_and_ours_are_in_columns_of_their_own(pipeline: Pipeline) -> None:
    text = succeeding("report", pipeline.trained.result["run"], "--format", "csv").stdout
    *papers, measured = csv.DictReader(io.StringIO(text))
    assert float(measured["our_mean"]) == pytest.approx(100 * pipeline.trained.result["mean"], abs=1e-3)
    assert measured["paper_mean"] == ""
    assert {row["our_mean"] for row in papers} == {""}
    assert "99.16" in {row["paper_mean"] for row in papers}


def test_what_adapt_and_train_eval_keep_can_be_compared(pipeline: Pipeline, tmp_path: Path) -> None:
    adapted = tmp_path / "adapted.jsonl"
    adapted.write_text(pipeline.adapted.stdout)
    comparison, _ = succeeding("report", "--compare", pipeline.trained.result["run"], adapted, "--json").records
    means = [100 * ran.result["mean"] for ran in (pipeline.trained, pipeline.adapted)]
    assert [comparison[side]["mean"] for side in "ab"] == pytest.approx(means)
    assert comparison["difference"] == pytest.approx(means[0] - means[1], abs=1e-3)
    assert comparison["tasks"] == 4


def test_a_measured_run_is_cited(pipeline: Pipeline) -> None:
    assert "@inproceedings{liu2019darts," in succeeding("cite", pipeline.trained.result["run"]).stdout
