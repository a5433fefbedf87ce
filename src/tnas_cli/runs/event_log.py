"""`events.jsonl`: what happened in a run, a record per line.

Several processes of a run add to it. A line is whole or, where its process was killed or its disk was full, incomplete
at the end: whoever adds the next one removes that first.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import Any

from tnas_cli.plain import NotPlainError, json_value
from tnas_cli.records.kinds import Validated
from tnas_cli.records.results import Result
from tnas_cli.runs.files import cannot_write, flush, flush_folder, read_bytes, write_bytes, write_text

if sys.platform != "win32":
    import fcntl

#: In a log that is sent to another one: what that has to forget.
REWIND = "rewind"


class EventLog:
    """The log at `path`, which need not exist. Its methods raise TnasError where it cannot be read or written.
    to_send: it has only what a part of the work adds to a log on another machine, which takes it by `receive`."""

    def __init__(self, path: Path, *, to_send: bool = False) -> None:
        self.path, self.to_send = path, to_send

    def append(self, text: str) -> None:
        """Add a line, which ends in a newline; it is on the disk for sure after `flush`."""
        new, line = not self.path.exists(), text.encode()
        with self._alone() as file:
            _add(file, line)
            if new:
                flush_folder(self.path.parent)

    def flush(self) -> None:
        """Wait until it is on the disk. A checkpoint is saved after this: what it knows is never missing here."""
        try:
            if self.path.is_file():
                flush(self.path)
        except OSError as error:
            raise cannot_write(self.path, error) from error

    def end(self, last: str) -> None:
        """Make this the last line, the result of a finished run. That of a run that was opened again since goes."""
        text = last.encode()
        if self.path.is_file() and read_bytes(self.path).endswith(text):
            return
        with self._alone() as file:
            _without_half_line(file)
            lines = read_bytes(self.path).splitlines(keepends=True)
            others = [line for line in lines if not _is_result(line)]
            if len(others) < len(lines):
                write_bytes(self.path, b"".join((*others, text)))
            else:
                _add(file, text)
        self.flush()

    def receive(self, text: str) -> list[dict[str, Any]]:
        """Do what another log with `to_send` has noted, up to an incomplete last line; returns the records that it
        adds."""
        added = []
        for line in text.splitlines(keepends=True):
            if not line.endswith("\n"):
                break
            record = json.loads(line)
            if REWIND in record:
                self.rewind(*record[REWIND])
            else:
                self.append(line)
                added.append(record)
        self.flush()
        return added

    def rewind(self, stage: str, done: int, validated: Collection[int]) -> None:
        """Drop what it says of a stage beyond its checkpoint, which knows so many tasks (or batches) and these
        validations: the rest is done again, and logged again."""
        if self.to_send:
            self.append(json.dumps({REWIND: [stage, done, sorted(validated)]}) + "\n")
            return
        if not self.path.is_file():
            return
        with self._alone() as file:
            _without_half_line(file)
            lines = read_bytes(self.path).decode().splitlines(keepends=True)
            kept = [text for text in lines if not _is_beyond(text, stage, done, validated)]
            if len(kept) < len(lines):
                write_text(self.path, "".join(kept))

    @contextmanager
    def _alone(self) -> Iterator[FileIO]:
        """The log, open for a line; no other process adds to it within the block."""
        try:
            with ExitStack() as stack:
                file = stack.enter_context(self._locked())
                while not _is_at(file, self.path):  # it was cut back while this process waited
                    stack.pop_all().close()
                    file = stack.enter_context(self._locked())
                yield file
        except OSError as error:
            raise cannot_write(self.path, error) from error

    @contextmanager
    def _locked(self) -> Iterator[FileIO]:
        with self.path.open("a+b", buffering=0) as file:
            if sys.platform != "win32":
                with suppress(OSError):  # a file system without locks
                    fcntl.flock(file.fileno(), fcntl.LOCK_EX)
            yield file


def _is_at(file: FileIO, path: Path) -> bool:
    """Whether an open file is still the one with this name."""
    if sys.platform == "win32":  # where an open file keeps its name
        return True
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _add(file: FileIO, line: bytes) -> None:
    end = _without_half_line(file)
    if file.write(line) < len(line):  # the disk took a part of it
        file.truncate(end)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _without_half_line(file: FileIO) -> int:
    """Remove an incomplete last line; returns where the file ends."""
    end = file.seek(0, os.SEEK_END)
    if end == 0:
        return 0
    file.seek(end - 1)
    if file.read(1) == b"\n":
        return file.seek(0, os.SEEK_END)
    file.seek(0)
    end = file.readall().rfind(b"\n") + 1
    file.truncate(end)
    return file.seek(0, os.SEEK_END)


def _is_result(line: bytes) -> bool:
    try:
        return json.dumps(Result.event).encode() in line and json_value(line.decode()).get("event") == Result.event
    except (NotPlainError, UnicodeDecodeError, AttributeError):
        return False  # a line that is no record says nothing


def _is_beyond(text: str, stage: str, done: int, validated: Collection[int]) -> bool:
    """Whether a line of the log is a step or a validation of this stage that its checkpoint does not know."""
    if json.dumps(stage) not in text:
        return False
    try:
        record = json_value(text)
        if record.get("stage") != stage:
            return False
        number = int(record.get("tasks", record.get("batches")))
        return number not in validated if record["event"] == Validated.event else number > done
    except (NotPlainError, KeyError, TypeError, ValueError, AttributeError):
        return False  # a line that is no record says nothing
