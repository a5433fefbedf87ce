"""A table of the paper in the terminal, with details of our numbers below it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table as RichTable
from rich.text import Text

from tnas_cli.cli.colours import OURS

if TYPE_CHECKING:
    from tnas_cli.report.grids import Grid
    from tnas_cli.report.tables import Table

FILE_WIDTH = 120
#: Room for 'T-NAS (Lian et al., 2020)' on one line.
NAME_WIDTH = 25
GAP = 2


class TableOf:
    """How good it is and how sure, then the table and its notes.

    Where a terminal has no room for all columns, two things move: the paper's words (architecture, parameters) go
    below the method's name, our intervals below our numbers.
    """

    def __init__(self, table: Table) -> None:
        self.table = table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from tnas_cli.report.answer import answers
        from tnas_cli.report.grids import details

        for answer in answers([ours.measurement for ours in self.table.measured]):
            yield Text(answer, style="bold")
            yield Text()
        yield _draw(self.table, wide=_wide_width(self.table) <= options.max_width)
        further = details(self.table)
        if further is not None:
            yield Text()
            yield _draw_details(further)
        yield Text()
        yield Text("\n".join(self.table.notes), style="dim")


def plain(table: Table) -> str:
    """The terminal's table as text without colours."""
    file = io.StringIO()
    Console(file=file, width=FILE_WIDTH, color_system=None).print(TableOf(table))
    return "".join(line.rstrip() + "\n" for line in file.getvalue().splitlines())


def _empty(title: str | None, gap: int = GAP) -> RichTable:
    # Without vertical lines and edges it fits 80 columns.
    return RichTable(
        title=title,
        title_justify="left",
        title_style="bold",
        header_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=(0, gap - 1, 0, 0),
    )


def _wide_width(table: Table) -> int:
    """The width of the table with nothing folded; Rich itself would silently cut numbers."""
    from tnas_cli.report.grids import main

    grid = main(table)
    columns = zip(*[[_title(title, wide=True) for title in grid.titles], *grid.rows], strict=True)
    _, *others = [max(cell_len(line) for text in column for line in text.split("\n")) for column in columns]
    return NAME_WIDTH + sum(GAP + width for width in others)


def _title(title: str, *, wide: bool) -> str:
    """A column's title on two lines, or on as many as it has words."""
    return title.replace(" ", "\n", 1 if wide else -1)


def _draw(table: Table, *, wide: bool) -> RichTable:
    from tnas_cli.report.grids import BELOW, cell_text
    from tnas_cli.report.tables import Ours

    numbers = sum(column.measure is not None for column in table.columns)
    # Six or more columns of numbers leave too little of 80 characters for the name, unless they move closer together.
    drawn = _empty(f"Table {table.number}: {table.title}", GAP if wide or numbers < 6 else 1)
    for column in table.columns:
        if column.kind == "name":
            drawn.add_column(column.title, min_width=NAME_WIDTH if wide else None)
        elif column.kind == "about":
            if wide:
                drawn.add_column(column.title, no_wrap=True)
        else:
            style = OURS if column.kind == "ours" else ""
            drawn.add_column(_title(column.title, wide=wide), justify="right", style=style, no_wrap=True)
    papers = sum(row.in_paper for row in table.rows)
    for index, row in enumerate(table.rows):
        if index == papers:
            drawn.add_row(Text(BELOW, style="italic"))
        name, *cells = (Text(cell_text(cell)) for cell in row.cells)
        kinds = [column.kind for column in table.columns[1:]]
        if not wide:
            about = ", ".join(cell.plain for cell, kind in zip(cells, kinds, strict=True) if kind == "about" and cell)
            name.append(f"\n{about}" if about else "", style="dim")
            values = zip(row.cells[1:], cells, kinds, strict=True)
            cells = [_folded(v) if isinstance(v, Ours) else text for v, text, kind in values if kind != "about"]
        drawn.add_row(name, *cells, end_section=index == papers - 1)
    return drawn


def _folded(cell: object) -> Text:
    """Our number with its mark, and its interval on a line of its own."""
    from tnas_cli.report.grids import ours_text
    from tnas_cli.report.tables import Ours

    assert isinstance(cell, Ours)
    value, plus_minus, interval = ours_text(cell).partition(" ± ")
    return Text(f"{value} [{cell.mark}]" + (f"\n± {interval}" if plus_minus else ""))


def _draw_details(grid: Grid) -> RichTable:
    drawn = _empty(None)
    for title, numeric in zip(grid.titles, grid.numeric, strict=True):
        # The seeds may be many, and the weights two words; everything else is short.
        folds = title in ("seed", "weights")
        drawn.add_column(_title(title, wide=False), justify="right" if numeric else "left", no_wrap=not folds)
    for row in grid.rows:
        drawn.add_row(*map(Text, row))
    return drawn
