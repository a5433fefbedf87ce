"""A log is read while it grows: whole lines, each once, also if a resumed run cuts it back."""

from __future__ import annotations

import json
from pathlib import Path

from tnas_cli.records.kinds import Record, Step
from tnas_cli.runs.event_log import EventLog
from tnas_cli.runs.log_reader import BYTES_OF_A_TAIL, LogReader, tail


def line(done: int, stage: str = "search") -> str:
    return json.dumps({"event": "step", "version": 2, "stage": stage, "tasks": done, "loss": 0.5}) + "\n"


def done(records: list[Record]) -> list[int]:
    return [record.done for record in records if isinstance(record, Step)]


def test_each_line_is_read_once_and_whole(tmp_path: Path) -> None:
    log = tmp_path / "events.jsonl"
    reader = LogReader(log)
    assert reader.new() == []
    log.write_text(line(1) + line(2)[:20])
    assert done(reader.new()) == [1]
    assert reader.new() == []
    log.write_text(line(1) + line(2))
    assert done(reader.new()) == [2]


def test_a_log_that_was_cut_back_is_read_on(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl")
    reader = LogReader(log.path)
    for number in (1, 2, 3):
        log.append(line(number))
    assert done(reader.new()) == [1, 2, 3]
    log.rewind("search", 1, ())
    log.append(line(4))
    assert done(reader.new()) == [4]
    log.append(line(5))
    assert done(reader.new()) == [5]


def test_a_tail_begins_at_a_whole_line(tmp_path: Path) -> None:
    log = tmp_path / "events.jsonl"
    assert tail(log) == []
    log.write_text("".join(map(line, range(2000))))
    assert log.stat().st_size > BYTES_OF_A_TAIL
    found = done(tail(log))
    assert found == list(range(2000))[-len(found) :]
    assert 100 < len(found) < 2000
    log.write_text(line(7))
    assert done(tail(log)) == [7]
