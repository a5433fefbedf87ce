"""Runs a method: passes its events on, logs them, saves checkpoints, and stops cleanly when the user asks."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tnas_cli.errors import LostRankError
from tnas_cli.records import kinds
from tnas_cli.runs.events import Event, Listener, Progress, StepDone, Validated
from tnas_cli.runs.interrupt import StoppedError, stop_request
from tnas_cli.runs.run_directory import RunDirectory

SECONDS_BETWEEN_CHECKPOINTS = 60.0
SECONDS_BETWEEN_LOG_LINES = 5.0


@dataclass(frozen=True)
class Saving:
    """What a driver calls to keep the work: `last` after some time and at the end, `best` when validation improves,
    `validated` after every validation.
    """

    last: Callable[[], None]
    best: Callable[[], None]
    validated: Callable[[], None] = lambda: None


def drive(
    events: Iterator[Event],
    run: RunDirectory,
    saving: Saving,
    listener: Listener,
    seconds: float = math.inf,
    *,
    stage: str,
    unit: str = "tasks",
    validation: float | None = None,
) -> None:
    """Consume `events` to the end; `unit` is what they count, `validation` the accuracy of the last one before them.

    A request to stop, and the end of so many `seconds`, saves and raises StoppedError; LostRankError is raised with
    everything saved.
    """
    began = saved = time.monotonic()
    log = _Log(run, listener, stage, unit, saved)
    if validation is not None:
        log.accuracy = {"validation": validation}

    def save() -> None:
        run.events.flush()
        saving.last()

    def kept() -> Iterator[Event]:
        try:
            yield from events
        except LostRankError:  # the state is as after the last step
            save()
            raise

    with stop_request() as stop:
        for event in kept():
            now = time.monotonic()
            if isinstance(event, StepDone):
                log.step(event, now)
            elif isinstance(event, Validated):
                log.validated(event)
                if event.better:
                    saving.best()
                saving.validated()
                save()
                saved = now
            else:
                listener(event)
            if stop or now - began >= seconds:
                save()
                raise StoppedError
            if now - saved >= SECONDS_BETWEEN_CHECKPOINTS:
                save()
                saved = now
    save()


class _Log:
    """Steps and validations as progress for a person and as lines of the run's log."""

    def __init__(self, run: RunDirectory, listener: Listener, stage: str, unit: str, now: float) -> None:
        self.run, self.listener, self.stage, self.unit, self.logged = run, listener, stage, unit, now
        self.accuracy: dict[str, float] = {}
        #: When the first step of this call ended, and what was done by then.
        self.first: tuple[float, int] | None = None

    def step(self, event: StepDone, now: float) -> None:
        self.first = self.first or (now, event.tasks_done)
        values = {"loss": event.loss, "accuracy": event.accuracy, **event.values, **self.accuracy}
        if now > self.first[0]:
            values[f"{self.unit}/s"] = (event.tasks_done - self.first[1]) / (now - self.first[0])
        self.listener(Progress(self.stage, event.tasks_done, event.tasks, self.unit, values))
        if now - self.logged >= SECONDS_BETWEEN_LOG_LINES:
            self.logged = now
            # JSON has neither NaN nor infinity.
            tasks, batches = self._done(event.tasks_done)
            finite = {name: value for name, value in values.items() if math.isfinite(value)}
            self.run.log(kinds.Step(stage=self.stage, tasks=tasks, batches=batches, values=finite))

    def validated(self, event: Validated) -> None:
        self.accuracy = {"validation": event.accuracy}
        tasks, batches = self._done(event.tasks_done)
        self.run.log(
            kinds.Validated(
                stage=self.stage, tasks=tasks, batches=batches, accuracy=event.accuracy, interval=event.interval
            )
        )

    def _done(self, number: int) -> tuple[int | None, int | None]:
        """So many tasks, or so many batches."""
        return (None, number) if self.unit == "batches" else (number, None)
