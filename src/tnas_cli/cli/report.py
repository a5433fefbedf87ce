"""`tnas report`: the paper's table beside our numbers, in the terminal or as a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tnas_cli.cli import options
from tnas_cli.cli.console import Screen
from tnas_cli.cli.report_table import TableOf, plain
from tnas_cli.errors import SettingsError, did_you_mean

#: The format that a file's ending asks for.
ENDINGS = {".md": "markdown", ".csv": "csv", ".json": "json", ".tex": "latex"}


def report(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN|-", help="Run directories, files of JSON lines, or - for stdin; default: all of runs/."
        ),
    ] = None,
    table: Annotated[int, typer.Option("--table", help="Number of the paper's table, 2 to 8.")] = 2,
    form: Annotated[
        str | None,
        typer.Option(
            "--format", help="rich, markdown, csv, json or latex; default: by the ending of --output, or rich."
        ),
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file, not to stdout.")] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Show a table of the paper with its numbers and ours in separate columns, each of ours with its budget."""
    from tnas_cli.engine.report import report as engine
    from tnas_cli.report.formats import FORMATS, render, to_json
    from tnas_cli.runs.files import write_text

    screen = Screen(as_json=as_json, quiet=quiet, verbose=verbose)
    chosen = form or ENDINGS.get(output.suffix.lower() if output else "", "rich")
    if chosen not in FORMATS:
        raise SettingsError(f"unknown format {chosen!r}.", hint=did_you_mean(chosen, FORMATS))
    if as_json and form not in (None, "json"):
        raise SettingsError(f"--json and --format {form} exclude each other.", hint="leave one of them out")
    found = engine(runs or [], table=table, stdin=sys.stdin)
    if output is not None:
        write_text(output, plain(found) if chosen == "rich" else render(found, chosen))
        screen.say(f"wrote {output}")
    if as_json:
        screen.record(to_json(found))
        screen.record(
            {
                "event": "result",
                "version": 1,
                "command": "report",
                "table": found.number,
                "measured": len(found.measured),
                "output": str(output) if output else None,
            }
        )
    elif output is None and chosen == "rich":
        screen.show(TableOf(found))
    elif output is None:
        screen.text(render(found, chosen))
