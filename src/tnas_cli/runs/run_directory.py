"""A run's folder: settings, environment, event log and checkpoints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from tnas_cli.errors import DataError
from tnas_cli.records.kinds import Record
from tnas_cli.records.parts import Environment
from tnas_cli.records.results import Result
from tnas_cli.records.writing import line
from tnas_cli.runs.board import FOLDER, Board, require_tensorboard
from tnas_cli.runs.contents import ENVIRONMENT, LOG, SETTINGS
from tnas_cli.runs.event_log import EventLog
from tnas_cli.runs.files import cannot_write, new_folder, write_text
from tnas_cli.spelling import quoted, safe_name


class RunDirectory:
    """`settings.toml`, `environment.json`, `events.jsonl`, `best.pt`, `last.pt`; `tensorboard/` if it was asked for."""

    def __init__(self, path: Path, known_as: Path | None = None) -> None:
        self.path = path
        #: Where the run is for whoever asked for it, if this is a part of it on another machine.
        self.known_as = known_as or path
        self.events = EventLog(path / LOG, to_send=known_as is not None)
        self.board: Board | None = None

    @classmethod
    def create(
        cls, root: Path, name: str, settings: str, environment: Environment, others: Mapping[str, str] | None = None
    ) -> RunDirectory:
        """A new folder `root/name-<n>` with the first free n, never an existing one; `others` are the texts of further
        files. Nobody sees a folder in which one of them is missing."""
        texts = {SETTINGS: settings, ENVIRONMENT: json.dumps(environment.to_json(), indent=2) + "\n"}
        return cls(new_folder(root, safe_name(name), {**texts, **(others or {})}))

    @classmethod
    def open(cls, path: Path) -> RunDirectory:
        """An existing run; one that writes for TensorBoard continues to do so.

        Raises DataError when there is none, SettingsError when it needs the package tensorboard and that is missing.
        """
        if not (path / SETTINGS).is_file():
            raise DataError(f"{path} is not a run directory.", hint="pass the folder of a run")
        run = cls(path)
        if (path / FOLDER).is_dir():
            require_tensorboard(f", or move {quoted(path / FOLDER)} to another place")
            run.to_tensorboard()
        return run

    def write_settings(self, settings: str) -> None:
        """Replace `settings.toml`, if a call that continues the run changes them."""
        write_text(self.path / SETTINGS, settings)

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

    def receive_log(self, text: str) -> None:
        """Add what the log of a part of this run on another machine says."""
        for record in self.events.receive(text):
            if self.board is not None:
                self.board.add(record)

    def log(self, record: Record) -> None:
        """Append one line to `events.jsonl`."""
        self.events.append(line(record))
        self._show(record)

    def end(self, result: Result) -> None:
        """Make the result the last line of `events.jsonl`; returns when it is on the disk."""
        self.events.end(line(result))
        self._show(result)

    def _show(self, record: Record) -> None:
        if self.board is not None:
            self.board.add(record.to_json())
