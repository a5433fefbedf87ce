"""The paper's tables as data: every cell as it is printed, with the work it is cited from."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from tnas_cli.errors import SettingsError


@dataclass(frozen=True)
class PaperNumber:
    """An accuracy in percent; `interval` is None where the paper prints none. `text` is the cell as printed."""

    mean: float
    interval: float | None
    citation: str
    text: str


@dataclass(frozen=True)
class PaperRow:
    """A method of the table; `numbers` by shot, without the cells that the paper leaves empty."""

    method: str
    name: str
    citation: str
    numbers: Mapping[int, PaperNumber]


@dataclass(frozen=True)
class PaperBudget:
    """What one figure of the paper's T-NAS cost, in tasks (Sections 5.2.1 and 5.2.2)."""

    search_tasks: int
    train_tasks_per_genotype: int
    genotypes_trained: int


@dataclass(frozen=True)
class PaperTable:
    """A table of few-shot accuracies."""

    number: int
    title: str
    source: str
    dataset: str
    protocol: str
    way: int
    shots: tuple[int, ...]
    budget: PaperBudget
    rows: tuple[PaperRow, ...]


def paper_table_numbers() -> tuple[int, ...]:
    """Numbers of the tables that are at hand."""
    names = (file.name for file in resources.files("tnas_cli.report").joinpath("paper").iterdir())
    return tuple(sorted(int(n[6:-5]) for n in names if n.startswith("table_") and n.endswith(".toml")))


def paper_table(number: int) -> PaperTable:
    """Read a table of the paper; raises SettingsError for a number that is not at hand."""
    known = paper_table_numbers()
    if number not in known:
        raise SettingsError(
            f"there is no table {number} to report.", hint=f"choose --table {' or '.join(map(str, known))}"
        )
    text = resources.files("tnas_cli.report").joinpath("paper", f"table_{number}.toml").read_text(encoding="utf-8")
    values = tomllib.loads(text)
    shots = tuple(values["shots"])
    return PaperTable(
        number=values["number"],
        title=values["title"],
        source=values["source"],
        dataset=values["dataset"],
        protocol=values["protocol"],
        way=values["way"],
        shots=shots,
        budget=PaperBudget(**values["budget"]),
        rows=tuple(_row(row, shots) for row in values["rows"]),
    )


def _row(row: Mapping[str, str], shots: tuple[int, ...]) -> PaperRow:
    cells = {shot: row[f"{shot}-shot"] for shot in shots if f"{shot}-shot" in row}
    numbers = {shot: parse_number(text, row["citation"]) for shot, text in cells.items()}
    return PaperRow(row["method"], row["name"], row["citation"], numbers)


def parse_number(text: str, citation: str) -> PaperNumber:
    """Read '99.16 ± 0.34%' or '97.3%'.

    >>> parse_number("99.16 ± 0.34%", "Lian et al., 2020").interval
    0.34
    """
    mean, _, interval = text.removesuffix("%").partition("±")
    return PaperNumber(float(mean), float(interval) if interval else None, citation, text)
