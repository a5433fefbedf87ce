"""Tables of images in HDF5 files that others wrote. The HDF5 library meets them in a child process alone."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tnas_cli.episodes.places import File
from tnas_cli.episodes.regions import Region
from tnas_cli.episodes.unchecked_hdf5 import Table, UncheckedHdf5, UnreadableHdf5Error, unchecked_hdf5
from tnas_cli.episodes.unfolding import spooled
from tnas_cli.errors import DataError

PIECE = 8 * 2**20


@dataclass(frozen=True)
class StoredRows:
    """A table uint8 whose rows are read by position when they are asked for."""

    region: Region
    shape: tuple[int, ...]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, row: int) -> npt.NDArray[np.uint8]:
        size = math.prod(self.shape[1:])
        values: npt.NDArray[np.uint8] = np.frombuffer(self.region.read(size, row * size), dtype=np.uint8)
        return values.reshape(self.shape[1:])


def image_tables(file: File) -> dict[str, StoredRows]:
    """The tables uint8 of an HDF5 file by their path, '/datasets/n01532829', sorted.

    One that is a plain piece of the file stays there; others are unpacked into an unnamed temporary file. Raises
    DataError for a file that is damaged, hostile or not HDF5.
    """
    region = file.region()
    try:
        with _on_disk(file, region) as path, unchecked_hdf5(path) as read:
            return {
                name: StoredRows(_region(read, name, table, region), table.shape)
                for name, table in sorted(read.tables.items())
                if table.type == "|u1" and table.shape
            }
    except UnreadableHdf5Error as error:
        raise DataError(f"{file.label} cannot be read as an HDF5 file: {error.why}.", hint=error.hint) from error


def _region(read: UncheckedHdf5, name: str, table: Table, region: Region) -> Region:
    size = math.prod(table.shape)
    if table.offset is not None and 0 <= table.offset <= region.size - size:
        return region.part(table.offset, size)
    each = max(1, math.prod(table.shape[1:]))

    def pieces() -> Iterator[bytes]:
        step = max(1, PIECE // each)
        for first in range(0, table.shape[0], step):
            rows: npt.NDArray[Any] = read.numbers(name, first, min(step, table.shape[0] - first))
            yield rows.tobytes()

    return spooled(pieces(), region.size, f"{read.path}{name}")


@contextmanager
def _on_disk(file: File, region: Region) -> Iterator[Path]:
    """The path of the file; of a copy where it is a member of an archive."""
    if file.path is not None:
        yield file.path
        return
    with tempfile.NamedTemporaryFile(suffix=".hdf5") as copy:
        for at in range(0, region.size, PIECE):
            copy.write(region.read(PIECE, at))
        copy.flush()
        yield Path(copy.name)
