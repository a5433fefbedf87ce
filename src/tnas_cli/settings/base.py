"""What all settings have in common: values checked once, plain values and TOML both ways."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from tnas_cli.errors import SettingsError, did_you_mean
from tnas_cli.settings.fields import settings_of
from tnas_cli.settings.preset import Kind


@dataclass(frozen=True)
class Settings:
    """Base of all settings; `setting` makes and describes each field. presets: the name of the file of presets."""

    presets: ClassVar[Kind]

    def __post_init__(self) -> None:
        for name, about in settings_of(type(self)).items():
            about.check(getattr(self, name))
        self.check_together()

    def check_together(self) -> None:
        """Raises SettingsError for values that are valid alone, but not together."""

    def replace(self, **changes: Any) -> Self:
        """The same settings with some values changed, checked again."""
        return dataclasses.replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for checkpoints and records."""
        return dataclasses.asdict(self)

    def to_toml(self) -> str:
        """The settings as a TOML file, which `settings.file.read` reads."""
        return "".join(f"{name} = {_toml(value)}\n" for name, value in self.to_dict().items())

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Settings from plain values; raises SettingsError for an unknown name or an invalid value."""
        check_names(cls, values)
        if "dataset" not in values:
            raise SettingsError("the setting 'dataset' is missing.", hint="name a prepared data set with --dataset")
        return cls(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})


def check_names(cls: type[Settings], values: Iterable[str], where: str = "") -> None:
    """Raises SettingsError, with a suggestion, for a name that is not a setting."""
    known = settings_of(cls)
    for name in values:
        if name not in known:
            raise SettingsError(f"unknown setting {name!r}{where}.", hint=did_you_mean(name, known))


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)  # TOML's strings are JSON's
    return repr(value)
