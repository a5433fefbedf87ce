"""JSON and TOML of anybody's: what Python's readers do not bound is bounded here, and every failure is one error.

A short text may ask for gigabytes, or for hours: values by the million, brackets within brackets, numbers of a million
digits, names of a thousand parts. No file that tnas writes comes near these bounds.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tnas_cli.errors import DataError

MOST_BYTES = 100 * 2**20  # of a file of records
MOST_OF_TOML = 2**20
#: A bound for the memory that the values of a text take: a number counts 1, a list 2, an object 4.
MOST_VALUES = 6_000_000
#: What taking values out of something that tnas did not write may raise.
NOT_AS_WRITTEN = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError)

#: Python refuses to read so many decimal digits, and to print a number that was read from others.
_LONG_NUMBER = re.compile(r"0[xob][0-9a-fA-F_]{1000}")
_MANY_PARTS = re.compile(r"^[^\n]*(?:\.[^.\n]*){200}", re.MULTILINE)


class NotPlainError(ValueError):
    """A text that is not JSON or TOML, or that no program should read."""


def json_value(text: str) -> Any:
    """The value of a JSON text; raises NotPlainError."""
    check_json(text)
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise NotPlainError(str(error)) from None
    except (ValueError, RecursionError) as error:
        raise NotPlainError(why(error)) from None
    check_texts(value, text)
    return value


def check_json(text: str) -> None:
    """Raise NotPlainError for a JSON text whose values would take too much memory."""
    if 4 * text.count("{") + 2 * text.count("[") + text.count(",") > MOST_VALUES:
        raise NotPlainError("millions of values")


def check_texts(value: Any, text: str) -> None:
    """Raise NotPlainError if a text in `value`, which was read from `text`, is half a character."""
    if "\\u" not in text:
        return
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError):
        raise NotPlainError("half of a character: a lone surrogate") from None


def why(error: ValueError | RecursionError) -> str:
    """What Python's readers of numbers and brackets complain about, in short."""
    return "nested too deeply" if isinstance(error, RecursionError) else "a number of too many digits"


@contextmanager
def as_written(path: Path) -> Iterator[None]:
    """Within the block, values of a JSON file are taken to be what tnas wrote; raises DataError where they are not."""
    try:
        yield
    except NOT_AS_WRITTEN as error:
        raise DataError(
            f"{path} does not hold what tnas wrote into it ({type(error).__name__}: {error}).",
            hint="take an untouched copy of it",
        ) from error


def toml_values(text: str) -> dict[str, Any]:
    """The values of a TOML text; raises NotPlainError."""
    if len(text) > MOST_OF_TOML:
        raise NotPlainError("too long for settings")
    if _MANY_PARTS.search(text):
        raise NotPlainError("a name of hundreds of parts")
    if _LONG_NUMBER.search(text):
        raise NotPlainError("a number of too many digits")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise NotPlainError(str(error)) from None
    except (ValueError, RecursionError) as error:
        raise NotPlainError(why(error)) from None
