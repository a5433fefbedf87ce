"""The command line that this process was started with, for records; a call from Python has none."""

from __future__ import annotations

from collections.abc import Sequence

_words: tuple[str, ...] | None = None


def called_as(words: Sequence[str]) -> None:
    """Remember the words of the command line, the program's name first."""
    global _words
    _words = tuple(words)


def argv() -> tuple[str, ...] | None:
    """The words of the command line, or None."""
    return _words
