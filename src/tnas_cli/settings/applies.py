"""The one place that refuses options without effect, whose machinery nothing in a command reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tnas_cli.errors import SettingsError
from tnas_cli.settings.base import Settings
from tnas_cli.settings.fields import settings_of

#: What each method (or kind of weights, or network) reads, by its name.
Readers = Mapping[str, frozenset[str]]


def option_of(name: str) -> str:
    """A setting or parameter as the command line spells it, for messages."""
    return f"--{name.replace('_', '-')}"


def refuse(
    given: Iterable[str], needs: Mapping[str, str | None], reads: frozenset[str], who: str, others: Readers
) -> None:
    """Raises SettingsError for the first given option that `who` does not read; its hint names those that do.

    needs: the machinery that each option belongs to; everything reads an option that is not in it or has None.
    """
    for name in given:
        feature = needs.get(name)
        if feature is not None and feature not in reads:
            raise _refusal(option_of(name), feature, who, others)


def refuse_settings(
    given: Mapping[str, Any], cls: type[Settings], reads: frozenset[str], who: str, others: Readers
) -> None:
    """The same for settings that the user gave, by name; the machinery that reads one may depend on its value."""
    known = settings_of(cls)
    for name, value in given.items():
        for feature in (known[name].needs, known[name].needed_by(value)):
            if feature is not None and feature not in reads:
                raise _refusal(option_of(name), feature, who, others, value if feature != known[name].needs else None)


def refuse_switches(
    settings: Settings, own: Mapping[str, Any], reads: frozenset[str], who: str, others: Readers
) -> None:
    """The same for complete settings, which do not tell what the user gave. A switch is on only if the user asked for
    it, or if it is one of the method's `own` values.
    """
    for name, about in settings_of(type(settings)).items():
        value = getattr(settings, name)
        if about.switch and value not in (about.default, own.get(name, about.default)):
            refuse_settings({name: value}, type(settings), reads, who, others)


def refuse_together(given: Iterable[str], settings: Settings) -> None:
    """Raises SettingsError for a given setting that another one switches off."""
    known = settings_of(type(settings))
    for name in given:
        condition = known[name].only_with
        if condition is not None and getattr(settings, condition[0]) != condition[1]:
            other, value = condition
            raise SettingsError(
                f"{option_of(name)} has no effect where {other} is {getattr(settings, other)!r}.",
                hint=f"leave it out, or choose {other} {value!r}",
            )


def _refusal(option: str, feature: str, who: str, others: Readers, value: object = None) -> SettingsError:
    said = option if value is None else f"{option} {value}"
    readers = [name for name, reads in others.items() if feature in reads]
    hint = f"leave it out, or choose {_or(readers)}" if readers else "leave it out"
    return SettingsError(f"{said} has no effect with {who}.", hint=hint)


def _or(names: list[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last
