"""Reads `events.jsonl` of a run while another process may add to it: its end alone, or what is new since the last look.

Nothing is written and no lock is taken. A line without its end is read when it is whole; one that is no record is
passed over, as it is when the run is resumed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from tnas_cli.errors import DataError
from tnas_cli.plain import NotPlainError, json_value
from tnas_cli.records.kinds import Record
from tnas_cli.records.reading import parse
from tnas_cli.runs.files import cannot_read

BYTES_OF_A_TAIL = 2**16


def tail(log: Path) -> list[Record]:
    """The last records of a log, those of its last 64 KB; none without a log. Raises DataError if it cannot be read."""
    try:
        with log.open("rb") as file:
            begin = max(0, file.seek(0, os.SEEK_END) - BYTES_OF_A_TAIL)
            file.seek(begin)
            lines = file.read().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise cannot_read(log, error) from error
    return _records(lines[1 if begin else 0 : -1])


class LogReader:
    """Reads a log as it grows. If a resumed run cuts it back, what is written again is read again, but no line that
    was read before."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self._at, self._file = 0, 0
        self._known: set[bytes] = set()

    def new(self) -> list[Record]:
        """The records that were added since the last call; raises DataError if the log cannot be read."""
        try:
            with self.log.open("rb") as file:
                now = os.fstat(file.fileno())
                again = self._file != 0 and (now.st_ino != self._file or now.st_size < self._at)
                self._file, self._at = now.st_ino, 0 if again else self._at
                file.seek(self._at)
                text = file.read()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise cannot_read(self.log, error) from error
        whole = text[: text.rfind(b"\n") + 1]
        self._at += len(whole)
        lines = whole.split(b"\n")[:-1]
        fresh = [line for line in lines if not again or line not in self._known]
        self._known.update(lines)
        return _records(fresh)


def _records(lines: Iterable[bytes]) -> list[Record]:
    found = []
    for line in lines:
        try:
            values = json_value(line.decode("utf-8"))
            if isinstance(values, dict):
                found.append(parse(values))
        except (NotPlainError, UnicodeDecodeError, DataError):
            continue
    return found
