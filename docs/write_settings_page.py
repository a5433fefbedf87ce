"""Writes the tables of docs/settings.md from the settings' own fields and presets: `make docs`, or run this file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tnas_cli.methods.registry import readers
from tnas_cli.settings.applies import Readers
from tnas_cli.settings.base import Settings
from tnas_cli.settings.features import INHERITED_READS, SCRATCH, SCRATCH_READS, SUPERVISED_READS
from tnas_cli.settings.fields import Setting, settings_of
from tnas_cli.settings.grow import GrowSettings
from tnas_cli.settings.preset import presets
from tnas_cli.settings.search import SearchSettings
from tnas_cli.settings.supervised import SupervisedSettings
from tnas_cli.settings.train import TrainSettings
from tnas_cli.settings.transfer import TransferSettings

PAGE = Path(__file__).with_name("settings.md")
MARK = "## All settings\n"

HEAD = """
Written by `make docs` from the fields of `tnas_cli.settings`; a test compares the two. Each setting is an option of its
command, `_` written as `-`, and a line of `settings.toml`. *Presets* are the values that differ from the default, *read
by* says which methods it has an effect for, where that is not all of them; for the others it is refused.
"""


def page() -> str:
    """The hand-written part as it is, and the tables after it."""
    written = PAGE.read_text(encoding="utf-8").partition(MARK)[0]
    trained = {name: reads | SCRATCH_READS for name, reads in readers(searches=False).items()}
    grown = {name: reads | {SCRATCH} for name, reads in readers(searches=False).items()}
    parts = [
        _table("tnas search", SearchSettings, readers(searches=True)),
        _table("tnas train-eval", TrainSettings, trained | {"`--weights inherited`": INHERITED_READS}),
        _table("tnas supervised", SupervisedSettings, SUPERVISED_READS),
        _table("tnas transfer", TransferSettings, {}),
        _table("tnas grow", GrowSettings, grown),
    ]
    return "\n".join([written + MARK + HEAD, *parts])


def _table(command: str, cls: type[Settings], others: Readers) -> str:
    lines = [f"### {command}", "", "| setting | what | range | default | presets | read by |", "|" + " --- |" * 6]
    values = _presets(cls)
    for name, about in settings_of(cls).items():
        lines.append(
            f"| `{name}` | {about.help} | {_range(about)} | {_value(about.default)} | {_differing(about, values)} | "
            f"{_readers(about, others)} |"
        )
    return "\n".join([*lines, ""])


def _presets(cls: type[Settings]) -> dict[str, Mapping[str, Any]]:
    """The values of each preset by its name; where they depend on the data set, by both names."""
    found: dict[str, Mapping[str, Any]] = {}
    for name, values in presets(cls.presets).items():
        parts = {key: part for key, part in values.items() if isinstance(part, dict)}
        found |= {f"{name} {key}": part for key, part in parts.items()} or {name: values}
    return found


def _differing(about: Setting, values: Mapping[str, Mapping[str, Any]]) -> str:
    differing = {n: v[about.name] for n, v in values.items() if v.get(about.name, about.default) != about.default}
    return ", ".join(f"{name} {_value(value)}" for name, value in differing.items())


def _range(about: Setting) -> str:
    if about.choices:
        return ", ".join(about.choices)
    words = {"whole": "whole", "two numbers": "two", "yes or no": "true, false"}.get(about.kind, "")
    return ("even " if about.even else "") + f"{words} {about.range}".strip()


def _value(value: object) -> str:
    if value in (None, ""):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return ", ".join(map(_value, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _readers(about: Setting, others: Readers) -> str:
    if about.only_with is not None:
        return f"where `{about.only_with[0]}` is {_value(about.only_with[1])}"
    found = [name for name, reads in others.items() if about.needs is None or about.needs in reads]
    return "" if len(found) == len(others) else ", ".join(found)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
