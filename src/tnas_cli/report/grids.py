"""A table as texts in rows and columns, for every form that a person reads.

`main` is the table itself. `details` has a row per measured number: its difference to the paper's, its interval, its
tasks, its share of the paper's budget, its weights and its seeds.
"""

from __future__ import annotations

from dataclasses import dataclass

from tnas_cli.records.results import TransferResult
from tnas_cli.report.footnotes import percent, training
from tnas_cli.report.measured import search_tasks, seeds_of
from tnas_cli.report.measures import MEASURES
from tnas_cli.report.paper_tables import PaperBudget, PaperNumber, without_unit
from tnas_cli.report.tables import Cell, Column, Ours, Table
from tnas_cli.spelling import visible

BELOW = "not in the paper's table:"


@dataclass(frozen=True)
class Grid:
    """Texts only. Columns of numbers are set flush right; `below` is the first row after the paper's, if any."""

    titles: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: tuple[tuple[str, ...], ...]
    below: int | None = None


def cell_text(cell: Cell) -> str:
    """A cell for a person: the paper's as printed, ours with its interval and the mark of its note."""
    if isinstance(cell, Ours):
        return f"{ours_text(cell)} [{cell.mark}]"
    if isinstance(cell, PaperNumber):
        return without_unit(cell.text)
    return visible(cell or "")


def ours_text(cell: Ours) -> str:
    """'98.76 ± 0.34', in the unit of the column."""
    interval = "" if cell.interval is None else f" ± {cell.interval:.2f}"
    return f"{MEASURES[cell.measure].text(cell.value)}{interval}"


def main(table: Table) -> Grid:
    """The paper's columns and ours."""
    rows = tuple(tuple(cell_text(cell) for cell in row.cells) for row in table.rows)
    below = next((index for index, row in enumerate(table.rows) if not row.in_paper), None)
    numeric = tuple(column.kind in ("paper", "ours") for column in table.columns)
    return Grid(tuple(column.title for column in table.columns), numeric, rows, below)


def details(table: Table) -> Grid | None:
    """Details of each of our numbers; None if nothing was measured."""
    cells = table.cells_of_ours
    if not cells:
        return None
    titles = (
        "Note",
        "Ours",
        "minus paper",
        "95% interval",
        "tasks",
        "search budget",
        "training budget",
        "weights",
        "seed",
    )
    numeric = (False, False, True, True, True, True, True, False, False)
    rows = [_detail(column, cell, table.paper.budget) for column, cell in cells]
    # The transfer setting has no tasks, and the paper does not always say what it spent.
    used = [index for index in range(len(titles)) if any(row[index] for row in rows)]
    kept = tuple(tuple(row[index] for index in used) for row in rows)
    return Grid(tuple(titles[index] for index in used), tuple(numeric[index] for index in used), kept)


def _detail(column: Column, cell: Ours, budget: PaperBudget) -> tuple[str, ...]:
    m = cell.measurement
    return (
        f"[{cell.mark}]",
        column.title.removeprefix("ours ").split(" (")[0],
        difference_text(cell),
        "" if cell.interval is None else f"± {cell.interval:.2f}",
        "" if isinstance(m, TransferResult) else f"{m.tasks:,}",
        _share(search_tasks(m), budget.search_tasks),
        _share(*training(m, budget)),
        m.weights.replace("-", " "),
        ", ".join(map(str, seeds_of(m))),
    )


def difference_text(cell: Ours) -> str:
    """Ours minus the paper's with its sign: '−0.40'; empty if there is nothing to compare with."""
    if cell.difference is None:
        return ""
    text = MEASURES[cell.measure].text(abs(cell.difference))
    return ("+" if cell.difference >= 0 else "−") + text


def _share(ours: int | None, paper: int | None) -> str:
    return "" if ours is None or paper is None else percent(ours, paper).replace("less than ", "<")
