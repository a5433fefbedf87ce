"""Runs a method: passes its events on, logs them, saves checkpoints, and stops cleanly when the user asks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tnas_cli.errors import Interrupted
from tnas_cli.runs.events import Event, Listener, Progress, StepDone, Validated
from tnas_cli.runs.interrupt import stop_request
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
    events: Iterator[Event], run: RunDirectory, saving: Saving, listener: Listener, *, stage: str, resume: str
) -> None:
    """Consume `events` to the end. Ctrl-C saves and raises Interrupted whose hint is the command `resume`."""
    saved = logged = time.monotonic()
    accuracy: dict[str, float] = {}
    first: tuple[float, int] | None = None  # when the first step of this call ended, and the tasks done by then
    with stop_request() as stop:
        for event in events:
            now = time.monotonic()
            if isinstance(event, StepDone):
                first = first or (now, event.tasks_done)
                values = {"loss": event.loss, "accuracy": event.accuracy, **event.values, **accuracy}
                if now > first[0]:
                    values["tasks/s"] = (event.tasks_done - first[1]) / (now - first[0])
                listener(Progress(stage, event.tasks_done, event.tasks, "tasks", values))
                if now - logged >= SECONDS_BETWEEN_LOG_LINES:
                    logged = now
                    run.log({"event": "step", "stage": stage, "tasks": event.tasks_done, **values})
            elif isinstance(event, Validated):
                accuracy = {"validation": event.accuracy}
                run.log(
                    {
                        "event": "validated",
                        "stage": stage,
                        "tasks": event.tasks_done,
                        "accuracy": event.accuracy,
                        "interval": event.interval,
                    }
                )
                if event.better:
                    saving.best()
                saving.validated()
                saving.last()
                saved = now
            if stop:
                saving.last()
                raise Interrupted(
                    f"stopped; everything so far is saved in {run.path}.", hint=f"continue with: {resume}"
                )
            if now - saved >= SECONDS_BETWEEN_CHECKPOINTS:
                saving.last()
                saved = now
    saving.last()
