"""`--hours`: the length of one training, a limit for several, and a new limit on resume."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Pipeline
from tests.running import succeeding, tnas

QUICK = ("--meta-batch", 2, "--validation-tasks", 2, "--validate-every", 100_000)
SEARCH = ("--way", 3, "--shot", 1, "--query", 2, "--channels", 4, "--inner-steps", 1, *QUICK)


def test_a_search_takes_as_long_as_it_is_told(pipeline: Pipeline, tmp_path: Path) -> None:
    short = ("search", "--dataset", "shapes", *SEARCH, "--hours", 0.0003, "--runs", tmp_path)
    result = succeeding(*short, *pipeline.here, "--json").result
    assert result["hours"] == 0.0003
    assert result["tasks"] >= 2
    validated = [
        record
        for line in (Path(result["run"]) / "events.jsonl").read_text().splitlines()
        if (record := json.loads(line))["event"] == "validated"
    ]
    assert [record["tasks"] for record in validated] == [result["tasks"]]
    # The time is up, so nothing is left to do. More time continues the run; beside tasks, hours are an upper limit.
    again = succeeding("resume", result["run"], *pipeline.here, "--json").result
    assert again == result | {"again": True}
    more = succeeding("resume", result["run"], "--hours", 0.0012, *pipeline.here, "--json").result
    assert more["tasks"] > result["tasks"]
    assert "hours = 0.0012\n" in (Path(result["run"]) / "settings.toml").read_text()


def test_tasks_end_what_has_hours_left(pipeline: Pipeline, tmp_path: Path) -> None:
    both = ("search", "--dataset", "shapes", *SEARCH, "--hours", 1, "--tasks", 4, "--runs", tmp_path)
    assert succeeding(*both, *pipeline.here, "--json").result["tasks"] == 4


def test_an_estimate_is_no_longer_than_the_hours(pipeline: Pipeline) -> None:
    told = ("search", "--dataset", "shapes", *SEARCH, "--hours", 0.5, "--dry-run", *pipeline.here, "--json")
    result = succeeding(*told).result
    assert result["total_seconds"] == 1800
    assert 0 < result["steps"] < 10**7


def test_inherited_weights_are_trained_for_hours(pipeline: Pipeline, tmp_path: Path) -> None:
    command = ("train-eval", "-", "--weights", "inherited", "--checkpoint", pipeline.best, "--query", 2, *QUICK)
    result = succeeding(
        *command,
        *("--hours", 0.0003, "--runs", tmp_path),
        *pipeline.here,
        "--json",
        stdin=pipeline.decoded.stdout,
    ).result
    assert result["hours"] == 0.0003
    assert 2 <= result["budget"]["training"]["amount"] < 10**6
    more = succeeding("resume", result["run"], "--hours", 0.0009, *pipeline.here, "--json").result
    assert more["budget"]["training"]["amount"] > result["budget"]["training"]["amount"]
    again = succeeding("resume", result["run"], *pipeline.here, "--json").result
    assert (again["hours"], again["budget"]) == (0.0009, more["budget"])
    together = (*command, "--side-by-side", 2, "--runs", tmp_path, *pipeline.here)
    refused = tnas(*together, stdin=pipeline.decoded.stdout)
    assert refused.code == 2
    assert "--side-by-side" in refused.stderr


@pytest.mark.parametrize("hours", ["-1", "nan", "inf", "soon"])
def test_impossible_hours_are_refused(pipeline: Pipeline, hours: str) -> None:
    refused = tnas("search", "--dataset", "shapes", *SEARCH, "--hours", hours, *pipeline.here)
    assert refused.code == 2
    assert "hours" in refused.stderr


@pytest.mark.parametrize("setting", ["supervised", "transfer"])
def test_other_settings_have_no_hours(pipeline: Pipeline, setting: str) -> None:
    refused = tnas(setting, "DARTS_V2", "--dataset", "shapes", "--hours", 1, *pipeline.here)
    assert refused.code == 2
    assert "hours" in refused.stderr
