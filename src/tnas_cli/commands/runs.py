"""`tnas runs` as a function: the runs of a folder, one record each, whatever state they are in."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from tnas_cli.commands.resume import RECIPES
from tnas_cli.errors import DataError, SettingsError, did_you_mean
from tnas_cli.records.run_list import ListedRun, RunsResult, State
from tnas_cli.runs.contents import is_run, is_surely_run
from tnas_cli.runs.files import cannot_read
from tnas_cli.runs.summary import summary
from tnas_cli.spelling import command

STATES: tuple[str, ...] = get_args(State)

#: Accuracy and cost: the largest first; a change: the newest first; what is not known last.
_KEYS: Mapping[str, Callable[[ListedRun], Any]] = {
    "name": lambda run: (),
    "accuracy": lambda run: -1.0 if run.accuracy is None else run.accuracy,
    "cost": lambda run: -1.0 if run.wall_seconds is None else run.wall_seconds,
    "changed": lambda run: run.changed or "",
    "state": lambda run: -STATES.index(run.state),
}
SORTS = tuple(_KEYS)


def list_runs(
    folder: Path = Path("runs"),
    *,
    sort: str = "name",
    state: str | None = None,
    method: str | None = None,
    dataset: str | None = None,
) -> tuple[list[ListedRun], RunsResult]:
    """The runs in a folder and in the folders below it, or the one run that the folder is; and the result.

    sort: name, accuracy, cost, changed or state. state, method, dataset: only such runs. A broken run is a record, too.
    Raises SettingsError for an unknown sort or state, and DataError for a folder that is missing or cannot be read.
    """
    for option, value, known in (("--sort", sort, SORTS), ("--state", state, STATES)):
        if value is not None and value not in known:
            raise SettingsError(f"{option} is {value!r}.", hint=did_you_mean(value, known))
    unreadable: list[str] = []
    paths = [folder] if is_run(folder) else sorted(_runs_below(folder, unreadable))
    found = [summary(path, RECIPES.keys()) for path in paths]
    asked = {"state": state, "method": method, "dataset": dataset}
    wanted = {name: value for name, value in asked.items() if value is not None}
    listed = [run for run in found if all(getattr(run, name) == value for name, value in wanted.items())]
    listed.sort(key=_KEYS[sort], reverse=True)
    count: Mapping[str, int] = Counter(run.state for run in listed)
    return listed, RunsResult(
        folder=str(folder),
        found=len(found),
        finished=count["finished"],
        running=count["running"],
        stopped=count["stopped"],
        broken=count["broken"],
        unreadable=tuple(unreadable),
    )


def continuation(listed: list[ListedRun]) -> str | None:
    """The command that continues the newest stopped run of a list; None if there is none."""
    stopped = [run for run in listed if run.state == "stopped"]
    newest = max(stopped, key=_KEYS["changed"], default=None)
    return None if newest is None else command("tnas", "resume", Path(newest.run))


def _runs_below(folder: Path, unreadable: list[str]) -> Iterator[Path]:
    """The runs below a folder. Links are followed, and a folder that is met again is passed over; those that cannot be
    read are added to `unreadable`. Raises DataError for the folder itself."""
    if not folder.is_dir():
        what = "is not a folder" if os.path.lexists(folder) else "does not exist"
        raise DataError(f"{folder} {what}.", hint="name the folder that --runs of a search or training named")

    def refuse(error: OSError) -> None:
        if Path(str(error.filename)) == folder:
            raise cannot_read(folder, error)
        unreadable.append(str(error.filename))

    seen: set[tuple[int, int]] = set()
    for place, names, _ in os.walk(folder, followlinks=True, onerror=refuse):
        shown = [Path(place, name) for name in sorted(names) if not name.startswith(".")]
        names[:] = [path.name for path in shown if _is_new(path, seen, refuse)]
        runs = [name for name in names if is_surely_run(Path(place, name))]
        yield from (Path(place, name) for name in runs)
        # Networks of a run are no runs: it is not searched.
        names[:] = [name for name in names if name not in runs]


def _is_new(path: Path, seen: set[tuple[int, int]], refuse: Callable[[OSError], None]) -> bool:
    try:
        found = path.stat()
    except OSError as error:
        refuse(error)
        return False
    key = (found.st_dev, found.st_ino)
    if key in seen:
        return False
    seen.add(key)
    return True
