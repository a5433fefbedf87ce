import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tnas_cli.records.parts import Environment
from tnas_cli.runs import drive as module
from tnas_cli.runs.drive import Saving, drive
from tnas_cli.runs.events import Event, Progress, StepDone, Validated
from tnas_cli.runs.interrupt import SIGNALS, StoppedError
from tnas_cli.runs.run_directory import RunDirectory


class Recorder:
    """Records what a driver does, in order."""

    def __init__(self, folder: Path) -> None:
        self.run = RunDirectory.create(folder, "a", "", Environment())
        self.calls: list[str] = []
        self.progress: list[Progress] = []
        self.saving = Saving(last=lambda: self.calls.append("last"), best=lambda: self.calls.append("best"))

    def drive(self, events: Iterator[Event]) -> None:
        drive(events, self.run, self.saving, self.progress.append, stage="search")

    @property
    def log(self) -> list[dict[str, object]]:
        path = self.run.path / "events.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    return Recorder(tmp_path)


def step(tasks: int) -> StepDone:
    return StepDone(tasks, 8, loss=1.5, accuracy=0.25, values={"theta": 0.125})


def test_steps_become_progress(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rate counts from the end of the first step: 4 tasks in the 2 seconds after it."""
    clock = iter([0.0, 10.0, 11.0, 12.0])
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    recorder.drive(iter([step(4), Validated(4, 0.75, 0.01, True), step(8)]))
    values = {"loss": 1.5, "accuracy": 0.25, "theta": 0.125}
    assert recorder.progress == [
        Progress("search", 4, 8, "tasks", values),
        Progress("search", 8, 8, "tasks", {**values, "validation": 0.75, "tasks/s": 2.0}),
    ]


def test_validation_saves_and_logs(recorder: Recorder) -> None:
    """`best` before `last`: if the program is killed in between, resuming validates again and writes both."""
    recorder.drive(iter([Validated(4, 0.75, 0.01, True), Validated(8, 0.5, 0.02, False)]))
    assert recorder.calls == ["best", "last", "last", "last"]
    assert recorder.log == [
        {"event": "validated", "version": 2, "stage": "search", "tasks": 4, "accuracy": 0.75, "interval": 0.01},
        {"event": "validated", "version": 2, "stage": "search", "tasks": 8, "accuracy": 0.5, "interval": 0.02},
    ]


def test_time_decides_about_checkpoints_and_log_lines(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps at 1, 6, 61, 62 and 130 seconds: lines at 6, 61 and 130; checkpoints at 61, 130 and at the end."""
    clock = iter([0.0, 1.0, 6.0, 61.0, 62.0, 130.0])
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    saved_after = []
    recorder.saving = Saving(
        last=lambda: saved_after.append(recorder.progress[-1].done), best=lambda: saved_after.append(-1)
    )
    recorder.drive(step(tasks) for tasks in (1, 2, 3, 4, 5))
    assert [record["tasks"] for record in recorder.log] == [2, 3, 5]
    assert saved_after == [3, 5, 5]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_finishes_the_step_and_saves(number: int, recorder: Recorder) -> None:
    begun = []

    def events() -> Iterator[Event]:
        for tasks in (2, 4, 6, 8):
            begun.append(tasks)
            if tasks == 4:
                os.kill(os.getpid(), number)
            yield step(tasks)

    before = signal.getsignal(number)
    with pytest.raises(StoppedError):
        recorder.drive(events())
    assert begun == [2, 4]
    assert [progress.done for progress in recorder.progress] == [2, 4]
    assert recorder.calls == ["last"]
    assert signal.getsignal(number) is before


def test_a_second_signal_stops_at_once(recorder: Recorder) -> None:
    def events() -> Iterator[Event]:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        yield step(2)

    with pytest.raises(KeyboardInterrupt):
        recorder.drive(events())
    assert recorder.calls == []


def test_a_failing_method_overwrites_no_checkpoint(recorder: Recorder) -> None:
    """The state that was saved before the failure can be resumed."""

    def events() -> Iterator[Event]:
        yield step(2)
        raise ValueError("broken")

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ValueError, match="broken"):
        recorder.drive(events())
    assert recorder.calls == []
    assert signal.getsignal(signal.SIGINT) is before


def test_the_end_is_saved(recorder: Recorder) -> None:
    recorder.drive(iter([step(8)]))
    assert recorder.calls == ["last"]


def test_other_units_are_named(recorder: Recorder) -> None:
    """A training on labelled images counts batches: neither bar nor log calls them tasks."""
    drive(
        iter([step(4), Validated(4, 0.5, 0.1, True)]),
        recorder.run,
        recorder.saving,
        recorder.progress.append,
        stage="a",
        unit="batches",
    )
    assert recorder.progress[0].unit == "batches"
    (record,) = recorder.log
    assert record == {"event": "validated", "version": 2, "stage": "a", "batches": 4, "accuracy": 0.5, "interval": 0.1}
