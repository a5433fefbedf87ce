"""A file of settings: what `--settings` reads, and a run writes as settings.toml."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tnas_cli.errors import SettingsError
from tnas_cli.plain import NotPlainError, toml_values
from tnas_cli.settings.base import Settings, check_names
from tnas_cli.settings.fields import settings_of
from tnas_cli.settings.grow import GrowSettings
from tnas_cli.settings.search import SearchSettings
from tnas_cli.settings.supervised import SupervisedSettings
from tnas_cli.settings.train import TrainSettings
from tnas_cli.settings.transfer import TransferSettings

#: The settings of each command.
COMMANDS: Mapping[str, type[Settings]] = {
    "search": SearchSettings,
    "train-eval": TrainSettings,
    "supervised": SupervisedSettings,
    "transfer": TransferSettings,
    "grow": GrowSettings,
}


def read(cls: type[Settings], file: Path) -> dict[str, Any]:
    """The values that a file names, all or some.

    Raises SettingsError for a file that cannot be read, and for a name that is not a setting of this command. Its
    hint names the command that has all of the file's settings.
    """
    try:
        values = toml_values(file.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, NotPlainError) as error:
        raise SettingsError(f"cannot read {file}: {error}.", hint="name a settings.toml that a run wrote") from error
    unknown = sorted(values.keys() - settings_of(cls).keys())
    owners = [command for command, other in COMMANDS.items() if values.keys() <= settings_of(other).keys()]
    if unknown and owners:
        raise SettingsError(
            f"{file} has the settings of another command: {unknown[0]} is not a setting of this one.",
            hint=f"give it to tnas {' or tnas '.join(owners)}",
        )
    check_names(cls, values, f" in {file}")
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
