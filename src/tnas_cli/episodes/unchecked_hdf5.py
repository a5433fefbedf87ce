"""Reading an HDF5 file that nobody checked: a child process with a limit of time and memory does it.

The HDF5 library loops or crashes on damaged files, and Ctrl-C does nothing meanwhile. Here that ends the child, and the
user gets a message.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from tnas_cli.errors import DataError, TnasError

SIGNATURE = b"\x89HDF\r\n\x1a\n"
SECONDS = 0.4  # of computing for the description, or for an answer: twenty times what a sound cache takes
SECONDS_PER_BYTE = 1 / 20e6
MOST_SECONDS = 10.0
WAIT = 60.0  # for a file system that does not answer
LONGEST_LINE = 256 * 2**20
PIECE = 64 * 2**20


class UnreadableHdf5Error(DataError):
    """An HDF5 file that is damaged, hostile or none; `why` says it without the path."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            f"{path} cannot be read as an HDF5 file: {why}.",
            hint="the file is damaged, or not what it seems: copy it again from where it came from",
        )
        self.path, self.why = path, why

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, self.why)


@dataclass(frozen=True)
class Table:
    """A table of the file: its shape; what it holds, 'number', 'text', 'bytes' or 'other'; NumPy's name for the type
    of its numbers; and where it begins in the file, if it is one plain piece.
    """

    shape: tuple[int, ...]
    kind: str
    type: str
    offset: int | None


class UncheckedHdf5:
    """A file that a child process reads: its attributes, and its tables by their path ('/datasets/n01532829')."""

    def __init__(self, path: Path, child: subprocess.Popen[bytes]) -> None:
        self.path = path
        self._child = child
        with _killed_after(child, WAIT):
            assert child.stdout is not None
            if child.stdout.readline(100) != b"ready\n":
                raise _cannot_start(path, "it ended before it opened the file")
        about = self._answer()
        self.attributes: dict[str, Any] = about["attributes"]
        self.tables = {
            name: Table(tuple(table["shape"]), table["kind"], table["type"], table["offset"])
            for name, table in about["tables"].items()
        }

    def numbers(self, name: str, first: int = 0, count: int | None = None) -> npt.NDArray[Any]:
        """`count` rows of a table of numbers from row `first`; all of them by default. Raises DataError."""
        table = self._table(name, "number")
        kind = np.dtype(table.type)
        count = table.shape[0] - first if count is None else count
        size = math.prod(table.shape[1:]) * kind.itemsize
        header = self._ask(name, first, count, size * count)
        if header["bytes"] != size * count:
            raise self._unreadable(f"table {name!r} is not as large as it says")
        values = np.frombuffer(self._bytes(header["bytes"]), dtype=kind)
        return values.reshape(count, *table.shape[1:])

    def texts(self, name: str) -> list[str]:
        """A table of texts with one dimension, as a list. Raises DataError."""
        table = self._table(name, "text")
        if len(table.shape) != 1:
            raise self._unreadable(f"table {name!r} is not a list of texts")
        return [str(text) for text in self._ask(name, 0, table.shape[0], 0)["texts"]]

    def rows(self, name: str, first: int, count: int) -> list[bytes]:
        """`count` rows of bytes, each of its own length, from row `first`. Raises DataError."""
        self._table(name, "bytes")
        header = self._ask(name, first, count, PIECE)
        data, ends = self._bytes(header["bytes"]), itertools.accumulate(header["lengths"], initial=0)
        return [data[start:end] for start, end in itertools.pairwise(ends)]

    def _table(self, name: str, kind: str) -> Table:
        table = self.tables.get(name)
        if table is None or table.kind != kind or not table.shape:
            raise self._unreadable(f"it has no table {name!r} of the right kind")
        return table

    def _ask(self, name: str, first: int, count: int, size: int) -> dict[str, Any]:
        request = {"name": name, "first": first, "count": count, "seconds": _seconds(size)}
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(json.dumps(request).encode() + b"\n")
            self._child.stdin.flush()
        except OSError:
            pass  # the answer says how it ended
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._child.stdout is not None
        with _killed_after(self._child, WAIT):
            line = self._child.stdout.readline(LONGEST_LINE)
        if not line.endswith(b"\n"):
            raise self._unreadable(self._ending())
        try:
            answer: dict[str, Any] = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise self._unreadable("it has a text that cannot be read") from error
        if "error" in answer:
            raise self._unreadable(str(answer["error"]))
        return answer

    def _bytes(self, size: int) -> bytes:
        assert self._child.stdout is not None
        with _killed_after(self._child, WAIT):
            data = self._child.stdout.read(size)
        if len(data) != size:
            raise self._unreadable(self._ending())
        return data

    def _ending(self) -> str:
        """Why the child gave no answer."""
        self._child.kill()
        code = self._child.wait()
        if code in (-signal.SIGPROF, -signal.SIGKILL):
            return "the HDF5 library comes to no end with it"
        return f"the HDF5 library crashes on it ({'signal' if code < 0 else 'exit code'} {abs(code)})"

    def _unreadable(self, why: str) -> UnreadableHdf5Error:
        return UnreadableHdf5Error(self.path, why)


@contextmanager
def unchecked_hdf5(path: Path) -> Iterator[UncheckedHdf5]:
    """Read an HDF5 file of anybody's within the block.

    Raises UnreadableHdf5Error (a DataError) for a file that is damaged, hostile or not HDF5, also from reads in the
    block, DataError for one that cannot be opened, and TnasError where no process can be started.
    """
    try:
        refuse_unless_hdf5(path)
        seconds = _seconds(path.stat().st_size)
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror or error}.", hint="check that you may read it"
        ) from error
    script = Path(__file__).with_name("hdf5_child.py")
    try:
        child = subprocess.Popen(
            # Without the script's own folder as a place to import from.
            [sys.executable, "-P", str(script), str(path.absolute()), str(seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
        )
    except OSError as error:
        raise _cannot_start(path, str(error.strerror or error)) from error
    try:
        yield UncheckedHdf5(path, child)
    finally:
        child.kill()
        child.communicate()


def refuse_unless_hdf5(path: Path) -> None:
    """Raise UnreadableHdf5Error unless `path` is a regular file that begins as HDF5 files do; OSError passes."""
    if not path.is_file():
        raise UnreadableHdf5Error(path, "it is not a file" if path.exists() else "it is missing")
    with path.open("rb") as file:
        if not _signed(file):
            raise UnreadableHdf5Error(path, "it is no HDF5 file")


def _cannot_start(path: Path, why: str) -> TnasError:
    return TnasError(
        f"the process that reads {path} cannot start: {why}.",
        hint="nothing is known against the file: look whether memory is short, or whether tnas doctor works",
    )


def _signed(file: BinaryIO) -> bool:
    """Whether the signature is where HDF5 looks for it: at 0, or behind a user block of 512, 1024, 2048 ... bytes."""
    for place in (0, *(512 << k for k in range(12))):
        file.seek(place)
        if file.read(len(SIGNATURE)) == SIGNATURE:
            return True
    return False


def _seconds(size: int) -> float:
    return min(SECONDS + size * SECONDS_PER_BYTE, MOST_SECONDS)


def _environment() -> dict[str, str]:
    # No plug-in of the HDF5 library is loaded because a file asks for it, and no threads are started.
    path = os.pathsep.join(place for place in sys.path if place)
    return {
        **os.environ,
        "PYTHONPATH": path,
        "HDF5_PLUGIN_PRELOAD": "::",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }


@contextmanager
def _killed_after(child: subprocess.Popen[bytes], seconds: float) -> Iterator[None]:
    clock = threading.Timer(seconds, child.kill)
    clock.daemon = True
    clock.start()
    try:
        yield
    finally:
        clock.cancel()
