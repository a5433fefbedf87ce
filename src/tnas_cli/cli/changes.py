"""--set NAME=VALUE, for settings that have no option of their own."""

from __future__ import annotations

from collections.abc import Sequence

from tnas_cli.errors import SettingsError

Value = bool | int | float | str


def read_changes(texts: Sequence[str]) -> dict[str, Value]:
    """The named values; raises SettingsError for a text that is not NAME=VALUE."""
    return dict(map(_change, texts))


def _change(text: str) -> tuple[str, Value]:
    """'batch=32' as a name and a whole number, a number, true, false or a text."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise SettingsError(f"--set {text} names no value.", hint="write it as --set batch=32")
    if value in ("true", "false"):
        return name, value == "true"
    for kind in (int, float):
        try:
            return name, kind(value)
        except ValueError:
            continue
    return name, value
