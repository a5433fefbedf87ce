"""The lists that come with published data sets, as CSV."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

from tnas_cli.episodes.places import File
from tnas_cli.errors import DataError

LAYOUT = "a CSV with a header"


@dataclass(frozen=True)
class Row:
    """The requested values of one line, and where the line is ('list.csv, line 3')."""

    values: tuple[str, ...]
    where: str


def read_rows(file: File, columns: tuple[str, ...]) -> list[Row]:
    """The columns of a CSV with a header, line by line.

    Raises DataError when the file is not text, lacks a column, or a line lacks a value.
    """
    try:
        text = file.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{file.label} is not UTF-8 text.", hint=f"expected {LAYOUT}") from error
    lines = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True)
    missing = [name for name in columns if name not in (lines.fieldnames or ())]
    if missing:
        raise DataError(
            f"{file.label} has no column {missing[0]!r}; its header is {', '.join(lines.fieldnames or ['empty'])}.",
            hint=f"the columns {', '.join(columns)} are needed",
        )
    rows = []
    try:
        for line in lines:
            where = f"{file.label}, line {lines.line_num},"
            values = tuple((line[name] or "").strip() for name in columns)
            if not all(values):
                raise DataError(f"{where} lacks a {columns[values.index('')]}.", hint="complete it, or leave it out")
            rows.append(Row(values, where))
    except csv.Error as error:
        raise DataError(f"{file.label}, line {lines.line_num}: {error}.", hint=f"expected {LAYOUT}") from error
    if not rows:
        raise DataError(f"{file.label} lists no image.", hint=f"expected {LAYOUT}")
    return rows
