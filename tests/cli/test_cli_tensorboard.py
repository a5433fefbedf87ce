"""`--tensorboard` of `tnas search` and `tnas train-eval`: what the log says, in event files."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.boards import read_board
from tests.cli.wrong import searching
from tests.conftest import TESTING, TRAINING, Pipeline
from tests.running import succeeding, tnas
from tnas_cli.runs import drive


def validations(run: Path) -> dict[str, list[tuple[int, float]]]:
    """What `events.jsonl` says about validation, by stage."""
    found: dict[str, list[tuple[int, float]]] = {}
    for line in (run / "events.jsonl").read_text().splitlines():
        record = json.loads(line)
        if record["event"] == "validated":
            found.setdefault(record["stage"], []).append((record["tasks"], pytest.approx(record["accuracy"])))
    return found


def test_a_search(pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drive, "SECONDS_BETWEEN_LOG_LINES", 0.0)
    run = Path(succeeding(*searching(pipeline, tmp_path, "--tensorboard", "--json")).result["run"])
    board = read_board(run / "tensorboard" / "search")
    assert board["validation/accuracy"] == validations(run)["search"]
    steps = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines() if '"step"' in line]
    assert len(steps) > 1
    assert board["batch/loss"] == [(record["tasks"], pytest.approx(record["loss"])) for record in steps]
    assert {"theta/mean largest probability", "theta/normalised entropy", "batch/accuracy"} <= set(board)


@pytest.mark.parametrize("more", [(*TESTING,), ("--weights", "inherited")], ids=["scratch", "inherited"])
def test_a_training(more: tuple[str | int, ...], pipeline: Pipeline, tmp_path: Path) -> None:
    checkpoint = ("--checkpoint", pipeline.best) if "inherited" in more else ()
    arguments = ("train-eval", "-", *TRAINING, *more, *checkpoint, "--runs", tmp_path, *pipeline.here, "--json")
    run = Path(succeeding(*arguments, "--tensorboard", stdin=pipeline.decoded.stdout).result["run"])
    boards = {path.name: read_board(path)["validation/accuracy"] for path in (run / "tensorboard").iterdir()}
    assert boards == validations(run)


def test_without_the_option_there_is_nothing(pipeline: Pipeline) -> None:
    assert not (Path(pipeline.searched.result["run"]) / "tensorboard").exists()


def test_the_package_is_asked_for_before_any_work(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    ran = tnas(*searching(pipeline, tmp_path, "--tensorboard"))
    assert ran.code == 2 and "pip install 'tnas-cli[tensorboard]'" in ran.stderr
    assert not list(tmp_path.iterdir())


def test_the_supervised_setting_logs_no_steps(pipeline: Pipeline, tmp_path: Path) -> None:
    arguments = ("--dataset", "shapes", "--method", "random")
    ran = tnas("supervised", *arguments, "--runs", tmp_path, *pipeline.here, "--tensorboard")
    assert ran.code == 2 and "--tensorboard" in ran.stderr
