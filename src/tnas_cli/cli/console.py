"""The two streams of a command: data on stdout, messages and progress on stderr."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from tnas_cli.cli.bars import REFRESHES_PER_SECOND, Bars, in_words
from tnas_cli.runs import events
from tnas_cli.spelling import broken_between_words, duration, visible

SECONDS_BETWEEN_LINES = 5.0


class Screen:
    """What a command shows, and how. `--json`, `--quiet`, `-v` and the kind of terminal decide that."""

    def __init__(self, *, as_json: bool = False, quiet: bool = False, verbose: bool = False) -> None:
        self.as_json = as_json
        self.quiet = quiet
        self.verbose = verbose
        # What is shown is data: neither [bold] nor :cat: in it is a command to the terminal.
        self.words = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)
        self.output = Console(highlight=False, markup=False, emoji=False)

    def say(self, text: str, *, style: str | None = None, always: bool = False) -> None:
        """A sentence for a person, on stderr; silent with --quiet unless `always`.

        On a terminal, lines end between words, except those with a command.
        """
        if always or not self.quiet:
            line = visible(text)
            shown = broken_between_words(line, self.words.width) if self.words.is_terminal else line
            self.words.print(shown, style=style)

    def next(self, command: str | None) -> None:
        """The command that may follow, where one is known to work."""
        if command is not None:
            self.say(f"next: {command}")

    def told(self, event: events.Event) -> None:
        """A listener for what must be known even with --quiet: how an input was understood."""
        if isinstance(event, events.Note):
            self.say(event.text, always=True)

    def record(self, value: Mapping[str, Any]) -> None:
        """One JSON object on one line of stdout."""
        sys.stdout.write(json.dumps(value, allow_nan=False) + "\n")
        sys.stdout.flush()

    def text(self, text: str) -> None:
        """Data that is plain text, on stdout; what cannot be seen is shown as escapes."""
        lines = text.removesuffix("\n").split("\n")
        sys.stdout.write("".join(f"{visible(line)}\n" for line in lines))
        sys.stdout.flush()

    def facts(self, facts: Iterable[tuple[str, str]], column: int) -> None:
        """Names and what is to say of them, which begins in the column; a terminal's lines end between words."""
        for name, value in facts:
            line = f"{name:<{column}}{visible(value)}"
            if sys.stdout.isatty():
                line = broken_between_words(line, self.output.width, " " * column)
            self.text(line)

    def path(self, path: str) -> None:
        """The path of what was written, on stdout: exact for other programs, as `text` on a terminal."""
        sys.stdout.write(f"{visible(path) if sys.stdout.isatty() else path}\n")
        sys.stdout.flush()

    def show(self, renderable: RenderableType) -> None:
        """A Rich table or picture for a person, on stdout."""
        self.output.print(renderable)

    @contextmanager
    def progress(self) -> Iterator[events.Listener]:
        """A listener that draws progress bars on a terminal and writes a plain line every few seconds elsewhere."""
        if self.quiet:
            yield events.ignore
        elif self.words.is_terminal and os.environ.get("TERM") != "dumb":
            # On one terminal, data goes above the bars; data for a file must not be drawn into the terminal.
            with Bars(self.words, timed=True, redirect_stdout=sys.stdout.isatty()) as bars:
                yield _BarListener(bars, self)
        else:
            yield _LineListener(self)


def table(titles: Iterable[str], *, title: str | None = None, **columns: Any) -> Table:
    """An empty table for texts; `columns` are how Rich draws each."""
    drawn = Table(title=None if title is None else visible(title))
    for name in titles:
        drawn.add_column(visible(name), **columns)
    return drawn


def add_row(drawn: Table, *cells: str | Sequence[str]) -> None:
    """A row of cells: a text is one line, whatever is in it, and a sequence of texts several."""
    rows = ([cell] if isinstance(cell, str) else cell for cell in cells)
    drawn.add_row(*(Text("\n".join(map(visible, lines))) for lines in rows))


class _BarListener:
    """Progress events move bars, one per stage; notes are printed above them."""

    def __init__(self, bars: Bars, screen: Screen) -> None:
        self.bars, self.screen = bars, screen
        self.last: dict[str, float] = {}

    def __call__(self, event: events.Event) -> None:
        if isinstance(event, events.Note):
            self.screen.say(event.text)
        elif isinstance(event, events.Progress):
            now = time.monotonic()
            if event.done < event.total and now - self.last.get(event.stage, -math.inf) < 1 / REFRESHES_PER_SECOND:
                return  # the bars would not show it
            self.last[event.stage] = now
            self.bars.show(event.stage, event.done, event.total, event.unit, event.values)


class _LineListener:
    """A plain line at a stage's end and every few seconds in between."""

    def __init__(self, screen: Screen) -> None:
        self.screen = screen
        #: Of each stage the moment of its first event and how much was done by then, which for a resumed run is not 0.
        self.started: dict[str, tuple[float, int]] = {}
        self.done: dict[str, int] = {}
        self.last = time.monotonic()

    def __call__(self, event: events.Event) -> None:
        if isinstance(event, events.Note):
            self.screen.say(event.text)
        elif isinstance(event, events.Progress):
            now = time.monotonic()
            if event.done < self.done.get(event.stage, math.inf):  # new, or another piece of work of the same name
                self.started[event.stage] = now, event.done
            self.done[event.stage] = event.done
            if event.done >= event.total or now - self.last >= SECONDS_BETWEEN_LINES:
                self.last = now
                start, before = self.started[event.stage]
                self.screen.say(_line(event, now - start, event.done - before))


def _line(event: events.Progress, seconds: float, done: int) -> str:
    """A line of progress; `done` units took the `seconds`."""
    parts = [f"{event.stage}: {event.done}/{event.total} {event.unit}"]
    if event.values:
        parts.append(in_words(event.values))
    if done > 0 and event.done < event.total and seconds > 1:
        parts.append(f"{duration(seconds * (event.total - event.done) / done)} left")
    return "  ".join(parts)


def size(count: int) -> str:
    """Bytes in a readable form: '1.3 MB', '2.10 GB'."""
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def progress() -> events.Listener:
    """A listener for Python and notebooks: notes, and a line at each stage's end and every few seconds in between."""
    return _LineListener(Screen())
