"""The log of a run that is killed: no record twice, none missing, no half one."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.records.examples import a_training
from tnas_cli.records.kinds import Step, Validated
from tnas_cli.records.writing import line
from tnas_cli.runs import event_log
from tnas_cli.runs.event_log import EventLog


def step(tasks: int, stage: str = "a ü") -> str:
    return line(Step(stage=stage, tasks=tasks, values={"loss": 0.5}))


def validated(tasks: int, stage: str = "a ü") -> str:
    return line(Validated(stage=stage, tasks=tasks, accuracy=0.5, interval=0.1))


@pytest.fixture
def log(tmp_path: Path) -> EventLog:
    return EventLog(tmp_path / "events.jsonl")


def texts(log: EventLog) -> list[str]:
    return log.path.read_text().splitlines(keepends=True)


def test_it_forgets_what_the_checkpoint_of_a_stage_does_not_know(log: EventLog) -> None:
    """The checkpoint was written after four tasks, before their validation."""
    known = [step(2), validated(2), step(4), step(8, "b"), validated(8, "b")]
    for text in [*known[:3], validated(4), *known[3:], step(6)]:
        log.append(text)
    log.rewind("a ü", 4, {2})
    assert texts(log) == known
    log.rewind("a ü", 0, ())
    assert texts(log) == known[3:]


def test_a_log_that_knows_no_more_is_left_as_it_is(log: EventLog) -> None:
    log.rewind("a ü", 0, ())
    assert not log.path.exists()
    log.append(step(2))
    before = log.path.stat().st_ino
    log.rewind("a ü", 2, ())
    assert log.path.stat().st_ino == before


@pytest.mark.parametrize("rest", ["", '{"half', "\0\0\0"])
def test_the_last_line_of_a_finished_run_is_there_once(log: EventLog, rest: str) -> None:
    log.append(step(2))
    with log.path.open("a") as file:
        file.write(rest)
    result = line(a_training())
    for _ in range(2):
        log.end(result)
    assert texts(log) == [step(2), result]


def test_the_result_of_a_run_that_was_opened_again_takes_the_place_of_the_earlier_one(log: EventLog) -> None:
    results = [line(a_training(wall_seconds=seconds)) for seconds in (1.0, 2.0, 3.0)]
    log.append(step(2))
    for text in results[:2]:  # as two versions of tnas would leave it
        log.append(text)
    for text in (step(4), step(6)):
        log.append(text)
    for _ in range(2):
        log.end(results[2])
        assert texts(log) == [step(2), step(4), step(6), results[2]]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_processes_that_add_at_once_leave_whole_lines(log: EventLog) -> None:
    long = {f"value {number}": 0.5 for number in range(2000)}
    children = []
    for number in range(3):
        if (child := os.fork()) == 0:
            for tasks in range(20):
                log.append(line(Step(stage=str(number), tasks=tasks, values=long)))
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    found = [(record["stage"], record["tasks"]) for record in map(json.loads, texts(log))]
    assert sorted(found) == [(str(number), tasks) for number in range(3) for tasks in range(20)]


def test_lines_of_other_stages_survive_a_rewind(log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever adds a line while the log is cut back adds it to the new one."""
    log.append(step(9, "a"))
    is_beyond, begun = event_log._is_beyond, threading.Event()

    def slowly(*arguments: Any) -> bool:
        begun.set()
        time.sleep(0.3)
        return is_beyond(*arguments)

    monkeypatch.setattr(event_log, "_is_beyond", slowly)
    cutting = threading.Thread(target=log.rewind, args=("a", 0, set()))
    cutting.start()
    begun.wait()
    EventLog(log.path).append(step(9, "b"))
    cutting.join()
    assert log.path.read_text(encoding="utf-8") == step(9, "b")


def test_what_another_machine_has_noted_is_done_here(log: EventLog, tmp_path: Path) -> None:
    """Lines and rewinds in their order; the last line of a process that was killed is left out."""
    there = EventLog(tmp_path / "there.jsonl", to_send=True)
    there.rewind("a ü", 2, {2})
    there.append(step(4))
    there.append(validated(4))
    for text in [step(2), validated(2), step(6), step(8, "b")]:
        log.append(text)
    added = log.receive(there.path.read_text() + '{"event": "st')
    assert texts(log) == [step(2), validated(2), step(8, "b"), step(4), validated(4)]
    assert [record["event"] for record in added] == ["step", "validated"]
