"""`tnas watch`: the progress of a run that another process works on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from tnas_cli.cli import options
from tnas_cli.cli.bars import Bars, done_of, in_words
from tnas_cli.cli.console import Screen
from tnas_cli.cli.flat import From, flat
from tnas_cli.cli.show import with_interval
from tnas_cli.records.run_list import WatchResult
from tnas_cli.runs import events
from tnas_cli.spelling import command, duration


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
        with Bars(screen.words, timed=False) as bars:
            yield lambda event: _move(bars, event) if isinstance(event, events.Seen) else None
    else:
        yield lambda event: screen.say(_line(event)) if isinstance(event, events.Seen) else None


def _move(bars: Bars, event: events.Seen) -> None:
    """A bar for each stage that is not finished, and one for all networks."""
    ended = event.done == event.asked and event.unit != "networks"
    bars.show(event.stage, event.done, event.asked, event.unit, event.values, left=event.left, visible_now=not ended)


def _line(event: events.Seen) -> str:
    left = [] if event.left is None or event.done == event.asked else [f"{duration(event.left)} left"]
    parts = [done_of(event.done, event.asked, event.unit), *left, in_words(event.values)]
    return f"{event.stage}: {'  '.join(filter(None, parts))}"
