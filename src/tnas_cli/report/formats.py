"""A table as Markdown, CSV, JSON and LaTeX; the command line draws it with Rich."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from typing import Any

from tnas_cli.report.footnotes import part, training
from tnas_cli.report.grids import BELOW, Grid, cell_text, details, main
from tnas_cli.report.latex import to_latex
from tnas_cli.report.measures import MEASURES
from tnas_cli.report.paper_tables import PaperNumber
from tnas_cli.report.records import Measurement
from tnas_cli.report.tables import Cell, Ours, Table

__all__ = ["FORMATS", "cell_text", "render", "to_csv", "to_json", "to_markdown", "to_records"]

FORMATS = ("rich", "markdown", "csv", "json", "latex")


def to_markdown(table: Table) -> str:
    """A heading, the table, a second one with what belongs to ours, and the notes as a list."""
    lines = [f"### Table {table.number}: {table.title}", "", *_markdown(main(table))]
    further = details(table)
    if further is not None:
        lines += ["", *_markdown(further)]
    return "\n".join([*lines, "", *(f"- {_escape(note)}" for note in table.notes)]) + "\n"


def _markdown(grid: Grid) -> list[str]:
    lines = [_markdown_row(grid.titles), _markdown_row(tuple("---:" if numeric else "---" for numeric in grid.numeric))]
    for index, row in enumerate(grid.rows):
        if index == grid.below:
            lines.append(_markdown_row((f"*{BELOW}*", *[""] * (len(grid.titles) - 1))))
        lines.append(_markdown_row(row))
    return lines


def _markdown_row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(_escape(cell) for cell in cells)} |"


def _escape(text: str) -> str:
    # A bracketed number followed by a parenthesis would become a link, a bar a new column, a first star a list.
    text = text.replace("\\", "\\\\").replace("|", "\\|").replace("[", "\\[").replace("]", "\\]")
    return f"\\{text}" if text.startswith("* ") else text


def to_records(table: Table) -> list[dict[str, Any]]:
    """One flat record per row and column of numbers; the paper's number and ours under keys of their own."""
    records = []
    for row in table.rows:
        by_column = dict(zip(table.columns, row.cells, strict=True))
        numbers = {column.key: column for column in table.columns if column.measure is not None}
        for key, column in numbers.items():
            cells = {c.kind: cell for c, cell in by_column.items() if c.key == key}
            paper, ours = cells.get("paper"), cells.get("ours")
            if not row.in_paper and ours is None:
                continue
            records.append(
                {"table": table.number, "method": row.method, "row": row.cells[0], "column": key, "shot": column.shot}
                | {"measure": column.measure, "unit": MEASURES[column.measure or ""].unit}
                | _paper_values(paper)
                | _our_values(ours, table)
            )
    return records


def _paper_values(cell: Cell) -> dict[str, Any]:
    number = cell if isinstance(cell, PaperNumber) else None
    return {
        "paper_mean": number and number.mean,
        "paper_interval": number and number.interval,
        "paper_citation": number and number.citation,
    }


def _our_values(cell: Cell, table: Table) -> dict[str, Any]:
    """Our number in the paper's unit, and everything that belongs to it; all None where nothing was measured."""
    elsewhere = ("method", "shot", "mean", "interval", "seeds")
    names = [field.name for field in dataclasses.fields(Measurement) if field.name not in elsewhere]
    first = ("our_mean", "our_interval", "difference", "search_share_of_paper", "training_share_of_paper")
    if not isinstance(cell, Ours):
        return dict.fromkeys((*first, *names, "seeds"))
    m, budget = cell.measurement, table.paper.budget
    numbers = [None if value is None else round(value, 4) for value in (cell.value, cell.interval, cell.difference)]
    shares = (part(m.search_tasks, budget.search_tasks), part(*training(m, budget)))
    values: dict[str, Any] = dict(zip(first, (*numbers, *shares), strict=True))
    return values | {name: getattr(m, name) for name in names} | {"seeds": " ".join(map(str, m.seeds or (m.seed,)))}


def to_csv(table: Table) -> str:
    """One line per row and column of numbers, with a header; an empty field was not run or is not in the paper."""
    records = to_records(table)
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return out.getvalue()


def to_json(table: Table) -> dict[str, Any]:
    """The table as one object: title, source, notes, and the records of `to_records`, each naming its unit."""
    return {
        "event": "table",
        "version": 1,
        "table": table.number,
        "title": table.title,
        "source": table.paper.source,
        "records": to_records(table),
        "notes": list(table.notes),
    }


def render(table: Table, form: str) -> str:
    """The text of one of the formats 'markdown', 'csv', 'json' and 'latex'."""
    if form == "markdown":
        return to_markdown(table)
    if form == "csv":
        return to_csv(table)
    if form == "latex":
        return to_latex(table)
    return json.dumps(to_json(table), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
