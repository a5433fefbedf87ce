"""The accuracies on the test tasks behind a result, read from where the commands keep them.

`adapt` prints a record per task before its result; a supervised result lists its tasks, and so does one of inherited
weights. Few-shot `train-eval` from scratch keeps a `result.json` per network in its run directory; its accuracy on a
task is the mean over networks, each weighted by the number of tasks that decoded to it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tnas_cli.errors import DataError
from tnas_cli.records.kinds import Adapted
from tnas_cli.records.parts import TaskAccuracy
from tnas_cli.records.reading import read
from tnas_cli.records.results import AdaptResult, Measured, SupervisedResult, TrainResult
from tnas_cli.report.measured import accuracy_of
from tnas_cli.report.results import read_measured
from tnas_cli.runs.files import read_json
from tnas_cli.spelling import command

_HINT = "compare run directories of `tnas train-eval`, or what `tnas adapt --dataset NAME --json` printed"
#: Accuracies are kept in single precision.
_TOLERANCE = 1e-5


@dataclass(frozen=True)
class PerTask:
    """A result with its accuracy on each of its tasks, as shares of 1 in the tasks' order."""

    source: str
    measurement: Measured
    accuracies: tuple[float, ...]


def read_per_task(source: Path) -> PerTask:
    """The one result of a run directory or of a file of records, task by task.

    Raises DataError if there are several results, or if the kept accuracies are missing or have another mean.
    """
    m = only_result(source)
    if isinstance(m, SupervisedResult):
        values = _listed(m, source)
    elif isinstance(m, AdaptResult):
        values = _adapted(source)
    elif not isinstance(m, TrainResult):
        raise DataError(f"{source} was measured in the {m.setting} setting, which has no tasks to pair.", hint=_HINT)
    elif m.weights == "inherited":
        values = _in_order(m.per_task or (), source)
    else:
        values = _trained(_run_folder(source, m), m)
    if len(values) != m.tasks or not math.isclose(sum(values) / len(values), accuracy_of(m).mean, abs_tol=_TOLERANCE):
        raise DataError(
            f"the accuracies kept for {source} do not match its result ({len(values)} tasks, the result has "
            f"{m.tasks}).",
            hint="compare a finished run, or the whole output of one call",
        )
    return PerTask(str(source), m, tuple(values))


def read_own_tasks(source: Path) -> tuple[Measured, dict[tuple[str, int], float]]:
    """The one result of a run directory or of a file of records, and the accuracy of every genotype (its digest) on
    each test task (its index) that decoded to it.

    Raises DataError if there are several results, or none on such tasks.
    """
    m = only_result(source)
    rows: Sequence[TaskAccuracy] = ()
    if isinstance(m, TrainResult):
        own = m.own_tasks.per_task if m.own_tasks is not None else None
        rows = own if own is not None else m.per_task or ()
    found = {(row.digest, row.index): row.accuracy for row in rows if row.digest is not None}
    if not found:
        raise DataError(
            f"{source} measured no genotype on the test task that decoded to it.",
            hint="compare results of `tnas train-eval` on genotypes of `tnas adapt --dataset NAME`",
        )
    return m, found


def only_result(source: Path) -> Measured:
    """The one result of a run directory or of a file of records; raises DataError if there are several."""
    results = read_measured(source)
    if len(results) > 1:
        raise DataError(f"{source} holds {len(results)} results.", hint="compare files that hold one result each")
    return results[0]


def _in_order(rows: Iterable[TaskAccuracy], source: Path) -> list[float]:
    """Accuracies in the order of the tasks' index; they must be on a data set's first tasks."""
    found = {row.index: row.accuracy for row in rows}
    if sorted(found) != list(range(len(found))) or not found:
        raise DataError(f"{source} was not measured on each of a data set's first tasks.", hint=_HINT)
    return [found[index] for index in range(len(found))]


def _adapted(source: Path) -> list[float]:
    """Accuracies of the `adapted` records, in the order of the tasks' index."""
    found: dict[int, float] = {}
    for record in read(source, kind=Adapted) if source.is_file() else []:
        if record.task.index is not None and record.accuracy is not None:
            found[record.task.index] = record.accuracy
    if sorted(found) != list(range(len(found))) or not found:
        raise DataError(f"{source} does not hold the accuracy on each task of a data set.", hint=_HINT)
    return [found[index] for index in range(len(found))]


def _listed(m: SupervisedResult, source: Path) -> list[float]:
    """Accuracies of a supervised result, which names each of its tasks."""
    if not m.per_task:
        raise DataError(f"{source} does not list its tasks.", hint=_HINT)
    return [task.mean for task in m.per_task]


def _run_folder(source: Path, m: Measured) -> Path:
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


def _trained(run: Path, m: TrainResult) -> list[float]:
    """Mean over the networks of a train-eval run, task by task."""
    if not m.per_genotype:
        raise DataError(f"the result of {run} names no networks.", hint=_HINT)
    columns = _networks(run, [network.digest for network in m.per_genotype])
    weights = [network.count for network in m.per_genotype]
    if len({len(column) for column in columns}) > 1:
        raise DataError(
            f"the networks of {run} were not tested on the same tasks.", hint=command("tnas", "resume", run)
        )
    return [_mean(values, weights) for values in zip(*columns, strict=True)]


def kept_of(m: Measured, source: Path, names: Sequence[str]) -> list[list[float]]:
    """The accuracies of some networks of a train-eval run on each of its tasks, by their digests or names; raises
    DataError where its folder is not here."""
    return _networks(_run_folder(source, m), names)


def _networks(run: Path, names: Sequence[str]) -> list[list[float]]:
    return [_kept(run / name / "result.json") for name in names]


def _kept(path: Path) -> list[float]:
    try:
        kept = read_json(path)
        values = kept["accuracies"]
    except (OSError, DataError, KeyError, TypeError) as error:
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
