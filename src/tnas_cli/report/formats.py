"""A table as Markdown, CSV and JSON; the command line draws it with Rich."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from typing import Any

from tnas_cli.report.paper_tables import PaperNumber
from tnas_cli.report.records import Measurement
from tnas_cli.report.tables import Cell, Ours, Table

FORMATS = ("rich", "markdown", "csv", "json")


def cell_text(cell: Cell) -> str:
    """A cell for a person: accuracy in percent with its interval, ours with the mark of its note."""
    if isinstance(cell, Ours):
        m = cell.measurement
        # One task has no interval.
        interval = f" ± {100 * m.interval:.2f}" if m.tasks > 1 else ""
        return f"{100 * m.mean:.2f}{interval} [{cell.mark}]"
    if isinstance(cell, PaperNumber):
        return cell.text.removesuffix("%")
    return cell or ""


def to_markdown(table: Table) -> str:
    """A heading, one table, and the notes as a list."""
    lines = [f"### Table {table.number}: {table.title}", ""]
    lines.append(_markdown_row([column.title for column in table.columns]))
    lines.append(_markdown_row(["---" if column.kind == "name" else "---:" for column in table.columns]))
    separated = False
    for row in table.rows:
        if not row.in_paper and not separated:
            lines.append(_markdown_row(["*not in the paper's table:*", *[""] * (len(table.columns) - 1)]))
            separated = True
        lines.append(_markdown_row([cell_text(cell) for cell in row.cells]))
    return "\n".join([*lines, "", *(f"- {_escape(note)}" for note in table.notes)]) + "\n"


def _markdown_row(cells: list[str]) -> str:
    return f"| {' | '.join(_escape(cell) for cell in cells)} |"


def _escape(text: str) -> str:
    # A bracketed number followed by a parenthesis would become a link, a bar a new column.
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("[", "\\[").replace("]", "\\]")


def to_records(table: Table) -> list[dict[str, Any]]:
    """One flat record per row and shot; the paper's number and ours under keys of their own, absent ones None."""
    records = []
    for row in table.rows:
        by_column = dict(zip(table.columns, row.cells, strict=True))
        shots = dict.fromkeys(column.shot for column in table.columns if column.shot is not None)
        for shot in shots:
            cells = {column.kind: cell for column, cell in by_column.items() if column.shot == shot}
            paper, ours = cells.get("paper"), cells.get("ours")
            if not row.in_paper and ours is None:
                continue
            records.append(
                {"table": table.number, "method": row.method, "row": row.cells[0], "shot": shot}
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
    """Our number in percent, as the paper's, and everything that belongs to it."""
    m = cell.measurement if isinstance(cell, Ours) else None
    budget = table.paper.budget
    whole = budget.train_tasks_per_genotype * budget.genotypes_trained
    decoded = m if m and m.network is None else None  # the paper's training budget is that of decoded networks
    values: dict[str, Any] = {
        "our_mean": m and round(100 * m.mean, 4),
        "our_interval": m and round(100 * m.interval, 4),
        "search_share_of_paper": m and m.search_tasks and m.search_tasks / budget.search_tasks,
        "training_share_of_paper": decoded and decoded.train_tasks_per_genotype and decoded.training_tasks / whole,
    }
    elsewhere = ("method", "shot", "mean", "interval")
    names = [field.name for field in dataclasses.fields(Measurement) if field.name not in elsewhere]
    return values | {name: getattr(m, name) if m else None for name in names}


def to_csv(table: Table) -> str:
    """One line per row and shot, with a header; an empty field was not run or is not in the paper."""
    records = to_records(table)
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return out.getvalue()


def to_json(table: Table) -> dict[str, Any]:
    """The table as one object: title, source, notes, and the records of `to_records`."""
    return {
        "event": "table",
        "version": 1,
        "table": table.number,
        "title": table.title,
        "source": table.paper.source,
        "unit": "percent",
        "records": to_records(table),
        "notes": list(table.notes),
    }


def render(table: Table, form: str) -> str:
    """The text of one of the formats 'markdown', 'csv' and 'json'."""
    if form == "markdown":
        return to_markdown(table)
    if form == "csv":
        return to_csv(table)
    return json.dumps(to_json(table), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
