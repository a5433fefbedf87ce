"""Presets: named values of presets/*.toml, each with its source. What a preset does not name keeps its default."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Any, Literal

from tnas_cli.errors import SettingsError, did_you_mean

Kind = Literal["search", "train_eval", "supervised", "transfer", "grow"]


@cache
def presets(kind: Kind) -> dict[str, dict[str, Any]]:
    """The presets of a command by name; if the values depend on the data set, a table for each data set."""
    text = resources.files("tnas_cli.settings").joinpath("presets", f"{kind}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def preset(kind: Kind, name: str, dataset: str = "") -> dict[str, Any]:
    """The values of one preset; if they depend on the data set, those for it.

    Raises SettingsError, which lists the known ones, for an unknown name or data set.
    """
    known = presets(kind)
    if name not in known:
        raise SettingsError(f"unknown preset {name!r}.", hint=did_you_mean(name, known))
    parts = {key: value for key, value in known[name].items() if isinstance(value, dict)}
    if not parts:
        return dict(known[name])
    if dataset not in parts:
        raise SettingsError(
            f"preset {name!r} has no values for data set {dataset!r}.",
            hint=f"it has values for {' and '.join(parts)}; or take another preset with --settings or options",
        )
    return dict(parts[dataset])
