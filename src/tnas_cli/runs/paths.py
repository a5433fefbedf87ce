"""Paths as people give them: with ~ and variables, in options and in the variables of the environment."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import platformdirs

from tnas_cli.errors import SettingsError


def expanded(text: str) -> str:
    """The text with a leading ~ or ~user, and $VARIABLES that are set, replaced as a shell does; a file of that very
    name wins, and a new one in a folder of that very name."""
    if not text.startswith("~") and "$" not in text:
        return text
    folder = os.path.dirname(text)  # noqa: PTH120
    if os.path.lexists(text) or ((folder.startswith("~") or "$" in folder) and os.path.isdir(folder)):  # noqa: PTH112
        return text
    return os.path.expanduser(os.path.expandvars(text))  # noqa: PTH111  not every text is a path


def expanded_words(words: Sequence[str]) -> list[str]:
    """The words of a command line, which a shell leaves as they are in `--option=~/x` and in quotes."""
    found = []
    for word in words:
        option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
        found.append(option + equals + expanded(value))
    return found


def from_environment(name: str) -> Path | None:
    """The path in a variable of the environment; None if it is not set or empty."""
    chosen = os.environ.get(name)
    return Path(expanded(chosen)) if chosen else None


def own_cache() -> Path:
    """The user's cache folder for tnas; raises SettingsError for a user without a home folder."""
    folder = Path(platformdirs.user_cache_dir("tnas"))
    if str(folder).startswith("~"):
        raise SettingsError("there is no home folder for prepared data.", hint="set TNAS_CACHE, or pass --cache-dir")
    return folder
