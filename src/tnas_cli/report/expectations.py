"""What results should reach, from a TOML file, and whether they do: `tnas report --check FILE`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tnas_cli.errors import DataError, SettingsError, did_you_mean
from tnas_cli.plain import NotPlainError, toml_values
from tnas_cli.records.reported import Outcome as OutcomeRecord
from tnas_cli.records.results import Measured
from tnas_cli.report.measured import accuracy_of, is_adapted

#: The keys that select results, with the types of their values.
WHICH: Mapping[str, type] = {
    **dict.fromkeys(("command", "setting", "method", "network", "dataset", "protocol", "split", "weights"), str),
    **dict.fromkeys(("way", "shot", "query", "tasks", "seed"), int),
}
#: As the value of `command`, it selects every result of trained networks, of all settings.
TRAINED = "train-eval"

BOUNDS = ("mean", "tolerance", "at_least", "at_most")
_HINT = 'write for example: [[expect]]  method = "t-nas"  dataset = "omniglot"  shot = 1  mean = 0.95  tolerance = 0.01'


@dataclass(frozen=True)
class Expectation:
    """Which results are meant, and between which accuracies (shares of 1) they must lie."""

    which: Mapping[str, str | int]
    least: float
    most: float

    def __str__(self) -> str:
        return ", ".join(f"{key} {value}" for key, value in self.which.items())

    @property
    def bounds(self) -> str:
        """'94.00 to 96.00'."""
        return f"{100 * self.least:.2f} to {100 * self.most:.2f}"

    def meant(self, m: Measured) -> bool:
        """Whether the result is one of those. If no command is named, trained networks are meant."""
        command = self.which.get("command", TRAINED)
        right = command == m.command or (command == TRAINED and not is_adapted(m))
        return right and all(getattr(m, key) == value for key, value in self.which.items() if key != "command")


@dataclass(frozen=True)
class Outcome:
    """An expectation and the results that were meant; without any it is not met."""

    expectation: Expectation
    found: tuple[Measured, ...]

    @property
    def status(self) -> str:
        """'met', 'outside' (one result is enough) or 'not measured'."""
        if not self.found:
            return "not measured"
        least, most = self.expectation.least, self.expectation.most
        # A result that equals a bound written in decimals must meet it.
        return "met" if all(least - 1e-9 <= mean <= most + 1e-9 for mean in self.means) else "outside"

    def line(self) -> str:
        """One line for a person."""
        numbers = " and ".join(f"{100 * mean:.2f}" for mean in self.means)
        return (
            f"{self.status}: {self.expectation}: {numbers + ', ' if numbers else ''}expected {self.expectation.bounds}"
        )

    @property
    def means(self) -> tuple[float, ...]:
        """The accuracies that were measured."""
        return tuple(accuracy_of(m).mean for m in self.found)

    def record(self) -> OutcomeRecord:
        """As one record; accuracies are shares of 1, as in the file."""
        return OutcomeRecord(
            status=self.status,
            which=dict(self.expectation.which),
            at_least=self.expectation.least,
            at_most=self.expectation.most,
            means=self.means,
            runs=tuple(m.run for m in self.found),
        )


def check(expectations: Sequence[Expectation], measured: Sequence[Measured]) -> list[Outcome]:
    """An outcome per expectation, in their order."""
    return [Outcome(wanted, tuple(m for m in measured if wanted.meant(m))) for wanted in expectations]


def read_expectations(path: Path) -> list[Expectation]:
    """The `[[expect]]` tables of a file.

    Raises DataError if it cannot be read, SettingsError with the expectation's number if one is invalid.
    """
    try:
        values = toml_values(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(
            f"cannot read {path}: {error.strerror or error}.", hint="name a file of expectations"
        ) from error
    except (NotPlainError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not TOML: {error}.", hint=_HINT) from error
    tables = values.pop("expect", None)
    if values:
        raise SettingsError(f"{path} has {', '.join(map(repr, values))} besides its expectations.", hint=_HINT)
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise SettingsError(f"{path} has no [[expect]] table.", hint=_HINT)
    return [_expectation(table, f"{path}, expectation {number}") for number, table in enumerate(tables, start=1)]


def _expectation(table: Mapping[str, Any], name: str) -> Expectation:
    for key, value in table.items():
        if key not in WHICH and key not in BOUNDS:
            raise SettingsError(f"{name} has the unknown key {key!r}.", hint=did_you_mean(key, (*WHICH, *BOUNDS)))
        kind = WHICH.get(key, float)
        right = isinstance(value, int | float) if kind is float else isinstance(value, kind)
        if not right or isinstance(value, bool) or (kind is float and not 0 <= value <= 1):
            wanted = {str: "a text", int: "a whole number", float: "a share of 1, as in a result"}[kind]
            raise SettingsError(f"{name}: {key} is {value!r}.", hint=f"{key} must be {wanted}")
    which = {key: value for key, value in table.items() if key in WHICH}
    bounds = {key for key in table if key in BOUNDS}
    if not which:
        raise SettingsError(f"{name} does not say which results it means.", hint=_HINT)
    if bounds == {"mean", "tolerance"}:
        return Expectation(which, table["mean"] - table["tolerance"], table["mean"] + table["tolerance"])
    if bounds and bounds <= {"at_least", "at_most"}:
        return Expectation(which, table.get("at_least", 0.0), table.get("at_most", 1.0))
    found = ", ".join(sorted(bounds)) or "no bound"
    raise SettingsError(f"{name} has {found}.", hint="give mean and tolerance, or at_least, at_most or both")
