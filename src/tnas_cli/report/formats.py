"""A table as Markdown, CSV, JSON and LaTeX; the command line draws it with Rich."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable

from tnas_cli.records.reported import TableRecord
from tnas_cli.records.results import Measured
from tnas_cli.report.footnotes import part, training
from tnas_cli.report.grids import BELOW, Grid, cell_text, details, main
from tnas_cli.report.latex import to_latex
from tnas_cli.report.measured import dataset_of, search_tasks, seeds_of, split_of, tasks_per_genotype, train_epochs
from tnas_cli.report.measures import MEASURES
from tnas_cli.report.paper_tables import PaperNumber
from tnas_cli.report.tables import Cell, Ours, Table
from tnas_cli.spelling import cell

__all__ = ["FORMATS", "cell_text", "render", "to_csv", "to_markdown", "to_record", "to_records"]

FORMATS = ("rich", "markdown", "csv", "json", "latex")


def to_markdown(table: Table) -> str:
    """A heading, the table, a second one with details of our numbers, and the notes as a list."""
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
    return _MARKS.sub(r"\\\g<0>", text)


#: What Markdown obeys; an underscore inside a word is one.
_MARKS = re.compile(r"[\\|\[\]<&`*~]|(?<!\w)_|_(?!\w)")


def to_records(table: Table) -> list[dict[str, object]]:
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


def _paper_values(cell: Cell) -> dict[str, object]:
    number = cell if isinstance(cell, PaperNumber) else None
    return {
        "paper_mean": number and number.mean,
        "paper_interval": number and number.interval,
        "paper_citation": number and number.citation,
    }


def _our_values(cell: Cell, table: Table) -> dict[str, object]:
    """Our number in the paper's unit, and its details; all None if nothing was measured."""
    first = ("our_mean", "our_interval", "difference", "search_share_of_paper", "training_share_of_paper")
    if not isinstance(cell, Ours):
        return dict.fromkeys((*first, *OURS))
    m, budget = cell.measurement, table.paper.budget
    numbers = [None if value is None else round(value, 4) for value in (cell.value, cell.interval, cell.difference)]
    shares = (part(search_tasks(m), budget.search_tasks), part(*training(m, budget)))
    values: dict[str, object] = dict(zip(first, (*numbers, *shares), strict=True))
    return values | {name: value(m) for name, value in OURS.items()}


def _named(*names: str, below: str = "") -> dict[str, Callable[[Measured], object]]:
    """Fields of a result by their names; None for a field that results of its kind do not have."""

    def reader(name: str) -> Callable[[Measured], object]:
        return lambda m: getattr(getattr(m, below) if below else m, name, None)

    return {name: reader(name) for name in names}


#: What CSV and JSON give beside each of our numbers: its name, and how it is read from the result.
OURS: dict[str, Callable[[Measured], object]] = {
    **_named("command"),
    "dataset": dataset_of,
    **_named("protocol"),
    "split": split_of,
    **_named("way", "query", "tasks", "transductive", "weights", "seed", "network", "genotypes", "genotypes_trained"),
    "search_tasks": search_tasks,
    "train_tasks_per_genotype": tasks_per_genotype,
    **_named("parameters_mean", "wall_seconds"),
    **_named("device", "threads", "package_version", below="environment"),
    **_named("run", "fingerprint", "setting", "order", "engine"),
    "train_epochs": train_epochs,
    **_named("search_seconds", "search_seconds_before", "top5_mean", "images"),
    **_named("ece", "mean_over_seeds", "spread_over_seeds", "max_skips", "space"),
    "seeds": lambda m: " ".join(map(str, seeds_of(m))),
}


def to_csv(table: Table) -> str:
    """One line per row and column of numbers, with a header; an empty field was not run or is not in the paper."""
    records = to_records(table)
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: cell(value) for key, value in record.items()} for record in records)
    return out.getvalue()


def to_record(table: Table) -> TableRecord:
    """The table as one record: title, source, notes, and the records of `to_records`, each naming its unit."""
    return TableRecord(
        table=table.number,
        title=table.title,
        source=table.paper.source,
        records=tuple(to_records(table)),
        notes=tuple(table.notes),
    )


def render(table: Table, form: str) -> str:
    """The text of one of the formats 'markdown', 'csv', 'json' and 'latex'."""
    if form == "markdown":
        return to_markdown(table)
    if form == "csv":
        return to_csv(table)
    if form == "latex":
        return to_latex(table)
    return json.dumps(to_record(table).to_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
