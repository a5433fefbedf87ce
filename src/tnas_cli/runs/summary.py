"""A run in one record, from its small files and the end of its log: what it is, how far it is, what it reached."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tnas_cli.errors import DataError
from tnas_cli.records import reading
from tnas_cli.records.kinds import Decoded, Record, Validated
from tnas_cli.records.results import GrowResult, Measured, Result, SearchResult
from tnas_cli.records.run_list import ListedRun
from tnas_cli.runs.contents import LOG, RESULT, SETTINGS
from tnas_cli.runs.files import exists, is_file, refused
from tnas_cli.runs.lock import holder_of
from tnas_cli.runs.log_reader import tail
from tnas_cli.runs.progress_of import Amounts, Given, Networks, amounts, given_to, networks_of
from tnas_cli.runs.run_file import NAME, RunFile

#: What changes while a run goes on; `networks` is a folder, which changes with its files.
_CHANGING = (LOG, RESULT, NAME, SETTINGS, "last.pt", "networks")
#: The command that makes runs of a kind, where it has another name.
_COMMAND_OF = dict.fromkeys(("inherited", "until"), "train-eval")


def command_of(kind: str) -> str:
    """The command that makes runs of a kind."""
    return _COMMAND_OF.get(kind, kind)


def summary(run: Path, kinds: Collection[str]) -> ListedRun:
    """The record of a run. It raises no error for damage: the run is then broken, and the record says why.

    kinds: those that `tnas resume` continues.
    """
    # Who works on it is asked first: if it ends meanwhile, its files say so.
    holder = holder_of(run)
    found = _nothing_of(run)
    try:
        result = result_of(run)
        found = replace(found, **_reached(result, run)) if result is not None else found
        if result is not None and not exists(run / NAME):  # of version 0.1
            return replace(found, state="finished")
        file = RunFile.read(run)
        complete = result is not None and result.complete
        given = [] if complete else given_to(run)
        found = _planned(found, file, given)
        if complete:
            return replace(found, state="finished")
        if file.kind not in kinds:
            raise DataError(f"this tnas knows no runs of the kind {file.kind!r}.", hint="update tnas")
        if not is_file(run / SETTINGS):
            raise DataError(f"{SETTINGS} is missing.", hint="take a whole copy of the run")
        found = _so_far(found, run, file, given)
    except DataError as error:
        return replace(found, state="broken", reason=error.message)
    except OSError as error:
        return replace(found, state="broken", reason=refused(error).message)
    if holder is not None and not holder.gone:
        spent = max(0.0, time.time() - holder.since)
        return replace(found, state="running", reason=holder.name, wall_seconds=spent)
    gone = None if holder is None else f"{holder.name} is gone"
    return replace(found, state="stopped", reason="some of its networks were set aside" if result else gone)


def result_of(run: Path) -> Result | None:
    """The result of a finished run, also of version 0.1, which has it in the log alone; None for others.

    Raises DataError for a damaged file.
    """
    file = run / RESULT
    if is_file(file):
        found = reading.read(file)
        if len(found) != 1 or not isinstance(found[0], Result):
            raise DataError(f"{file} does not hold one result.", hint="the file was changed or is damaged")
        return found[0]
    if exists(run / NAME):
        return None
    last = tail(run / LOG)[-1:]
    return last[0] if last and isinstance(last[0], Result) else None


def accuracy_of(result: Result | None, log: Sequence[Record] = ()) -> dict[str, Any]:
    """The keys of a record on the accuracy that a run measured; of a search that of its best checkpoint or cell, whose
    interval is in the log."""
    if isinstance(result, Measured):
        return {"accuracy": result.mean, "interval": result.interval, "measured_on": "test"}
    if not isinstance(result, SearchResult | GrowResult):
        return {"accuracy": None, "interval": None}
    best = [one for one in log if isinstance(one, Validated) and one.accuracy == result.validation_accuracy]
    interval = best[-1].interval if best else None
    return {"accuracy": result.validation_accuracy, "interval": interval, "measured_on": "validation"}


def _nothing_of(run: Path) -> ListedRun:
    unknown = ("command", "method", "dataset", "way", "shot", "seed", "done", "asked", "unit")
    empty: dict[str, Any] = dict.fromkeys((*unknown, "accuracy", "interval", "wall_seconds"))
    return ListedRun(run=str(run), state="broken", changed=_changed(run), **empty)


def _changed(run: Path) -> str | None:
    times = []
    for name in _CHANGING:
        try:
            times.append((run / name).stat().st_mtime)
        except OSError:
            continue
    if not times:
        return None
    return datetime.fromtimestamp(max(times), UTC).isoformat(timespec="seconds")


def _reached(result: Result, run: Path) -> dict[str, Any]:
    """What a result says of its run."""
    log = tail(run / LOG) if isinstance(result, SearchResult) else ()
    found = {"command": result.command, **accuracy_of(result, log)}
    if isinstance(result, SearchResult):
        found |= {"done": result.tasks, "asked": None if result.hours else result.tasks, "unit": "tasks"}
    elif isinstance(result, Measured):
        found |= _trained(result)
    else:
        return found
    names = ("method", "dataset", "way", "shot", "seed", "wall_seconds")
    return found | {name: getattr(result, name) for name in names}


def _trained(result: Measured) -> dict[str, Any]:
    count = result.genotypes_trained or 1
    networks = {} if result.weights == "inherited" else {"networks": count, "networks_done": count}
    training = result.budget.training
    if training is None or training.unit != "tasks":
        return {"done": count, "asked": count, "unit": "networks", **networks}
    done = training.amount * (1 if training.each is None else count)
    return {"done": done, "asked": None if getattr(result, "hours", None) else done, "unit": "tasks", **networks}


def _planned(found: ListedRun, file: RunFile, given: Sequence[Given]) -> ListedRun:
    """With what run.json says, where the result did not say it."""
    settings, kept = file.settings, found
    if kept.method is None:
        kept = replace(kept, method=_method(file, given))
    said: dict[str, Any] = {"way": _whole(settings.get("way"), 2), "shot": _whole(settings.get("shot"), 1)}
    said |= {"seed": _whole(settings.get("seed"), 0), "dataset": _text(settings.get("dataset"))}
    said["command"] = command_of(file.kind)
    missing: dict[str, Any] = {name: value for name, value in said.items() if getattr(kept, name) is None}
    return replace(kept, **missing)


def _method(file: RunFile, given: Sequence[Given]) -> str | None:
    """The method that found the architectures which a run was given; its own, where it was given none."""
    methods = {record.method or "genotype" for record in given if isinstance(record, Decoded)}
    if methods:
        return methods.pop() if len(methods) == 1 else "mixed"
    return _text(file.settings.get("method"))


def _so_far(found: ListedRun, run: Path, file: RunFile, given: Sequence[Given]) -> ListedRun:
    """With what the log and the networks say of an unfinished run."""
    log, networks = tail(run / LOG), networks_of(run, file, given)
    reached: Amounts = amounts(run, file, networks, log)
    changes: dict[str, Any] = {"done": reached.done, "asked": reached.asked, "unit": reached.unit, **_count(networks)}
    validations = [record for record in log if isinstance(record, Validated)]
    if found.accuracy is None and validations and (networks is None or networks.asked == 1):
        last = validations[-1]
        changes |= {"accuracy": last.accuracy, "interval": last.interval, "measured_on": "validation"}
    return replace(found, **changes)


def _count(networks: Networks | None) -> dict[str, Any]:
    return {} if networks is None else {"networks": networks.asked, "networks_done": len(networks.finished)}


def _whole(value: object, least: int) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= least else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
