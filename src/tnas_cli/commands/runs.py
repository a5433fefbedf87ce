"""`tnas runs` as a function: the runs of a folder, one record each, whatever state they are in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

from tnas_cli.commands.resume import RECIPES
from tnas_cli.errors import SettingsError, did_you_mean
from tnas_cli.records.run_list import ListedRun, RunsResult, State
from tnas_cli.runs.below import runs_below
from tnas_cli.runs.contents import is_run
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
    paths = [folder] if is_run(folder) else runs_below(folder, unreadable)
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
