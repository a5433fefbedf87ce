"""What the work may ask of its run while it computes."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from typing import Any

from tnas_cli.runs.drive import Saving, drive
from tnas_cli.runs.events import Event, Listener
from tnas_cli.runs.files import read_json, write_text
from tnas_cli.runs.interrupt import StoppedError, stop_asked
from tnas_cli.runs.run_directory import RunDirectory


class Life:
    """One call that works on a run. `resumed`: whether an earlier call worked on it, too; `share`: of the time of a
    call that works on several runs; `seconds_at_a_time`: after which a method is saved and stopped."""

    def __init__(
        self,
        run: RunDirectory,
        listener: Listener,
        *,
        resumed: bool = False,
        share: float = 1.0,
        seconds_at_a_time: float = math.inf,
    ) -> None:
        self.run = run
        self.resumed = resumed
        self._at_a_time = seconds_at_a_time
        self._share = share
        self._listener = listener
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long this call has taken."""
        return (time.monotonic() - self._began) * self._share

    def heard_by(self, listener: Listener) -> Life:
        """The same life for a part of the work, whose events go to another listener."""
        part = copy(self)
        part._listener = listener
        return part

    def pass_on(self, event: Event) -> None:
        """Pass an event on at a point where it is not safe to stop."""
        self._listener(event)

    def listener(self, event: Event) -> None:
        """Pass an event on. Between two events is a safe point: raises StoppedError where a stop was asked for."""
        self._listener(event)
        if stop_asked():
            raise StoppedError

    def drive(
        self,
        events: Iterator[Event],
        saving: Saving,
        *,
        stage: str,
        unit: str = "tasks",
        history: Sequence[Mapping[str, float]] = (),
    ) -> None:
        """Drive a method, which is saved if a stop is asked for (`drive.py`); `history`: its validations so far."""
        last = history[-1]["accuracy"] if history else None
        drive(events, self.run, saving, self._listener, self._at_a_time, stage=stage, unit=unit, validation=last)

    def rewind(self, stage: str, done: int, validated: Iterable[float]) -> None:
        """The log forgets what the checkpoint of a stage does not know (`EventLog.rewind`)."""
        self.run.events.rewind(stage, done, {int(number) for number in validated})

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """The JSON value that a unit of work left under `name` in the folder; if there is none, it is made and kept."""
        path = self.run.path / name
        if not path.is_file():
            write_text(path, json.dumps(make()) + "\n")
        return read_json(path)
