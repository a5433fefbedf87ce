"""TensorBoard's event files beside a run's own log: the same numbers at the same times, over the tasks done.

They are written with the package `tensorboard` alone, which is an optional extra. Each record is appended to a file
that is closed again. So nothing has to be flushed at the end, and what a killed run has written can be read.
"""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tnas_cli.errors import SettingsError
from tnas_cli.runs.files import cannot_write

FOLDER = "tensorboard"

#: Where TensorBoard shows a logged value; a name that is not here is shown under `batch`.
_TAGS = {
    "theta": "theta/mean largest probability",
    "entropy": "theta/normalised entropy",
    "skips": "theta/skip connections",
    "pools": "theta/pools",
    "tasks/s": "speed/tasks per second",
    "batches/s": "speed/batches per second",
}
#: What a record holds besides measurements; `validation` repeats the last `validated` record.
_OTHERS = ("event", "version", "stage", "tasks", "batches", "validation")


def require_tensorboard(hint: str = "") -> None:
    """Raises SettingsError where the package is missing; `hint` is an alternative to installing it."""
    if importlib.util.find_spec("tensorboard") is None:
        raise SettingsError(
            "the package tensorboard, which writes event files, is not installed.",
            hint=f"pip install 'tnas-cli[tensorboard]'{hint}",
        )


def scalars(record: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a `step` or `validated` record by their tags; nothing for any other record."""
    event = record.get("event")
    numbers = {
        name: float(value)
        for name, value in record.items()
        if name not in _OTHERS and isinstance(value, int | float) and not isinstance(value, bool)
    }
    if event == "validated":
        return {f"validation/{name}": value for name, value in numbers.items()}
    if event == "step":
        return {_TAGS.get(name, f"batch/{name}"): value for name, value in numbers.items()}
    return {}


class Board:
    """Event files in `folder/<stage>`: TensorBoard shows a search, or each network of a training, as a run of its own.

    Each process writes its own file per stage. The first event in it tells TensorBoard to forget what an earlier
    process wrote about the tasks from there on, since a run that was killed does some of them twice.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: dict[str, Path] = {}

    def add(self, record: Mapping[str, Any]) -> None:
        """Write the numbers of a record of `events.jsonl`; raises TnasError where the folder cannot be written."""
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.record_writer import RecordWriter

        values = scalars(record)
        if not values:
            return
        now, stage = time.time(), str(record["stage"])
        tasks = int(record["tasks"] if "tasks" in record else record["batches"])
        found = Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])
        events = [Event(wall_time=now, step=tasks, summary=found)]
        if stage not in self._files:
            self._files[stage] = self.folder / stage / f"events.out.tfevents.{now:017.6f}.{os.getpid()}"
            begin = SessionLog(status=SessionLog.START)
            events.insert(0, Event(wall_time=now, step=tasks, session_log=begin))
            events.insert(0, Event(wall_time=now, file_version="brain.Event:2"))
        path = self._files[stage]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                for event in events:
                    RecordWriter(file).write(event.SerializeToString())
        except OSError as error:
            raise cannot_write(path, error) from error
