"""The options of `tnas train-eval` that lead to a run of the supervised or of the transfer setting again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tnas_cli.errors import SettingsError
from tnas_cli.recipes.supervised import supervised_settings
from tnas_cli.recipes.transfer import transfer_settings
from tnas_cli.settings.checked import CheckedSettings

_SETTINGS: dict[str, Callable[[str, Mapping[str, Any]], CheckedSettings]] = {
    "supervised": supervised_settings,
    "transfer": transfer_settings,
}
PRESETS = ("paper", "quick")

#: Settings with options of their own; --set takes the others.
_OPTIONS = ("dataset", "method", "seed", "way", "shot", "query", "tasks", "channels", "epochs", "layers", "order")
#: Said even where they are the preset's: they are what a reader asks.
_SAID = ("protocol", "seed", "way", "shot", "query", "tasks", "epochs")


def setting_options(setting: str, settings: Mapping[str, Any]) -> list[str]:
    """The shortest options that reach exactly these settings; raises SettingsError for what are no settings of it."""
    dataset = {"dataset": settings.get("dataset", "")}
    wanted = _SETTINGS[setting]("quick", settings).to_dict()
    found: list[list[str]] = []
    for name in PRESETS:
        try:
            reached = _SETTINGS[setting](name, dataset).to_dict()
        except SettingsError:
            continue  # a preset for other data sets
        options = ["--protocol", setting, "--preset", name, "--dataset", str(dataset["dataset"])]
        for n, value in wanted.items():
            if n == "dataset" or value == "" or (n == "method" and value == "given"):
                continue
            if n in _SAID or reached[n] != value:
                options += [f"--{n}", str(value)] if n in _OPTIONS else ["--set", f"{n}={_text(value)}"]
        found.append(options)
    return min(found, key=len)


def _text(value: Any) -> str:
    """As --set reads it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
