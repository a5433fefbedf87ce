"""How a user gives a command's settings: an option for each field, a preset, and a file."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from tnas_cli.cli.flat import with_parameters
from tnas_cli.errors import SettingsError
from tnas_cli.settings import file as settings_file
from tnas_cli.settings.base import Settings
from tnas_cli.settings.fields import PANELS, Setting, settings_of
from tnas_cli.settings.preset import presets

_TYPES: Mapping[str, Any] = {
    "whole": int,
    "number": float,
    "text": str,
    "yes or no": bool,
    "two numbers": tuple[float, float],
}
_SHOWN = {"whole": "N", "number": "X", "text": "TEXT", "two numbers": "X X"}
_SHORT = {"dataset": ("-d",)}

#: The options that come first, where a command has them.
_FIRST = ("dataset", "method", "way", "shot", "query", "tasks", "hours", "epochs", "preset", "settings")

DEFAULT_PRESET = "quick"


@dataclass(frozen=True)
class Wanted:
    """preset: its name. given: the values that the user named. file: those of a file that a run wrote; it names all
    settings, so it does not tell which of them the user chose."""

    preset: str
    given: Mapping[str, Any]
    file: Mapping[str, Any]


def wanted_of(cls: type[Settings]) -> Callable[..., Wanted]:
    """A function with an option for each setting, --preset and --settings; it returns what the user wants."""

    def wanted(preset: str | None, settings: Path | None, **values: Any) -> Wanted:
        given = {name: value for name, value in values.items() if value is not None}
        file = {} if settings is None else settings_file.read(cls, settings)
        # A run writes all settings, but a run of an earlier version may lack some of today's.
        if len(file) <= len(settings_of(cls)) / 2:
            return Wanted(preset or DEFAULT_PRESET, {**file, **given}, {})
        if preset is not None:
            raise SettingsError(
                f"--preset has no effect: {settings} has all settings of a run.", hint="leave one of them out"
            )
        return Wanted(DEFAULT_PRESET, given, file)

    options = [_preset(cls), _FILE, *map(_option, sorted(settings_of(cls).values(), key=_panel))]
    return with_parameters(wanted, sorted(options, key=_first))


def _option(setting: Setting) -> inspect.Parameter:
    # The settings check their ranges themselves: their message says what to choose.
    info = typer.Option(
        *(setting.options, *_SHORT.get(setting.name, ())),
        help=setting.described,
        rich_help_panel=setting.panel or None,
        metavar=_SHOWN.get(setting.kind),
    )
    return _parameter(setting.name, _TYPES[setting.kind], info)


def _preset(cls: type[Settings]) -> inspect.Parameter:
    names = ", ".join(presets(cls.presets))
    return _parameter(
        "preset", str, typer.Option("--preset", help=f"{names}; default: {DEFAULT_PRESET}.", metavar="TEXT")
    )


def _parameter(name: str, kind: Any, info: Any) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, info]
    )


_FILE = _parameter(
    "settings", Path, typer.Option("--settings", help="A settings.toml, as a run writes it.", metavar="FILE")
)


def _panel(setting: Setting) -> int:
    return PANELS.index(setting.panel)


def _first(option: inspect.Parameter) -> int:
    return _FIRST.index(option.name) if option.name in _FIRST else len(_FIRST)
