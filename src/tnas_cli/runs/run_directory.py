"""A run's folder: settings, environment, event log and checkpoints."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path

from tnas_cli.errors import DataError
from tnas_cli.plain import NotPlainError, json_value
from tnas_cli.records.kinds import Record, Validated
from tnas_cli.records.parts import Environment
from tnas_cli.records.writing import line
from tnas_cli.runs.board import FOLDER, Board, require_tensorboard
from tnas_cli.runs.files import cannot_write, flush, flush_folder, new_folder, write_text
from tnas_cli.spelling import quoted, safe_name

#: What happened in a run, a record per line.
LOG = "events.jsonl"


class RunDirectory:
    """`settings.toml`, `environment.json`, `events.jsonl`, `best.pt`, `last.pt`; `tensorboard/` if it was asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.board: Board | None = None

    @classmethod
    def create(
        cls, root: Path, name: str, settings: str, environment: Environment, others: Mapping[str, str] | None = None
    ) -> RunDirectory:
        """A new folder `root/name-<n>` with the first free n, never an existing one; `others` are the texts of further
        files. Nobody sees a folder in which one of them is missing."""
        texts = {"settings.toml": settings, "environment.json": json.dumps(environment.to_json(), indent=2) + "\n"}
        return cls(new_folder(root, safe_name(name), {**texts, **(others or {})}))

    @classmethod
    def open(cls, path: Path) -> RunDirectory:
        """An existing run; one that writes for TensorBoard continues to do so.

        Raises DataError when there is none, SettingsError when it needs the package tensorboard and that is missing.
        """
        if not (path / "settings.toml").is_file():
            raise DataError(f"{path} is not a run directory.", hint="pass the folder of a run")
        run = cls(path)
        if (path / FOLDER).is_dir():
            require_tensorboard(f", or move {quoted(path / FOLDER)} to another place")
            run.to_tensorboard()
        return run

    def write_settings(self, settings: str) -> None:
        """Replace `settings.toml`, if a call that continues the run changes them."""
        write_text(self.path / "settings.toml", settings)

    @property
    def best(self) -> Path:
        """The checkpoint with the best validation accuracy."""
        return self.path / "best.pt"

    @property
    def last(self) -> Path:
        """The checkpoint to resume from."""
        return self.path / "last.pt"

    def to_tensorboard(self) -> None:
        """From now on also write the numbers of every logged record for TensorBoard; later calls on this run do so,
        too. Raises TnasError if the folder cannot be written.
        """
        if self.board is None:
            try:
                (self.path / FOLDER).mkdir(exist_ok=True)
            except OSError as error:
                raise cannot_write(self.path / FOLDER, error) from error
            self.board = Board(self.path / FOLDER)

    def log(self, record: Record) -> None:
        """Append one line to `events.jsonl`; it is on the disk for sure after `flush_log`."""
        self._append(line(record))
        if self.board is not None:
            self.board.add(record.to_json())

    def flush_log(self) -> None:
        """Wait until the log is on the disk. A checkpoint is saved after this: what it knows is never missing there."""
        path = self.path / LOG
        try:
            if path.is_file():
                flush(path)
        except OSError as error:
            raise cannot_write(path, error) from error

    def end_log(self, last: str) -> None:
        """Append the last line of a run that is finished, unless it is there."""
        self.drop_half_line()
        path = self.path / LOG
        if not path.is_file() or not path.read_text(encoding="utf-8").endswith(last):
            self._append(last)
            self.flush_log()

    def drop_half_line(self) -> None:
        """Remove an incomplete last line that a killed run left in the log, so that nothing is appended to it."""
        path = self.path / LOG
        if not path.is_file() or (found := path.read_bytes()).endswith(b"\n"):
            return
        try:
            with path.open("r+b") as file:
                file.truncate(found.rfind(b"\n") + 1)
        except OSError as error:
            raise cannot_write(path, error) from error

    def rewind_log(self, stage: str, done: int, validated: Collection[int]) -> None:
        """Drop what the log says of a stage beyond its checkpoint, which knows so many tasks (or batches) and these
        validations: the rest is done again, and logged again."""
        path = self.path / LOG
        if not path.is_file():
            return
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [text for text in lines if not _is_beyond(text, stage, done, validated)]
        if len(kept) < len(lines):
            write_text(path, "".join(kept))

    def _append(self, text: str) -> None:
        path = self.path / LOG
        try:
            new = not path.exists()
            with path.open("ab", buffering=0) as file:
                end, line = file.seek(0, os.SEEK_END), text.encode()
                if file.write(line) < len(line):  # the disk took a part of it
                    file.truncate(end)
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if new:
                flush_folder(self.path)
        except OSError as error:
            raise cannot_write(path, error) from error


def _is_beyond(text: str, stage: str, done: int, validated: Collection[int]) -> bool:
    """Whether a line of the log is a step or a validation of this stage that its checkpoint does not know."""
    if f'"{stage}"' not in text:
        return False
    try:
        record = json_value(text)
        if record.get("stage") != stage:
            return False
        number = int(record.get("tasks", record.get("batches")))
        return number not in validated if record["event"] == Validated.event else number > done
    except (NotPlainError, KeyError, TypeError, ValueError, AttributeError):
        return False  # a line that is no record says nothing
