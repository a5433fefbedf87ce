"""A run's folder: settings, environment, event log and checkpoints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tnas_cli.errors import DataError
from tnas_cli.runs.files import cannot_write, write_text


class RunDirectory:
    """`settings.toml`, `environment.json`, `events.jsonl`, `best.pt`, `last.pt`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, root: Path, name: str, settings: str, environment: Mapping[str, Any]) -> RunDirectory:
        """A new folder `root/name-<n>` with the first free n, never an existing one."""
        number = 1
        while True:
            path = root / f"{name}-{number}"
            try:
                path.mkdir(parents=True)
                break
            except FileExistsError:
                if not path.is_dir() and not root.is_dir():
                    raise cannot_write(path, NotADirectoryError(20, "Not a directory")) from None
                number += 1
            except OSError as error:
                raise cannot_write(path, error) from error
        run = cls(path)
        write_text(path / "settings.toml", settings)
        write_text(path / "environment.json", json.dumps(environment, indent=2) + "\n")
        return run

    @classmethod
    def open(cls, path: Path) -> RunDirectory:
        """An existing run; raises DataError when there is none."""
        if not (path / "settings.toml").is_file():
            raise DataError(f"{path} is not a run directory.", hint="pass a folder that `tnas search` made")
        return cls(path)

    @property
    def best(self) -> Path:
        """The checkpoint with the best validation accuracy."""
        return self.path / "best.pt"

    @property
    def last(self) -> Path:
        """The checkpoint to resume from."""
        return self.path / "last.pt"

    def log(self, record: Mapping[str, Any]) -> None:
        """Append one JSON line to `events.jsonl`."""
        path = self.path / "events.jsonl"
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
        except OSError as error:
            raise cannot_write(path, error) from error
