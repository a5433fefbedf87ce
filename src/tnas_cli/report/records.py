"""Measured results as `train-eval` and `adapt` record them: JSON lines with "event": "result" and a "mean"."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tnas_cli.errors import DataError

#: The newest version of the record that is understood.
VERSION = 1

Result = Mapping[str, Any]

#: The commands that measure; other commands' results carry a "mean" of something else, or none.
MEASURING = ("train-eval", "adapt")
_HINT = "pass the output of `tnas train-eval --json`, or its run directory"
_REQUIRED: dict[str, tuple[type, ...]] = {
    "command": (str,),
    "method": (str,),
    "dataset": (str,),
    "protocol": (str,),
    "split": (str,),
    "way": (int,),
    "shot": (int,),
    "query": (int,),
    "tasks": (int,),
    "mean": (int, float),
    "interval": (int, float),
    "transductive": (bool,),
    "weights": (str,),
    "seed": (int,),
}
_NUMBERS = (
    *("genotypes", "genotypes_trained", "threads", "parameters_mean", "wall_seconds", "search_seconds"),
    "search_seconds_before",
    *("top5_mean", "images", "mean_over_seeds", "spread_over_seeds", "max_skips"),
)
_TEXTS = ("network", "device", "package_version", "run", "fingerprint", "order", "engine")


#: What a result of `adapt` on a user's own task folders does not name.
_TASK_FOLDERS = {"dataset": "task folders", "protocol": "", "split": "given", "query": 0}

#: What a result of the transfer setting, one data set and no tasks, need not name.
_TRANSFER = {"protocol": "images", "split": "test", "way": 0, "shot": 0, "query": 0, "tasks": 1, "interval": 0.0}
_TRANSFER |= {"transductive": False}

SETTINGS = ("few-shot", "supervised", "transfer")
_LEAST = {"way": 2, "shot": 1, "tasks": 1}


@dataclass(frozen=True)
class Measurement:
    """One measured accuracy with everything that belongs to it; `mean` and `interval` (95%) are shares of 1.

    `way`, `shot` and `query` are 0 where the setting has none. `spread_over_seeds` is the standard deviation.
    """

    command: str
    method: str
    dataset: str
    protocol: str
    split: str
    way: int
    shot: int
    query: int
    tasks: int
    mean: float
    interval: float
    transductive: bool
    weights: str
    seed: int
    network: str | None = None
    genotypes: int | None = None
    genotypes_trained: int | None = None
    search_tasks: int | None = None
    train_tasks_per_genotype: int | None = None
    parameters_mean: float | None = None
    wall_seconds: float | None = None
    device: str | None = None
    threads: int | None = None
    package_version: str | None = None
    run: str | None = None
    fingerprint: str | None = None
    setting: str = "few-shot"
    order: str | None = None
    engine: str | None = None
    train_epochs: int | None = None
    search_seconds: float | None = None
    search_seconds_before: float | None = None
    top5_mean: float | None = None
    images: int | None = None
    seeds: tuple[int, ...] = ()
    mean_over_seeds: float | None = None
    spread_over_seeds: float | None = None
    max_skips: int | None = None

    @classmethod
    def from_record(cls, record: Result) -> Measurement:
        """Check a result record; raises DataError and names the key and its value."""
        if record.get("command") == "adapt" and "dataset" not in record:
            record = _TASK_FOLDERS | dict(record)
        setting = record.get("setting", SETTINGS[0])
        if setting not in SETTINGS:
            raise DataError(f"the result's 'setting' is {setting!r}.", hint=f"known: {', '.join(SETTINGS)}")
        if setting == "transfer":
            record = _TRANSFER | {key: value for key, value in record.items() if value is not None}
        _check(record, {} if setting == "transfer" else _LEAST)
        budget = record.get("budget") or {}
        if not isinstance(budget, Mapping):
            raise DataError(f"the result's 'budget' is {budget!r}.", hint=_HINT)
        values: dict[str, Any] = {key: record[key] for key in _REQUIRED}
        values |= {key: _number(record, key) for key in _NUMBERS}
        values |= {key: _number(budget, key) for key in ("search_tasks", "train_tasks_per_genotype", "train_epochs")}
        values |= {key: None if record.get(key) is None else str(record[key]) for key in _TEXTS}
        return cls(**values, setting=setting, seeds=_seeds(record))

    @property
    def has_interval(self) -> bool:
        """Whether the interval says something: one task has none."""
        return self.tasks > 1 or self.interval > 0

    @property
    def training_tasks(self) -> int:
        """Tasks that the trained networks saw together."""
        return (self.train_tasks_per_genotype or 0) * (self.genotypes_trained or 0)


def _check(record: Result, least: Mapping[str, int]) -> None:
    """Raise DataError for a key that is missing, of the wrong kind or out of its range."""
    version = record.get("version", VERSION)
    if version != VERSION:
        raise DataError(f"the result has version {version!r}, known is {VERSION}.", hint="update tnas")
    for key, kinds in _REQUIRED.items():
        value = record.get(key)
        right = isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))
        if right and isinstance(value, int | float) and bool not in kinds:
            most = 1 if key in ("mean", "interval") else math.inf
            right = least.get(key, 0) <= value <= most  # false for NaN
        if not right:
            raise DataError(f"the result's {key!r} is {value!r}.", hint=_HINT)


def _seeds(record: Result) -> tuple[int, ...]:
    seeds = record.get("seeds") or ()
    whole = isinstance(seeds, list | tuple) and all(isinstance(s, int) and not isinstance(s, bool) for s in seeds)
    if not whole:
        raise DataError(f"the result's 'seeds' is {seeds!r}.", hint=_HINT)
    return tuple(seeds)


def _number(values: Mapping[str, Any], key: str) -> Any:
    value = values.get(key)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e18):
        raise DataError(f"the result's {key!r} is {value!r}.", hint=_HINT)
    return value


def _is_measured(record: Result) -> bool:
    """Whether it is a measurement; unlabelled tasks that `adapt` predicted have no mean."""
    return (
        record.get("event") == "result"
        and record.get("command", MEASURING[0]) in MEASURING
        and record.get("mean") is not None
    )


def parse_results(lines: Iterable[str], name: str, *, required: bool = True) -> list[dict[str, Any]]:
    """The measured results among JSON lines, in order; a later one of the same kind and run replaces an earlier.

    Raises DataError with `name` and the line's number for a line that is no JSON object or a result that is not whole,
    and, when results are `required`, for an input without any.
    """
    found: dict[tuple[object, ...], dict[str, Any]] = {}
    empty = True
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        empty = False
        try:
            record = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            raise DataError(f"{name}, line {number}: not JSON ({error}).", hint=_HINT) from error
        if not isinstance(record, dict):
            raise DataError(f"{name}, line {number}: {line.strip()[:40]!r} is not a JSON object.", hint=_HINT)
        if not _is_measured(record):
            continue
        try:
            measured = Measurement.from_record(record)
        except DataError as error:
            raise DataError(f"{name}, line {number}: {error.message}", hint=error.hint) from error
        run: object = measured.run if measured.run is not None else number
        same = (measured.command, measured.setting, measured.method, measured.dataset, measured.protocol)
        found[run, *same, measured.split, measured.way, measured.shot, measured.tasks, measured.seed] = record
    if empty and required:
        raise DataError(f"{name} is empty.", hint=_HINT)
    if not found and required:
        raise DataError(f"{name} holds no measured result.", hint=_HINT)
    return list(found.values())


def read_results(path: Path, *, required: bool = True) -> list[dict[str, Any]]:
    """Results of a run directory (the last in its `events.jsonl`) or of a file of JSON lines (all of them).

    Raises DataError with the path when it is missing, unreadable, empty or malformed.
    """
    file = path / "events.jsonl" if path.is_dir() else path
    if not file.is_file():
        what = f"{path} has no events.jsonl" if path.is_dir() else f"{path} does not exist"
        raise DataError(f"{what}.", hint="pass a run directory, a file of JSON lines, or - for stdin")
    try:
        with file.open(encoding="utf-8") as lines:
            results = parse_results(lines, str(file), required=required)
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not text ({error.reason}).", hint=_HINT) from error
    except OSError as error:
        raise DataError(f"cannot read {file}: {error.strerror or error}.", hint=_HINT) from error
    return results[-1:] if path.is_dir() else results
