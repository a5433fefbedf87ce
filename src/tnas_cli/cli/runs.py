"""`tnas runs`: the runs of a folder, as a table or records."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.table import Table

from tnas_cli.cli import options
from tnas_cli.cli.bars import done_of
from tnas_cli.cli.colours import WARNING
from tnas_cli.cli.console import Screen, add_row, table
from tnas_cli.cli.flat import From, flat
from tnas_cli.cli.show import with_interval
from tnas_cli.records.run_list import ListedRun, RunsResult
from tnas_cli.runs.lock import age
from tnas_cli.spelling import duration

#: Columns of a terminal that are enough for one line per run.
WIDE = 150


@flat
def runs(
    *,
    folder: Annotated[Path, typer.Argument(help="Folder of runs, also in folders below it; or one run.")] = Path(
        "runs"
    ),
    sort: Annotated[
        str, typer.Option("--sort", metavar="KEY", help="name, accuracy, cost, changed or state.")
    ] = "name",
    state: Annotated[
        str | None, typer.Option("--state", metavar="STATE", help="Only finished, running, stopped or broken ones.")
    ] = None,
    method: Annotated[
        str | None, typer.Option("--method", metavar="NAME", help="Only those of this method, such as t-nas.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option("--dataset", "-d", metavar="NAME", help="Only those on this data set.")
    ] = None,
    screen: Annotated[Screen, From(options.screen)],
) -> None:
    """List the runs of a folder: what they are, how far they are, what they reached and what they cost.

    A run is finished, running (a process works on it), stopped (tnas resume continues it) or broken, with the reason.
    """
    from tnas_cli.commands.runs import continuation, list_runs

    listed, result = list_runs(folder, sort=sort, state=state, method=method, dataset=dataset)
    if screen.as_json:
        for record in [*listed, result]:
            screen.record(record.to_json())
        return
    if listed:
        wide = screen.output.width >= WIDE
        screen.show(_wide(listed, folder) if wide else _narrow(listed, folder))
    screen.text(_summary(result))
    for path in result.unreadable:
        screen.say(f"warning: {path} cannot be read", style=WARNING, always=True)
    screen.next(continuation(listed))


def _wide(listed: list[ListedRun], folder: Path) -> Table:
    names = ("run", "command", "method", "data", "state", "progress", "accuracy", "time", "changed", "seed")
    drawn = table(names, overflow="fold")
    drawn.box = box.SIMPLE
    for run in listed:
        what = (run.command or "", run.method or "", _data(run))
        seed = "" if run.seed is None else str(run.seed)
        rest = (_accuracy(run), _time(run), _ago(run), seed)
        add_row(drawn, [_name(run, folder), *_reason(run)], *what, run.state, _progress(run), *rest)
    return drawn


def _narrow(listed: list[ListedRun], folder: Path) -> Table:
    """Several lines for a run: what it is stands below its name, and its progress below its state."""
    drawn = table(("run", "state", "accuracy", "time, changed"), overflow="fold")
    drawn.box = box.SIMPLE
    for run in listed:
        seed = None if run.seed is None else f"seed {run.seed}"
        what = " ".join(filter(None, (run.command, run.method, _data(run), seed)))
        lines = [_name(run, folder), *filter(None, [what]), *_reason(run)]
        add_row(drawn, lines, [run.state, _progress(run)], _accuracy(run).split("  "), [_time(run), _ago(run)])
    return drawn


def _name(run: ListedRun, folder: Path) -> str:
    """The run's path in the folder; its name where the folder itself is the run."""
    path = Path(run.run)
    return path.name or run.run if path == folder else str(path.relative_to(folder))


def _data(run: ListedRun) -> str:
    ways = "" if run.way is None or run.shot is None else f"{run.way}w{run.shot}s"
    return " ".join(filter(None, (run.dataset, ways)))


def _reason(run: ListedRun) -> list[str]:
    return [] if run.reason is None else [run.reason]


def _progress(run: ListedRun) -> str:
    return "" if run.done is None else done_of(run.done, run.asked, run.unit or "")


def _accuracy(run: ListedRun) -> str:
    if run.accuracy is None:
        return ""
    kind = "  validation" if run.measured_on == "validation" else ""
    return with_interval(run.accuracy, run.interval) + kind


def _time(run: ListedRun) -> str:
    return "" if run.wall_seconds is None else duration(run.wall_seconds)


def _ago(run: ListedRun) -> str:
    if run.changed is None:
        return ""
    return f"{age(time.time() - datetime.fromisoformat(run.changed).timestamp())} ago"


def _summary(result: RunsResult) -> str:
    counts = [(getattr(result, state), state) for state in ("finished", "running", "stopped", "broken")]
    said = ", ".join(f"{count} {state}" for count, state in counts if count)
    number = {0: "no runs", 1: "1 run"}.get(result.found, f"{result.found:,} runs")
    number = f"{result.listed:,} of {number}" if result.listed < result.found else number
    return f"{number} in {result.folder}{': ' if said else ''}{said}"
