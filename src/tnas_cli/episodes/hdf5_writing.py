"""Writing an HDF5 file to a disk that may be full.

The HDF5 library cannot give a file up: after a failed write it goes on trying, complains at the end of the process, and
crashes there. So it writes through Python, is told that all went well, and the error is raised when it has closed its
file. A signal that raises while the library calls Python breaks it, too, and has to wait (`interrupt.signals_later`).
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def hdf5_file(path: Path) -> Iterator[Any]:
    """A new HDF5 file to fill within the block, without a lock, while signals wait. Raises the OSError of the first
    write that failed."""
    import h5py

    with path.open("w+b", buffering=0) as raw:
        disk = _Disk(raw)
        with h5py.File(disk, "w") as file:
            yield file
    if disk.error is not None:
        raise disk.error


class _Disk(io.RawIOBase):
    """A file that takes everything; `error` is the first one of the disk, and from then on nothing is written."""

    def __init__(self, raw: io.FileIO) -> None:
        self.raw = raw
        self.error: OSError | None = None
        self._at = self._end = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + (0, self._at, self._end)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        self._do(lambda: self._write(view))
        self._at += len(view)
        self._end = max(self._end, self._at)
        return len(view)

    def _write(self, view: memoryview) -> None:
        self.raw.seek(self._at)
        while view:
            view = view[self.raw.write(view) :]

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        view[:] = bytes(len(view))
        self._do(lambda: (self.raw.seek(self._at), self.raw.readinto(view)))
        self._at += len(view)
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        self._end = self._at if size is None else size
        self._do(lambda: self.raw.truncate(self._end))
        return self._end

    def _do(self, act: Any) -> None:
        if self.error is None:
            try:
                act()
            except OSError as error:
                self.error = error
