"""Unpacking gzip, bzip2 and xz into an unnamed temporary file, with limits against what unpacks without end."""

from __future__ import annotations

import bz2
import lzma
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tnas_cli.episodes.regions import Region, Shared
from tnas_cli.errors import DataError
from tnas_cli.runs.files import temporary_file, temporary_folder, writing

UNFOLDED = 16 * 2**30  # bytes that one archive or member may take on disk while it is read
#: Images hardly compress, so no archive of images is 200 times as large unpacked; a bomb is a thousand times as large.
#: Below FREE bytes, nothing is asked.
RATIO = 200
FREE = 256 * 2**20
XZ_MEMORY = 256 * 2**20  # bytes; xz -9 needs 65 MiB
STREAMS = 100_000  # that one file may be made of, one after the other
CHUNK, PIECE = 2**14, 2**20

_UNPACKERS: dict[bytes, Callable[[], Any]] = {
    b"\x1f\x8b": lambda: zlib.decompressobj(31),
    b"BZ": bz2.BZ2Decompressor,
    b"\xfd7": lambda: lzma.LZMADecompressor(memlimit=XZ_MEMORY),
}


def is_packed(region: Region) -> bool:
    """Whether a file begins as gzip, bzip2 or xz do."""
    return region.read(2) in _UNPACKERS


def unpacked(region: Region, label: str) -> Region:
    """The content of a compressed file. Raises EOFError where it is cut off, DataError beyond the limits."""
    return spooled(_pieces(region), region.size, label)


def spooled(pieces: Iterable[bytes], packed: int, label: str) -> Region:
    """Write what `packed` bytes unpack to into an unnamed temporary file. Raises DataError beyond the limits."""
    size = 0
    with temporary_file() as plain:
        for piece in pieces:
            size += len(piece)
            if size > UNFOLDED or (size > FREE and size > RATIO * packed):
                raise DataError(
                    f"{label} unpacks to more than {_limit(packed)}.", hint="unpack it yourself, and pass the folder"
                )
            with writing(temporary_folder()):
                plain.write(piece)
        with writing(temporary_folder()):
            plain.flush()
        return Region(Shared(plain.fileno()), 0, os.fstat(plain.fileno()).st_size)


def _limit(packed: int) -> str:
    if RATIO * packed < UNFOLDED:
        return f"{RATIO} times its size, as no images do"
    return f"{UNFOLDED / 2**30:.0f} GiB"


def _pieces(region: Region) -> Iterator[bytes]:
    """The plain bytes, a piece at a time; like the usual tools, one stream may follow another."""
    new = _UNPACKERS[region.read(2)]
    at, data = 0, b""
    for _ in range(STREAMS):
        stream = new()
        while not stream.eof:
            if not data:
                data = region.read(CHUNK, at)
                at += len(data)
                if not data:
                    raise EOFError("it ends before its last block")
            piece = stream.decompress(data, PIECE)
            # zlib hands back what it did not take; the others keep it, and go on without new data.
            data = getattr(stream, "unconsumed_tail", b"")
            yield piece
            while not stream.eof and not getattr(stream, "needs_input", True):
                yield stream.decompress(b"", PIECE)
        data = stream.unused_data or region.read(CHUNK, at)
        at += 0 if stream.unused_data else len(data)
        if not data.strip(b"\0"):  # nothing, or the padding of a tape
            return
    raise EOFError(f"it is made of more than {STREAMS:,} streams")
