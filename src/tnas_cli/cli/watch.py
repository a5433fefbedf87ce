"""`tnas watch`: the progress of a run that another process works on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from tnas_cli.cli import options
from tnas_cli.cli.console import REFRESHES_PER_SECOND, Screen, done_of
from tnas_cli.cli.flat import From, flat
from tnas_cli.cli.show import with_interval
from tnas_cli.records.run_list import WatchResult
from tnas_cli.runs import events
from tnas_cli.spelling import command, duration, visible


@flat
def watch(
    *,
    run: Annotated[Path, typer.Argument(help="Folder of the run.")],
    screen: Annotated[Screen, From(options.screen)],
) -> None:
    """Show a run that goes on in another process: its stages, losses, accuracies, speed and time left, until it ends.

    It only reads: Ctrl-C leaves the run as it is, and ends with exit code 0. With --json, the records of the run's log
    are passed on as they come.
    """
    from tnas_cli.commands.watch import check_run, ending
    from tnas_cli.commands.watch import watch as follow
    from tnas_cli.runs.lock import holder_of

    check_run(run)
    try:
        with _view(screen) as listener:
            for record in follow(run, listener=listener):
                if screen.as_json:
                    screen.record(record.to_json())
                elif isinstance(record, WatchResult):
                    result = record
    except KeyboardInterrupt:
        result = ending(run, holder_of(run))
        if screen.as_json:
            screen.record(result.to_json())
    if not screen.as_json:
        _say_end(screen, result)


def _say_end(screen: Screen, result: WatchResult) -> None:
    if result.state == "finished":
        screen.text(f"finished{_reached(result)}")
    elif result.state == "running":
        screen.text(f"{result.run} goes on")
        screen.next(command("tnas", "watch", Path(result.run)))
    else:
        gone = "its process is gone; what it saved last is kept" if result.state == "gone" else "no process works on it"
        screen.text(f"stopped: {gone}")
        screen.next(command("tnas", "resume", Path(result.run)))


def _reached(result: WatchResult) -> str:
    if result.accuracy is None:
        return ""
    kind = "validation accuracy" if result.measured_on == "validation" else "accuracy"
    return f": {kind} {with_interval(result.accuracy, result.interval)}"


@contextmanager
def _view(screen: Screen) -> Iterator[events.Listener]:
    """A listener that draws bars on a terminal and writes plain lines elsewhere."""
    if screen.quiet:
        yield events.ignore
    elif screen.words.is_terminal and os.environ.get("TERM") != "dumb":
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=12),
            TextColumn("{task.fields[words]}", markup=False),
        )
        with Progress(*columns, console=screen.words, refresh_per_second=REFRESHES_PER_SECOND) as bars:
            yield _Bars(bars)
    else:
        yield lambda event: screen.say(_line(event)) if isinstance(event, events.Seen) else None


class _Bars:
    """A bar for each stage that is not finished, and one for all networks."""

    def __init__(self, bars: Progress) -> None:
        self.bars = bars
        self.stages: dict[str, TaskID] = {}

    def __call__(self, event: events.Event) -> None:
        if not isinstance(event, events.Seen):
            return
        if event.stage not in self.stages:
            self.stages[event.stage] = self.bars.add_task(visible(event.stage), words="")
        ended = event.done == event.asked and event.unit != "networks"
        how_far, values = _words(event)
        words = f"{how_far}\n{values}" if values else how_far  # one line of both is too long for 80 columns
        self.bars.update(
            self.stages[event.stage], completed=event.done, total=event.asked, words=words, visible=not ended
        )


def _line(event: events.Seen) -> str:
    return f"{event.stage}: {'  '.join(filter(None, _words(event)))}"


def _words(event: events.Seen) -> tuple[str, str]:
    """How far a stage is, with the time left, and its latest values."""
    values = [f"{name} {value:.3g}" for name, value in event.values.items()]
    left = [] if event.left is None or event.done == event.asked else [f"{duration(event.left)} left"]
    return "  ".join([done_of(event.done, event.asked, event.unit), *left]), "  ".join(values)
