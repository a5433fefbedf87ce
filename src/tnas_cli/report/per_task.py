"""The accuracy on each test task behind a result, from where the commands keep it.

`adapt` prints a record per task before its result; a supervised result lists its tasks, and so does one of inherited
weights. Few-shot `train-eval` from scratch keeps a `result.json` per network in its run directory; its accuracy on a
task is the mean over networks, each weighted by the number of tasks that decoded to it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tnas_cli.errors import DataError
from tnas_cli.report.records import Measurement, Result, read_results

_HINT = "compare run directories of `tnas train-eval`, or what `tnas adapt --dataset NAME --json` printed"
#: Accuracies are kept in single precision.
_TOLERANCE = 1e-5


@dataclass(frozen=True)
class PerTask:
    """A result with its accuracy on each of its tasks, as shares of 1 in the tasks' order."""

    source: str
    measurement: Measurement
    accuracies: tuple[float, ...]


def read_per_task(source: Path) -> PerTask:
    """The one result of a run directory or of a file of JSON lines, task by task.

    Raises DataError where there are several results, or where what is kept is missing or gives another mean.
    """
    record = _only_result(source)
    m = Measurement.from_record(record)
    if m.setting == "transfer":
        raise DataError(f"{source} was measured in the transfer setting, which has no tasks to pair.", hint=_HINT)
    if m.setting == "supervised":
        values = _listed(record, source)
    elif m.weights == "inherited" and m.command == "train-eval":
        values = _by_index(record, source)
    else:
        values = _adapted(source) if m.command == "adapt" else _trained(_run_folder(source, m), record)
    if len(values) != m.tasks or not math.isclose(sum(values) / len(values), m.mean, abs_tol=_TOLERANCE):
        raise DataError(
            f"the accuracies kept for {source} are not those of its result ({len(values)} tasks, the result has "
            f"{m.tasks}).",
            hint="compare a finished run, or a whole output of one call",
        )
    return PerTask(str(source), m, tuple(values))


def read_own_tasks(source: Path) -> tuple[Measurement, dict[tuple[str, int], float]]:
    """The one result of a run directory or of a file of JSON lines, and the accuracy of every genotype (its digest) on
    each test task (its index) that decoded to it.

    Raises DataError where there are several results, or none on such tasks.
    """
    record = _only_result(source)
    own = record.get("own_tasks")
    rows = own.get("per_task") if isinstance(own, dict) and "per_task" in own else record.get("per_task")
    found: dict[tuple[str, int], float] = {}
    for row in rows if isinstance(rows, list) else []:
        digest, index = (row.get("digest"), row.get("index")) if isinstance(row, dict) else (None, None)
        if isinstance(digest, str) and isinstance(index, int):
            found[digest, index] = _share(row.get("accuracy"), source)
    if not found:
        raise DataError(
            f"{source} measured no genotype on the test task that decoded to it.",
            hint="compare results of `tnas train-eval` on genotypes of `tnas adapt --dataset NAME`",
        )
    return Measurement.from_record(record), found


def _only_result(source: Path) -> Result:
    results = read_results(source)
    if len(results) > 1:
        raise DataError(f"{source} holds {len(results)} results.", hint="compare files that hold one result each")
    return results[0]


def _by_index(record: Result, source: Path) -> list[float]:
    """Accuracies of a result of inherited weights, which names each of its tasks."""
    rows = record.get("per_task")
    found = {row.get("index"): row.get("accuracy") for row in rows} if isinstance(rows, list) else {}
    if set(found) != set(range(len(found))) or not found:
        raise DataError(f"{source} was not measured on each of a data set's first tasks.", hint=_HINT)
    return [_share(found[index], source) for index in range(len(found))]


def _adapted(source: Path) -> list[float]:
    """Accuracies of the `adapted` records, by the tasks' index."""
    found: dict[int, float] = {}
    for line in source.read_text(encoding="utf-8").splitlines() if source.is_file() else []:
        record = json.loads(line) if line.strip() else {}
        task = record.get("task")
        if record.get("event") == "adapted" and isinstance(task, dict) and isinstance(task.get("index"), int):
            found[task["index"]] = _share(record.get("accuracy"), source)
    if sorted(found) != list(range(len(found))) or not found:
        raise DataError(f"{source} does not hold the accuracy on each task of a data set.", hint=_HINT)
    return [found[index] for index in range(len(found))]


def _listed(record: Result, source: Path) -> list[float]:
    """Accuracies of a supervised result, which names each of its tasks."""
    tasks = record.get("per_task")
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks) or not tasks:
        raise DataError(f"{source} does not list its tasks.", hint=_HINT)
    return [_share(task.get("mean"), source) for task in tasks]


def _run_folder(source: Path, m: Measurement) -> Path:
    """The run directory: the source itself, or the one that its result names, which may have moved with the file."""
    if source.is_dir():
        return source
    if m.run is None:
        raise DataError(f"the result in {source} names no run directory.", hint=_HINT)
    places = (Path(m.run), source.parent / m.run)
    for place in places:
        if place.is_dir():
            return place
    raise DataError(
        f"{source} comes from the run {m.run}, which is not here; the accuracies per task are there.", hint=_HINT
    )


def _trained(run: Path, record: Result) -> list[float]:
    """Mean over the networks of a train-eval run, task by task."""
    networks = record.get("per_genotype")
    if not isinstance(networks, list) or not networks:
        raise DataError(f"the result of {run} names no networks.", hint=_HINT)
    columns, weights = [], []
    for network in networks:
        name, times = (network.get("digest"), network.get("count")) if isinstance(network, dict) else (None, None)
        if not isinstance(name, str) or not isinstance(times, int):
            raise DataError(f"the result of {run} has the network {network!r}.", hint=_HINT)
        columns.append(_kept(run / name / "result.json"))
        weights.append(times)
    if len({len(column) for column in columns}) > 1 or sum(weights) < 1:
        raise DataError(f"the networks of {run} were not tested on the same tasks.", hint="finish the run: --resume")
    return [_mean(values, weights) for values in zip(*columns, strict=True)]


def _kept(path: Path) -> list[float]:
    try:
        kept: Any = json.loads(path.read_text(encoding="utf-8"))
        values = kept["accuracies"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"cannot read the accuracies per task in {path}.", hint=_HINT) from error
    if not isinstance(values, list) or not values:
        raise DataError(f"{path} holds no accuracies.", hint=_HINT)
    return [_share(value, path) for value in values]


def _share(value: object, path: Path) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise DataError(f"{path} has the accuracy {value!r}.", hint=_HINT)
    return float(value)


def _mean(values: Sequence[float], weights: Sequence[int]) -> float:
    return math.fsum(v * w for v, w in zip(values, weights, strict=True)) / sum(weights)
