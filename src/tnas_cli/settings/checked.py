"""What the settings of supervised training and of the transfer have in common: values checked once, and presets."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Self

from tnas_cli.errors import SettingsError, did_you_mean


@dataclass(frozen=True)
class CheckedSettings:
    """Base of both; a subclass checks its own values after construction."""

    dataset: str
    protocol: str = ""
    seed: int = 0

    def at_least(self, least: int, *names: str) -> None:
        """Raise SettingsError where one of the named values is no whole number from `least`."""
        for name in names:
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise SettingsError(f"{name} is {value!r}.", hint=f"choose a whole number of at least {least}")

    def within(self, least: float, most: float, *names: str) -> None:
        """Raise SettingsError where one of the named values is no finite number from `least` to `most`."""
        for name in names:
            value = getattr(self, name)
            if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
                raise SettingsError(f"{name} is {value!r}.", hint=f"choose a number from {least:g} to {most:g}")

    def positive(self, *names: str) -> None:
        """Raise SettingsError where one of the named values is no finite number above 0."""
        for name in names:
            self.within(0, 1e9, name)
            if getattr(self, name) == 0:
                raise SettingsError(f"{name} is {getattr(self, name)!r}.", hint="choose a number above 0")

    def one_of(self, name: str, allowed: tuple[str, ...]) -> None:
        """Raise SettingsError where the named value is none of `allowed`."""
        value = getattr(self, name)
        if value not in allowed:
            raise SettingsError(f"{name} is {value!r}.", hint=did_you_mean(str(value), allowed))

    def yes_or_no(self, *names: str) -> None:
        """Raise SettingsError where one of the named values is neither true nor false."""
        for name in names:
            if not isinstance(getattr(self, name), bool):
                raise SettingsError(f"{name} is {getattr(self, name)!r}.", hint="choose true or false")

    def replace(self, **changes: Any) -> Self:
        """The same settings with some values changed, checked again."""
        return dataclasses.replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for checkpoints and records."""
        return dataclasses.asdict(self)

    def to_toml(self) -> str:
        """The settings as a TOML file."""
        return "".join(f"{name} = {_toml(value)}\n" for name, value in self.to_dict().items())

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Settings from plain values; raises SettingsError for a name that does not exist or a value that cannot be."""
        known = [field.name for field in dataclasses.fields(cls)]
        for name in values:
            if name not in known:
                raise SettingsError(f"unknown setting {name!r}.", hint=did_you_mean(name, known))
        if not isinstance(values.get("dataset"), str):
            raise SettingsError("the setting 'dataset' is missing.", hint="name a prepared data set with --dataset")
        return cls(**values)


def preset(kind: str, name: str, dataset: str) -> dict[str, Any]:
    """A preset of presets/<kind>.toml: the table of that name, and where it is divided by data set, that part of it.

    Raises SettingsError with what there is where the name or the data set is not among it.
    """
    text = resources.files("tnas_cli.settings").joinpath("presets", f"{kind}.toml").read_text(encoding="utf-8")
    known: dict[str, dict[str, Any]] = tomllib.loads(text)
    if name not in known:
        raise SettingsError(f"unknown preset {name!r}.", hint=did_you_mean(name, known))
    parts = {key: value for key, value in known[name].items() if isinstance(value, dict)}
    if not parts:
        return known[name]
    if dataset not in parts:
        raise SettingsError(
            f"preset {name!r} has no values for data set {dataset!r}.",
            hint=f"it has some for {' and '.join(parts)}; or take another preset and change it with --set",
        )
    chosen: dict[str, Any] = parts[dataset]
    return chosen


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return repr(value)
