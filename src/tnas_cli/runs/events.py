"""What a long computation reports while it runs; the command line renders it, a run directory logs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Event:
    """Base of all events."""


@dataclass(frozen=True)
class Progress(Event):
    """`done` of `total` units of a stage are finished; `values` are the latest measurements."""

    stage: str
    done: int
    total: int
    unit: str
    values: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Note(Event):
    """One line for a person: what happens next, what was found, what was decided."""

    text: str


@dataclass(frozen=True)
class Workers(Event):
    """So many units of work can be done at a time now."""

    count: int


@dataclass(frozen=True)
class Made(Event):
    """What a unit of work has made, where it leaves no file; it arrives before the unit counts as done."""

    value: Any


@dataclass(frozen=True)
class Seen(Event):
    """What the files of a run say of one of its stages while another process works on it.

    `done` of `asked` units (None: not known) are finished, `left` is how many seconds the others will take (None: not
    known), and `values` are the latest measurements.
    """

    stage: str
    done: int
    asked: int | None
    unit: str
    values: Mapping[str, float] = field(default_factory=dict)
    left: float | None = None


Listener = Callable[[Event], None]


def ignore(event: object) -> None:
    """The listener that drops every event, and the default of whatever else may be called with each result."""


@dataclass(frozen=True)
class StepDone(Event):
    """One meta-batch: tasks done so far of all, mean query loss and accuracy over the batch's tasks."""

    tasks_done: int
    tasks: int
    loss: float
    accuracy: float
    values: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Validated(Event):
    """Mean accuracy on the validation tasks after `tasks_done` tasks, and whether it is the best so far."""

    tasks_done: int
    accuracy: float
    interval: float
    better: bool
