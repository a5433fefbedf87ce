"""`tnas report`: the paper's table beside our numbers, in the terminal or as a file."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from tnas_cli.cli import options
from tnas_cli.cli.console import Screen
from tnas_cli.errors import SettingsError, did_you_mean

if TYPE_CHECKING:
    from tnas_cli.report.tables import Table

#: The format that a file's ending asks for.
ENDINGS = {".md": "markdown", ".csv": "csv", ".json": "json"}
FILE_WIDTH = 120


def report(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN|-", help="Run directories, files of JSON lines, or - for stdin; default: all of runs/."
        ),
    ] = None,
    table: Annotated[int, typer.Option("--table", help="Number of the paper's table.")] = 2,
    form: Annotated[
        str | None,
        typer.Option("--format", help="rich, markdown, csv or json; default: by the ending of --output, or rich."),
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
        write_text(output, _plain(found) if chosen == "rich" else render(found, chosen))
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
        screen.show(table_of(found))
    elif output is None:
        screen.text(render(found, chosen))


def table_of(table: Table) -> RenderableType:
    """The table and its notes for a terminal."""
    from tnas_cli.report.formats import cell_text

    title = f"Table {table.number}: {table.title}"
    # Without vertical lines and edges it fits 80 columns.
    drawn = RichTable(
        title=title,
        title_justify="left",
        title_style="bold",
        header_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    for column in table.columns:
        if column.kind == "name":
            drawn.add_column(column.title, min_width=12)
        else:
            style = "bold cyan" if column.kind == "ours" else ""
            drawn.add_column(column.title.replace(" ", "\n", 1), justify="right", style=style, no_wrap=True)
    rows = [row for row in table.rows if row.in_paper]
    others = [row for row in table.rows if not row.in_paper]
    for row in rows:
        drawn.add_row(*(Text(cell_text(cell)) for cell in row.cells), end_section=row is rows[-1])
    if others:
        drawn.add_row(Text("not in the paper's table:", style="italic"))
    for row in others:
        drawn.add_row(*(Text(cell_text(cell)) for cell in row.cells))
    notes = Text("\n".join(table.notes), style="dim")
    return Group(drawn, notes)


def _plain(table: Table) -> str:
    """The terminal's table as text without colours."""
    console = Console(file=io.StringIO(), width=FILE_WIDTH, color_system=None)
    console.print(table_of(table))
    text = console.file.getvalue() if isinstance(console.file, io.StringIO) else ""
    return "".join(line.rstrip() + "\n" for line in text.splitlines())
