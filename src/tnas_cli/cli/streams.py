"""The standard streams of a command, whatever became of them: closed, full, or a pipe that nobody reads any more.

Words that cannot be written are lost, and the work goes on. Data that cannot be written ends the command with an error:
nobody would notice that it is missing. Input that cannot be read is an error too.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from tnas_cli.errors import DataError, TnasError
from tnas_cli.records.reading import text_of
from tnas_cli.runs.refusals import refusal_of


@contextmanager
def safe_streams() -> Iterator[None]:
    """Within the block sys.stdout and sys.stderr behave as this file says."""
    _keep_numbers_taken()
    before: tuple[Any, Any] = sys.stdout, sys.stderr
    for stream in before:
        # A name or a letter that the encoding does not have is shown by its number; it is no reason to fail.
        with suppress(AttributeError):
            stream.reconfigure(errors="backslashreplace")
    sys.stdout, sys.stderr = _Data(before[0]), _Words(before[1])
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def standard_input() -> str:
    """All of standard input as text. Raises DataError where it is closed, cannot be read, or is not text."""
    if sys.stdin is None:
        raise DataError("standard input is closed.", hint="pipe something into the command, or name a file")
    return text_of(sys.stdin, "standard input")


def _keep_numbers_taken() -> None:
    """Where a standard stream is closed, the next file that is opened would get its number, and what libraries write
    to the stream would end up in that file."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


class _Stream:
    """A text stream, or None for a closed one; everything but writing is the stream's own."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def isatty(self) -> bool:
        """Whether a person reads it."""
        return self._stream is not None and bool(self._stream.isatty())


class _Words(_Stream):
    """Standard error."""

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError, AttributeError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError, AttributeError):
            self._stream.flush()


class _Data(_Stream):
    """Standard output. A pipe that nobody reads any more ends the command without a word, as for other programs."""

    def write(self, text: str) -> int:
        with _written(self._stream):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        if self._stream is not None:
            with _written(self._stream):
                self._stream.flush()


@contextmanager
def _written(stream: Any) -> Iterator[None]:
    if stream is None:
        raise _lost("it is closed")
    try:
        yield
    except OSError as error:
        with suppress(OSError, ValueError):  # what is left in its buffer must not fail again at the end
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
        if isinstance(error, BrokenPipeError):
            raise
        raise _lost(refusal_of(error).reason) from error


def _lost(reason: str) -> TnasError:
    return TnasError(
        f"cannot write to standard output: {reason}.",
        hint="send it to a place with space; files that the command wrote are whole, and a run is complete or goes on",
    )
