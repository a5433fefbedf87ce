"""Which cells of a table of the paper are measured, on which data, and within which time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from tnas_cli.errors import SettingsError, did_you_mean
from tnas_cli.records.results import AdaptResult, SupervisedResult, TrainResult, TransferResult
from tnas_cli.report.paper_tables import PaperColumn, PaperRow, PaperTable
from tnas_cli.runs.device import Machine
from tnas_cli.runs.events import Listener


@dataclass(frozen=True)
class Wish:
    """What to reproduce.

    table: its number. rows: methods as the table's rows call them, or such that it does not have; empty for all of the
    table's. shots: columns; empty for all. dataset, protocol: what stands in for the paper's data. hours: for all cells
    together, each with the same share; None for the budgets of the preset. preset: None for the paper's, or within a
    time limit for one that suits it. test_tasks: of few-shot tables; None for those of the preset. limit: how many
    genotypes of a search are trained, the most frequent ones; None for one within a time limit, and otherwise for all.
    """

    table: int
    rows: tuple[str, ...] = ()
    shots: tuple[int, ...] = ()
    dataset: str | None = None
    protocol: str | None = None
    hours: float | None = None
    preset: str | None = None
    test_tasks: int | None = None
    seed: int = 0
    limit: int | None = None


@dataclass(frozen=True)
class Cell:
    """A number of the table that tnas can measure."""

    row: PaperRow
    column: PaperColumn

    @property
    def name(self) -> str:
        """'MAML 1-shot'."""
        return f"{self.row.name} {self.column.title}"

    @property
    def folder(self) -> str:
        """The name of the folder of its runs."""
        return "-".join(filter(None, (self.row.method.replace("+", "p"), self.row.order, self.column.key)))


@dataclass(frozen=True)
class Plan:
    """The cells to measure, in the table's order, and for each row that nothing measures, why not. The rows of `table`
    are the paper's, and after them those that were asked for beyond them, without cells of the paper's."""

    wish: Wish
    table: PaperTable
    preset: str
    cells: tuple[Cell, ...]
    left_out: tuple[tuple[PaperRow, str], ...]

    @property
    def seconds_each(self) -> float | None:
        """The time of one cell; None without a limit."""
        return None if self.wish.hours is None else 3600 * self.wish.hours / len(self.cells)

    @property
    def dataset(self) -> str:
        """The data set that the cells are measured on."""
        return self.wish.dataset or self.table.dataset

    @property
    def data(self) -> dict[str, Any]:
        """The settings of every cell that name its data and its seed."""
        protocol = self.wish.protocol or ("" if self.wish.dataset else self.table.protocol)
        named = {"dataset": self.dataset, "seed": self.wish.seed}
        return named | ({"protocol": protocol} if protocol else {})


MeasuredCell = AdaptResult | TrainResult | SupervisedResult | TransferResult


class Rows(Protocol):
    """How the rows of one of the paper's settings are measured. IN_TIME: the preset of a training within a time
    limit."""

    IN_TIME: str

    def beyond(self, table: PaperTable) -> tuple[PaperRow, ...]:
        """Rows that a table does not have, and that can be measured as its own are; measured only if they are named."""

    def why_not(self, row: PaperRow) -> str | None:
        """Why nothing measures a row; None for a row that is measured."""

    def differs(self, row: PaperRow) -> str | None:
        """What of a row's experiment is not the paper's; None where nothing is known to be."""

    def check(self, plan: Plan, machine: Machine, listener: Listener) -> None:
        """Raises SettingsError and DataError for what would be refused later."""

    def seconds(self, plan: Plan, cell: Cell, machine: Machine) -> float:
        """What a cell costs, measured on a few steps; of its parts a time limit bounds the training alone."""

    def measure(self, plan: Plan, cell: Cell, folder: Path, machine: Machine, listener: Listener) -> MeasuredCell:
        """Do what is not done yet in the folder of a cell; returns its result. Raises TnasError."""


def plan_of(wish: Wish, rows: Rows, table: PaperTable) -> Plan:
    """The cells that a wish names; raises SettingsError for a row or column that does not exist, and where nothing is
    left to measure."""
    for option, value in {"--test-tasks": wish.test_tasks, "--limit": wish.limit}.items():
        if value is not None and table.setting != "few-shot":
            raise SettingsError(f"{option} has no effect in Table {table.number}.", hint="leave it out")
    further = rows.beyond(table)
    known = {row.method: None for row in (*table.rows, *further)}
    for name in wish.rows:
        if name not in known:
            raise SettingsError(f"Table {table.number} has no row {name!r}.", hint=did_you_mean(name, known))
    for shot in wish.shots:
        if shot not in table.shots:
            shots = " and ".join(map(str, table.shots)) or "not for shots"
            raise SettingsError(f"Table {table.number} has no column for {shot}-shot.", hint=f"its columns are {shots}")
    table = replace(table, rows=(*table.rows, *(row for row in further if row.method in wish.rows)))
    wanted = [row for row in table.rows if not wish.rows or row.method in wish.rows]
    reasons = [(row, rows.why_not(row)) for row in wanted]
    columns = [column for column in table.columns if _is_measured(column, wish.shots)]
    cells = [Cell(row, column) for row, reason in reasons if reason is None for column in columns]
    left_out = [(row, reason) for row, reason in reasons if reason is not None]
    if not cells:
        why = "; ".join(f"{row.name}: {reason}" for row, reason in left_out)
        raise SettingsError(f"nothing is left to measure: {why}.", hint="choose other rows with --row")
    preset = wish.preset or (rows.IN_TIME if wish.hours is not None else "paper")
    return Plan(wish, table, preset, tuple(cells), tuple(left_out))


def folder_of(runs: Path, wish: Wish) -> Path:
    """The folder of everything that a reproduction measures."""
    return runs / f"table-{wish.table}"


def _is_measured(column: PaperColumn, shots: tuple[int, ...]) -> bool:
    """Accuracies or errors; times and sizes come with them."""
    return column.measure in ("accuracy", "error") and (not shots or column.shot in shots)
