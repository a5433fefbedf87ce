"""A table of the paper beside what was measured: its numbers and ours in separate columns, ours with their budgets.

A result is in the row of its method only if it measures what the paper's row does (`placing.py`). Every other
result of the same setting has a row of its own below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tnas_cli.records.results import Measured
from tnas_cli.report.footnotes import count, footnote
from tnas_cli.report.measures import MEASURES
from tnas_cli.report.paper_tables import NO_NUMBER, PaperNumber, PaperTable, paper_table
from tnas_cli.report.placing import Group, place
from tnas_cli.spelling import visible


@dataclass(frozen=True)
class Ours:
    """A measured number in a cell, in the unit of its column; `mark` is the number of its measurement's note.

    `difference` is ours minus the paper's number of the same row and column, None where there is none to compare with.
    """

    measurement: Measured
    mark: int
    measure: str
    value: float
    interval: float | None
    difference: float | None


@dataclass(frozen=True)
class Column:
    """A column of names ("name"), of the paper's words ("about"), of its numbers ("paper") or of ours ("ours")."""

    title: str
    kind: str
    shot: int | None = None
    key: str = ""
    measure: str | None = None


Cell = str | PaperNumber | Ours | None


@dataclass(frozen=True)
class Row:
    """One cell per column; None is a number that the paper does not give or that was not run."""

    method: str
    cells: tuple[Cell, ...]
    in_paper: bool


@dataclass(frozen=True)
class Table:
    """What every format renders."""

    number: int
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    paper: PaperTable

    @property
    def cells_of_ours(self) -> tuple[tuple[Column, Ours], ...]:
        """All of our numbers with their columns, in the order of their marks."""
        pairs = [pair for row in self.rows for pair in zip(self.columns, row.cells, strict=True)]
        ours = [(column, cell) for column, cell in pairs if isinstance(cell, Ours)]
        return tuple(sorted(ours, key=lambda pair: pair[1].mark))

    @property
    def measured(self) -> tuple[Ours, ...]:
        """The first number of each of our measurements, in the order of their marks."""
        return tuple({cell.mark: cell for _, cell in reversed(self.cells_of_ours)}.values())[::-1]


def build_table(number: int, measured: Sequence[Measured], left_out: Sequence[str] = ()) -> Table:
    """Table `number` with the measurements filled in; `left_out` says what could not be read, and becomes notes.

    Raises SettingsError for a table that is not available.
    """
    paper = paper_table(number)
    fitting = [m for m in measured if m.setting == paper.setting]
    columns = _columns(paper, fitting)
    marks: dict[int, int] = {}
    rows = [
        Row(group.method, tuple(_cell(group, column, marks) for column in columns), group.row is not None)
        for group in place(paper, fitting)
    ]
    by_mark = {mark: m for m in fitting if (mark := marks.get(id(m)))}
    notes = [
        f"Paper: {paper.source}, with its citations{_units(paper)}.",
        "Ours: measured by tnas, mean ± 95% interval over what its note says; an empty cell was not run.",
        *(note if note.endswith(".") else f"{note}." for note in paper.notes),
        *(f"[{mark}] {footnote(by_mark[mark], paper.budget)}" for mark in sorted(by_mark)),
    ]
    if len(fitting) < len(measured):
        others = count(len(measured) - len(fitting), "result")
        notes.append(f"Left out: {others} of a setting other than {paper.setting}.")
    notes += [f"Left out: {reason}." for reason in left_out]
    return Table(paper.number, paper.title, columns, tuple(rows), tuple(map(visible, notes)), paper)


def _units(paper: PaperTable) -> str:
    if paper.setting == "few-shot":
        return "; accuracy in %, mean ± 95% interval"
    quantity = "errors" if paper.setting == "transfer" else "accuracy"
    return f"; {quantity} in %, ± as printed (the paper does not say of what)"


def _columns(paper: PaperTable, measurements: Sequence[Measured]) -> tuple[Column, ...]:
    """The paper's words, its numbers, and ours: the same columns, and those of shots that the paper does not have."""
    columns = [Column("Method", "name")]
    columns += [Column(c.title, "about", c.shot, c.key) for c in paper.columns if c.measure is None]
    numbers = [c for c in paper.columns if c.measure is not None]
    columns += [Column(f"paper {c.title}", "paper", c.shot, c.key, c.measure) for c in numbers]
    columns += [Column(f"ours {c.title}", "ours", c.shot, c.key, c.measure) for c in numbers]
    further = sorted({m.shot for m in measurements if m.shot is not None} - set(paper.shots)) if paper.shots else []
    columns += [Column(f"ours {shot}-shot", "ours", shot, f"{shot}-shot", "accuracy") for shot in further]
    return tuple(columns)


def _cell(group: Group, column: Column, marks: dict[int, int]) -> Cell:
    """One cell of a row; `marks` numbers the measurements in the order of their first cells."""
    row = group.row
    if column.kind == "name":
        return group.label
    if column.kind != "ours":
        printed = row.cells.get(column.key) if row else None
        if column.kind == "paper" and row and column.key in row.numbers:
            return row.numbers[column.key]
        return None if printed == NO_NUMBER[0] else printed
    m = group.at(column.shot)
    measure = MEASURES[column.measure or ""]
    value = None if m is None else measure.value(m)
    if m is None or value is None:
        return None
    paper = row.numbers.get(column.key) if row else None
    difference = None if paper is None else value - paper.mean
    mark = marks.setdefault(id(m), len(marks) + 1)
    return Ours(m, mark, column.measure or "", value, measure.interval(m), difference)
