"""What is written to which stream, and in which form."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import SEARCH, TESTING, TRAINING, Pipeline
from tests.running import Argument, succeeding, tnas

Arguments = tuple[Argument, ...]

#: Every command on the tiny pipeline: its arguments, without those on streams.
COMMANDS: dict[str, Callable[[Pipeline, Path], Arguments]] = {
    "prepare-data": lambda p, _: ("prepare-data", "folder", "--source", p.folder / "shapes", "--cache-dir", p.cache),
    "search": lambda p, runs: ("search", *SEARCH, "--runs", runs, *p.here),
    "search --dry-run": lambda p, runs: ("search", *SEARCH, "--runs", runs, "--dry-run", *p.here),
    "adapt": lambda p, _: ("adapt", p.best, p.task, *p.here),
    "decode": lambda p, _: ("decode", p.best),
    "train-eval": lambda p, runs: ("train-eval", p.folder / "one.jsonl", *TRAINING, *TESTING, "--runs", runs, *p.here),
    "report": lambda p, _: ("report", p.trained.result["run"]),
    "report --compare": lambda p, _: ("report", "--compare", p.trained.result["run"], p.trained.result["run"]),
    "runs": lambda p, _: ("runs", p.runs),
    "watch": lambda p, _: ("watch", p.trained.result["run"]),
    "cite": lambda p, _: ("cite", p.trained.result["run"]),
    "doctor": lambda p, _: ("doctor", "--threads", 1, "--device", "cpu"),
}


@pytest.fixture
def arguments(request: pytest.FixtureRequest, pipeline: Pipeline, tmp_path: Path) -> Arguments:
    """The command's arguments; runs lie in the test's own folder."""
    (pipeline.folder / "one.jsonl").write_text(pipeline.decoded.stdout.splitlines()[0] + "\n")
    return COMMANDS[request.param](pipeline, tmp_path / "runs")


every_command = pytest.mark.parametrize("arguments", COMMANDS, indirect=True)


@pytest.fixture(autouse=True)
def quick_doctor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skips two seconds of measuring that these tests do not need."""
    monkeypatch.setattr("tnas_cli.commands.doctor.SAMPLE_SECONDS", 0.0)


@every_command
def test_json_is_one_object_per_line(arguments: Arguments) -> None:
    ran = succeeding(*arguments, "--json")
    assert all(isinstance(json.loads(line), dict) for line in ran.stdout.splitlines())
    assert ran.result["event"] == "result"
    assert ran.result["version"] in (1, 2)
    assert ran.result["command"] == arguments[0]


@every_command
def test_quiet_leaves_data_for_a_person_without_colours(arguments: Arguments) -> None:
    ran = succeeding(*arguments, "--quiet")
    assert ran.stderr == ""
    assert ran.stdout.strip()
    assert "\x1b" not in ran.stdout
    with pytest.raises(json.JSONDecodeError):
        json.loads(ran.stdout.splitlines()[0])


def test_words_are_on_stderr(pipeline: Pipeline, tmp_path: Path) -> None:
    ran = succeeding("search", *SEARCH, "--runs", tmp_path, *pipeline.here)
    best = tmp_path / "search-shapes-3w1s-t-nas-1" / "best.pt"
    assert ran.stdout == f"{best}\n"
    assert "\x1b" not in ran.stderr
    for words in ("search: 8/8 tasks", "uniform: 0.125", "skip connections", f"next: tnas adapt {best}"):
        assert words in ran.stderr


def test_no_color_takes_the_colours_away(pipeline: Pipeline) -> None:
    run, terminal = pipeline.trained.result["run"], {"FORCE_COLOR": "1", "TERM": "xterm-256color"}
    colour = re.compile(r"\x1b\[(\d+;)*[349]\d(;|m)")  # bold and italics are no colours
    assert colour.search(tnas("report", run, environment=terminal).stdout)
    assert not colour.search(tnas("report", run, environment=terminal | {"NO_COLOR": "1"}).stdout)
