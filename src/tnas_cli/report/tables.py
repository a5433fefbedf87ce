"""A table of the paper beside what was measured: its numbers and ours in separate columns, ours with their budgets.

A result stands in the row of its method only where it measures what the paper's row does (the table's data set, split
protocol and way; test tasks; weights trained from scratch). Every other result has a row of its own below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tnas_cli.report.footnotes import footnote
from tnas_cli.report.paper_tables import PaperNumber, PaperTable, paper_table
from tnas_cli.report.records import Measurement, Result

NAMES = {"t-nas": "T-NAS", "t-nas++": "T-NAS++", "auto-maml": "Auto-MAML", "maml": "MAML", "maml++": "MAML++"}


@dataclass(frozen=True)
class Ours:
    """A measured number in a cell; `mark` is the number of its note."""

    measurement: Measurement
    mark: int


@dataclass(frozen=True)
class Column:
    """A column of the paper's numbers ("paper"), of ours ("ours") or of names ("name")."""

    title: str
    kind: str
    shot: int | None = None


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
    def measured(self) -> tuple[Ours, ...]:
        """All of our numbers, in the order of their marks."""
        ours = [cell for row in self.rows for cell in row.cells if isinstance(cell, Ours)]
        return tuple(sorted(ours, key=lambda cell: cell.mark))


def build_table(number: int, results: Sequence[Result]) -> Table:
    """Table `number` with the results filled in.

    Raises SettingsError for a table that is not at hand, DataError for a result that is not whole.
    """
    paper = paper_table(number)
    measurements = [Measurement.from_record(result) for result in results]
    shots = (*paper.shots, *sorted({m.shot for m in measurements} - set(paper.shots)))
    columns = (
        Column("Method", "name"),
        *(Column(f"paper {shot}-shot", "paper", shot) for shot in paper.shots),
        *(Column(f"ours {shot}-shot", "ours", shot) for shot in shots),
    )
    placed = _place(paper, measurements)
    rows: list[Row] = []
    marked: list[Ours] = []
    for group in placed:
        cells: list[Cell] = [group.label]
        for column in columns[1:]:
            if column.kind == "paper":
                cells.append(group.paper.get(column.shot or 0))
            elif column.shot in group.ours:
                marked.append(Ours(group.ours[column.shot], len(marked) + 1))
                cells.append(marked[-1])
            else:
                cells.append(None)
        rows.append(Row(group.method, tuple(cells), group.in_paper))
    notes = [
        f"Paper: {paper.source}, with its citations; accuracy in %, mean ± 95% interval.",
        "Ours: measured by tnas, mean ± 95% interval over tasks; an empty cell was not run.",
        *(f"[{ours.mark}] {footnote(ours.measurement, paper.budget)}" for ours in marked),
    ]
    return Table(paper.number, paper.title, columns, tuple(rows), tuple(notes), paper)


@dataclass
class _Group:
    method: str
    label: str
    in_paper: bool
    paper: dict[int, PaperNumber]
    ours: dict[int, Measurement]


def _place(paper: PaperTable, measurements: Sequence[Measurement]) -> list[_Group]:
    """The paper's rows with the matching results, then a row for each other kind of result."""
    groups = [_Group(row.method, f"{row.name} ({row.citation})", True, dict(row.numbers), {}) for row in paper.rows]
    by_method = {group.method: group for group in groups}
    others: list[tuple[tuple[object, ...], _Group]] = []
    # Where two results claim a cell of the paper's row, the one with the larger budget has it.
    for m in sorted(measurements, key=lambda m: -m.training_tasks):
        group = by_method.get(m.method)
        if group is not None and _same_measurement(m, paper) and m.shot not in group.ours:
            group.ours[m.shot] = m
            continue
        key = (m.method, m.network, m.command, m.weights, m.dataset, m.protocol, m.way, m.split, m.seed)
        free = (other for known, other in others if known == key and m.shot not in other.ours)
        further = next(free, None)
        if further is None:
            further = _Group(m.method, _label(m, paper), False, {}, {})
            others.append((key, further))
        further.ours[m.shot] = m
    return groups + [group for _, group in sorted(others, key=lambda pair: tuple(map(str, pair[0])))]


def _same_measurement(m: Measurement, paper: PaperTable) -> bool:
    return (
        (m.dataset, m.protocol, m.way, m.split) == (paper.dataset, paper.protocol, paper.way, "test")
        and m.shot in paper.shots
        and m.weights == "from-scratch"
        and m.command != "adapt"
    )


def _label(m: Measurement, paper: PaperTable) -> str:
    """A further row's name: the method and how it differs from the paper's measurement."""
    name = NAMES.get(m.method, m.method)
    if m.network is not None:
        name += f", {m.network}"
    if m.command == "adapt":
        name += " search network, adapted"
    elif m.weights != "from-scratch":
        name += f", {m.weights} weights"
    protocol = (
        f" ({m.protocol} split)" if m.protocol and (m.dataset, m.protocol) != (paper.dataset, paper.protocol) else ""
    )
    parts = [f"{name}: {m.dataset}{protocol}"]
    if m.way != paper.way:
        parts.append(f"{m.way}-way")
    if m.split != "test":
        parts.append(f"{m.split} tasks")
    if m.seed:
        parts.append(f"seed {m.seed}")
    return ", ".join(parts)
