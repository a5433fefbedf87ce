"""The options of `tnas supervised` or `tnas transfer` that reproduce a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tnas_cli.errors import SettingsError
from tnas_cli.recipes.supervised import supervised_settings
from tnas_cli.recipes.transfer import transfer_settings
from tnas_cli.settings.base import Settings
from tnas_cli.settings.fields import settings_of
from tnas_cli.settings.preset import presets

_SETTINGS: dict[str, Callable[[str, Mapping[str, Any], Mapping[str, Any]], Settings]] = {
    "supervised": supervised_settings,
    "transfer": transfer_settings,
}
#: Named even if they are the preset's: a reader looks for them.
_SAID = ("protocol", "seed", "way", "shot", "query", "tasks", "epochs")


def setting_options(setting: str, settings: Mapping[str, Any]) -> list[str]:
    """The shortest options that reach exactly these settings; raises SettingsError for invalid settings."""
    dataset = {"dataset": settings.get("dataset", "")}
    wanted = _SETTINGS[setting]("quick", {}, settings)
    found: list[list[str]] = []
    for name in presets("supervised" if setting == "supervised" else "transfer"):
        try:
            reached = _SETTINGS[setting](name, dataset, {})
        except SettingsError:
            continue  # a preset for other data sets
        options = ["--preset", name, "--dataset", str(dataset["dataset"])]
        for n, about in settings_of(type(wanted)).items():
            value = getattr(wanted, n)
            if n == "dataset" or value == "" or (n == "method" and value == "given"):
                continue
            if about.only_with is not None and getattr(wanted, about.only_with[0]) != about.only_with[1]:
                continue  # switched off, and refused where it is given
            if n in _SAID or getattr(reached, n) != value:
                options += about.spelled(value)
        found.append(options)
    return min(found, key=len)
