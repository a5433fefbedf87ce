"""The paper's tables as data: every cell as it is printed, with the work it is cited from."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from tnas_cli.errors import SettingsError

#: What the paper prints where there is no number.
NO_NUMBER = ("-", "–", "N/A")
#: Units that follow a number.
_UNITS = ("%", " min")


@dataclass(frozen=True)
class PaperNumber:
    """A number in its column's unit; `interval` is None where the paper prints none. `text` is the cell as printed."""

    mean: float
    interval: float | None
    citation: str
    text: str


@dataclass(frozen=True)
class PaperColumn:
    """A column of the table. `measure` names what its numbers are (`measures.MEASURES`); None is a column of words."""

    key: str
    title: str
    measure: str | None = None
    shot: int | None = None


@dataclass(frozen=True)
class PaperRow:
    """A method of the table: its cells as printed, and the numbers among them, by the columns' keys.

    If `order` and `network` are given, a result must have them, besides the method, to be in this row; `network` is by
    column where the row's columns have different ones. training: the method of the results in this row, where it is not
    that of the row.
    """

    method: str
    name: str
    citation: str
    cells: Mapping[str, str]
    numbers: Mapping[str, PaperNumber]
    printed: str
    order: str | None = None
    network: str | Mapping[str, str] | None = None
    training: str | None = None

    @property
    def measured_by(self) -> str:
        """The method of the results in this row."""
        return self.training or self.method

    def network_in(self, column: str) -> str | None:
        """The network of the results in a column, by its key; None for any."""
        return self.network.get(column) if isinstance(self.network, Mapping) else self.network


@dataclass(frozen=True)
class PaperBudget:
    """What one T-NAS number of the paper cost (Sections 5.2.1, 5.2.2 and 5.3); None where the paper does not say."""

    search_tasks: int | None = None
    train_tasks_per_genotype: int | None = None
    train_epochs: int | None = None
    genotypes_trained: int | None = None

    @property
    def training_tasks(self) -> int | None:
        """The tasks that all trained networks saw in total."""
        each, networks = self.train_tasks_per_genotype, self.genotypes_trained
        return None if each is None or networks is None else each * networks


@dataclass(frozen=True)
class PaperTable:
    """A table of one setting: "few-shot", "supervised" or "transfer" (which has no way, no shot and no query)."""

    number: int
    title: str
    source: str
    setting: str
    dataset: str
    protocol: str
    way: int | None
    query: int | None
    columns: tuple[PaperColumn, ...]
    budget: PaperBudget
    rows: tuple[PaperRow, ...]
    notes: tuple[str, ...]

    @property
    def shots(self) -> tuple[int, ...]:
        """The shots that have a column."""
        return tuple(column.shot for column in self.columns if column.shot is not None)


#: What `tnas report` shows unless another one is asked for.
DEFAULT_TABLE = 2


def paper_table_numbers() -> tuple[int, ...]:
    """The numbers of the tables that are available."""
    names = (file.name for file in resources.files("tnas_cli.report").joinpath("paper").iterdir())
    return tuple(sorted(int(n[6:-5]) for n in names if n.startswith("table_") and n.endswith(".toml")))


def first_table_of(setting: str) -> int:
    """The first table of the paper with results of a setting."""
    return next(number for number in paper_table_numbers() if paper_table(number).setting == setting)


def paper_table(number: int) -> PaperTable:
    """Read a table of the paper; raises SettingsError for a table that is not available."""
    known = paper_table_numbers()
    if number not in known:
        raise SettingsError(
            f"there is no table {number} to report.", hint=f"choose --table {' or '.join(map(str, known))}"
        )
    text = resources.files("tnas_cli.report").joinpath("paper", f"table_{number}.toml").read_text(encoding="utf-8")
    values = tomllib.loads(text)
    columns = tuple(PaperColumn(**column) for column in values["columns"])
    return PaperTable(
        number=values["number"],
        title=values["title"],
        source=values["source"],
        setting=values["setting"],
        dataset=values["dataset"],
        protocol=values["protocol"],
        way=values.get("way"),
        query=values.get("query"),
        columns=columns,
        budget=PaperBudget(**values.get("budget", {})),
        rows=tuple(_row(row, columns) for row in values["rows"]),
        notes=tuple(values.get("notes", ())),
    )


def _row(row: Mapping[str, Any], columns: tuple[PaperColumn, ...]) -> PaperRow:
    cells = {column.key: row[column.key] for column in columns}
    numbers = {
        column.key: parse_number(cells[column.key], row["citation"])
        for column in columns
        if column.measure is not None and cells[column.key] not in NO_NUMBER
    }
    authors = row["citation"].replace("Lian et al., 2020", "ours")
    printed = row.get("printed", f"{row['name']} ({authors})")
    identity = (row.get("order"), row.get("network"), row.get("training"))
    return PaperRow(row["method"], row["name"], row["citation"], cells, numbers, printed, *identity)


def parse_number(text: str, citation: str) -> PaperNumber:
    """Read '99.16 ± 0.34%', '97.3%', '266 min', '0.043' or '~255'.

    >>> parse_number("99.16 ± 0.34%", "Lian et al., 2020").interval
    0.34
    """
    mean, _, interval = without_unit(text).removeprefix("~").partition("±")
    return PaperNumber(float(mean), float(interval) if interval else None, citation, text)


def without_unit(text: str) -> str:
    """The cell as printed without the unit, which the column's title or the notes give."""
    for unit in _UNITS:
        text = text.removesuffix(unit)
    return text
