"""Parts of files that are read by position, so that threads and archives within archives do not disturb each other."""

from __future__ import annotations

import io
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tnas_cli.errors import DataError


class Shared:
    """An open file that is read by position, so threads do not move each other's position.

    It outlives the file object it is made of, and is closed with its last reader.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = os.dup(descriptor)

    def read(self, size: int, offset: int) -> bytes:
        """Up to `size` bytes from `offset` on."""
        return os.pread(self._descriptor, size, offset)

    def __del__(self) -> None:
        os.close(self._descriptor)


@dataclass(frozen=True)
class Region:
    """`size` bytes of a shared file from `offset` on."""

    shared: Shared
    offset: int
    size: int

    def read(self, size: int, offset: int = 0) -> bytes:
        """Up to `size` bytes from `offset` on, counted from the region's start."""
        return self.shared.read(max(0, min(size, self.size - offset)), self.offset + offset)

    def part(self, offset: int, size: int) -> Region:
        """A region in this one."""
        return Region(self.shared, self.offset + offset, size)

    def open(self) -> IO[bytes]:
        """A stream over it, with a position of its own."""
        return io.BufferedReader(RegionStream(self))


class RegionStream(io.RawIOBase):
    """The bytes of a region. Only what is asked for is read, as a member's size is only what its archive claims."""

    def __init__(self, region: Region) -> None:
        self.region = region
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.region.size}[whence])
        return self._at

    def readinto(self, buffer: Any) -> int:
        data = self.region.read(len(buffer), self._at)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def region_of(path: Path) -> Region:
    """The whole of a file on disk. Raises OSError, and DataError for what is no regular file: a pipe would block."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise DataError(f"{path} is a pipe, a device or a socket, not a file.", hint="name a file or a folder")
        return Region(Shared(descriptor), 0, status.st_size)
    finally:
        os.close(descriptor)
