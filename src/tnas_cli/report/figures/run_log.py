"""What a run's event log says over time: a series per stage, and long series thinned for drawing."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tnas_cli.errors import DataError

Numbers = npt.NDArray[np.float64]

#: More points than this are drawn as the means and the ranges of so many groups.
MOST_POINTS = 300


@dataclass
class StageLog:
    """One stage of a run (a search, or the training of one network): rows in the order of the tasks done.

    steps: (tasks, values), where `values` are mean loss, accuracy and so on of one meta-batch; validations: (tasks,
    accuracy, half-width of the 95% interval).
    """

    steps: list[tuple[int, Mapping[str, float]]] = field(default_factory=list)
    validations: list[tuple[int, float, float]] = field(default_factory=list)

    def series(self, name: str) -> tuple[Numbers, Numbers]:
        """Tasks done and value of every step that logged `name`."""
        rows = [(tasks, values[name]) for tasks, values in self.steps if name in values]
        return np.array([tasks for tasks, _ in rows], float), np.array([value for _, value in rows], float)

    def __bool__(self) -> bool:
        return bool(self.steps or self.validations)


def read_log(lines: Iterable[str], where: str) -> tuple[dict[str, StageLog], list[dict[str, Any]]]:
    """The stages of an `events.jsonl`, and its other records.

    A run that was killed and resumed logs some tasks twice: the later lines replace the earlier ones. A last line that
    is cut off is left out, as it is what a killed run leaves behind. Raises DataError for any other line that is no
    record.
    """
    stages: dict[str, StageLog] = {}
    others: list[dict[str, Any]] = []
    numbered = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    for number, line in numbered:
        try:
            record = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            if number == numbered[-1][0] and not line.endswith("\n"):
                continue
            raise DataError(f"{where}, line {number}: not JSON ({error}).", hint=_HINT) from error
        if not isinstance(record, dict):
            raise DataError(f"{where}, line {number}: {line.strip()[:40]!r} is not a JSON object.", hint=_HINT)
        if record.get("event") in ("step", "validated"):
            _add(stages.setdefault(str(record.get("stage")), StageLog()), record, f"{where}, line {number}")
        else:
            others.append(record)
    return stages, others


_HINT = "pass a run directory as tnas left it"


def _add(stage: StageLog, record: Mapping[str, Any], where: str) -> None:
    tasks = record.get("tasks")
    if not isinstance(tasks, int) or isinstance(tasks, bool):
        raise DataError(f"{where}: 'tasks' is {tasks!r}.", hint=_HINT)
    if record["event"] == "step":
        while stage.steps and stage.steps[-1][0] >= tasks:
            stage.steps.pop()
        stage.steps.append((tasks, {name: float(value) for name, value in record.items() if _is_number(value)}))
        return
    accuracy: Any = record.get("accuracy")
    interval: Any = record.get("interval", 0.0)
    if not _is_number(accuracy) or not _is_number(interval):
        raise DataError(f"{where}: accuracy {accuracy!r} with interval {interval!r}.", hint=_HINT)
    while stage.validations and stage.validations[-1][0] >= tasks:
        stage.validations.pop()
    stage.validations.append((tasks, float(accuracy), float(interval)))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


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
