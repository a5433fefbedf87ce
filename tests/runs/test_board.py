"""Event files, read back with TensorBoard's own reader."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.boards import read_board
from tnas_cli.errors import SettingsError, TnasError
from tnas_cli.records.kinds import Step
from tnas_cli.records.parts import Environment
from tnas_cli.runs import board as module
from tnas_cli.runs.board import Board
from tnas_cli.runs.device import Machine
from tnas_cli.runs.run_directory import RunDirectory


def step(tasks: int, loss: float = 1.5, **values: float) -> dict[str, object]:
    return {"event": "step", "version": 2, "stage": "search", "tasks": tasks, "loss": loss, **values}


def logged(tasks: int) -> Step:
    return Step(stage="search", tasks=tasks, values={"loss": 1.5})


def validated(tasks: int, accuracy: float) -> dict[str, object]:
    return {
        "event": "validated",
        "version": 2,
        "stage": "search",
        "tasks": tasks,
        "accuracy": accuracy,
        "interval": 0.25,
    }


def test_every_number_of_a_record_stands_at_its_tasks(tmp_path: Path) -> None:
    board = Board(tmp_path)
    board.add(step(4, accuracy=0.25, theta=0.125, entropy=1.0))
    board.add(validated(4, 0.5))
    board.add(step(8, 0.5, accuracy=0.75, theta=0.25, validation=0.5, other=0.125, skips=3) | {"tasks/s": 2.0})
    assert read_board(tmp_path / "search") == {
        "batch/loss": [(4, 1.5), (8, 0.5)],
        "batch/accuracy": [(4, 0.25), (8, 0.75)],
        "batch/other": [(8, 0.125)],
        "theta/skip connections": [(8, 3.0)],
        "theta/mean largest probability": [(4, 0.125), (8, 0.25)],
        "theta/normalised entropy": [(4, 1.0)],
        "speed/tasks per second": [(8, 2.0)],
        "validation/accuracy": [(4, 0.5)],
        "validation/interval": [(4, 0.25)],
    }


def test_each_stage_is_a_run_of_its_own(tmp_path: Path) -> None:
    board = Board(tmp_path)
    for stage in ("aa", "bb"):
        board.add(step(4) | {"stage": stage})
    assert [read_board(tmp_path / stage) for stage in ("aa", "bb")] == [{"batch/loss": [(4, 1.5)]}] * 2


def test_what_a_killed_run_did_twice_is_shown_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first run ends after 12 tasks, but its last checkpoint is from task 4, where the second one begins."""
    first, second = Board(tmp_path), Board(tmp_path)
    for tasks in (4, 8, 12):
        first.add(step(tasks, loss=1.0))
    now = module.time.time()
    monkeypatch.setattr(module.time, "time", lambda: now + 1)
    for tasks in (8, 12, 16):
        second.add(step(tasks, loss=2.0))
    assert read_board(tmp_path / "search") == {"batch/loss": [(4, 1.0), (8, 2.0), (12, 2.0), (16, 2.0)]}


def test_other_records_are_left_out(tmp_path: Path) -> None:
    Board(tmp_path / "board").add({"event": "result", "mean": 0.5})
    assert not (tmp_path / "board").exists()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "search").write_text("a file")
    with pytest.raises(TnasError, match="cannot write"):
        Board(tmp_path).add(step(4))


def test_a_run_goes_on_writing_once_it_has_begun(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, "search", "", Environment())
    run.log(logged(2))
    assert not (run.path / "tensorboard").exists()
    run.to_tensorboard()
    another = RunDirectory.open(run.path)
    run.log(logged(4))
    another.log(logged(8))
    assert [step for step, _ in read_board(run.path / "tensorboard" / "search")["batch/loss"]] == [4, 8]
    assert len((run.path / "events.jsonl").read_text().splitlines()) == 3


def test_without_the_package_nothing_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunDirectory.create(tmp_path, "search", "", Environment())
    (run.path / "tensorboard").mkdir()
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(SettingsError, match="not installed") as caught:
        Machine("cpu", tensorboard=True).start()
    assert caught.value.hint == "pip install 'tnas-cli[tensorboard]'"
    with pytest.raises(SettingsError, match="not installed") as caught:
        RunDirectory.open(run.path)
    assert str(run.path / "tensorboard") in caught.value.hint
    Machine("cpu").start()
