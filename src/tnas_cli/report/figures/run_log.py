"""What a run's event log says over time: a series per stage, and long series thinned for drawing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tnas_cli.records.kinds import Record, Step, Validated

Numbers = npt.NDArray[np.float64]

#: A series with more points than this is drawn as the means and ranges of this many groups.
MOST_POINTS = 300


@dataclass
class StageLog:
    """One stage of a run (a search, or the training of one network): rows in the order of the tasks done.

    steps: (tasks, values), where `values` are mean loss, accuracy and so on of one meta-batch; validations: (tasks,
    accuracy, half-width of the 95% interval). `unit` is what is counted: tasks, or batches.
    """

    steps: list[tuple[int, Mapping[str, float]]] = field(default_factory=list)
    validations: list[tuple[int, float, float]] = field(default_factory=list)
    unit: str = "tasks"

    def series(self, name: str) -> tuple[Numbers, Numbers]:
        """Tasks done and value of every step that logged `name`."""
        rows = [(tasks, values[name]) for tasks, values in self.steps if name in values]
        return np.array([tasks for tasks, _ in rows], float), np.array([value for _, value in rows], float)

    def add(self, record: Step | Validated) -> None:
        """Add a record of the log; it replaces earlier ones with as many tasks done, or more."""
        self.unit = record.unit
        if isinstance(record, Step):
            while self.steps and self.steps[-1][0] >= record.done:
                self.steps.pop()
            self.steps.append((record.done, record.values))
            return
        while self.validations and self.validations[-1][0] >= record.done:
            self.validations.pop()
        self.validations.append((record.done, record.accuracy, record.interval))

    def __bool__(self) -> bool:
        return bool(self.steps or self.validations)


def stages_of(records: Iterable[Record]) -> tuple[dict[str, StageLog], list[Record]]:
    """The stages of a run by their names, and its other records.

    A run that was killed and resumed logs some tasks twice: the later records replace the earlier ones.
    """
    stages: dict[str, StageLog] = {}
    others: list[Record] = []
    for record in records:
        if isinstance(record, Step | Validated):
            stages.setdefault(record.stage, StageLog()).add(record)
        else:
            others.append(record)
    return stages, others


@dataclass(frozen=True)
class Thinned:
    """Points to draw: the mean of each group of neighbours, and the smallest and largest value in it."""

    x: Numbers
    mean: Numbers
    low: Numbers
    high: Numbers


def thin(x: Numbers, y: Numbers, most: int = MOST_POINTS) -> Thinned:
    """At most `most` points that keep the course of a series and its extremes; a short series stays as it is."""
    if len(x) <= most:
        return Thinned(x, y, y, y)
    groups = np.array_split(np.arange(len(x)), most)
    return Thinned(
        np.array([x[group].mean() for group in groups]),
        np.array([y[group].mean() for group in groups]),
        np.array([y[group].min() for group in groups]),
        np.array([y[group].max() for group in groups]),
    )
