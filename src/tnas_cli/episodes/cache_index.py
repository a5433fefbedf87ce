"""The index behind the HDF5 part of an image cache: what is in it and where, so that no reader needs the HDF5 library.

    HDF5 part | index, JSON | footer: end of the HDF5 part, length and CRC-32 of the index, magic

HDF5 ignores what follows its own part. When it opens a file to change it, it cuts the file there: an index never
outlives a change that another program makes. docs/decisions/cache-index.md says why it is built like this.
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

MAGIC = b"tnas index 1"
FOOTER = struct.Struct(f"<QQI{len(MAGIC)}s")
LONGEST = 16 * 2**20  # of an index; one of 10,000 classes takes 1 MB
MOST_STRUCTURES = 256 * 2**20  # what HDF5 itself may take in a file, with names and attributes
LARGEST_SIDE = 1024
NUMBERS = {"|u1": np.uint8, "<i4": np.int32, "<i8": np.int64}

#: What reading an index of anybody's may raise.
NOT_AN_INDEX = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)

Bytes = npt.NDArray[np.uint8]
Attribute = str | int | float | list[float]


@dataclass(frozen=True)
class Place:
    """A table that is one piece of the file: its first byte, its shape, its type of number, its CRC-32 (images: 0)."""

    offset: int
    shape: tuple[int, ...]
    type: str
    crc: int = 0

    @property
    def stop(self) -> int:
        """The byte behind it."""
        return self.offset + math.prod(self.shape) * np.dtype(NUMBERS[self.type]).itemsize

    def view(self, data: Bytes) -> npt.NDArray[Any]:
        """The table in the mapped file `data`."""
        return np.ndarray(self.shape, dtype=NUMBERS[self.type], buffer=data.data, offset=self.offset)

    def checked(self, data: Bytes, name: str) -> npt.NDArray[Any]:
        """The same, if its bytes are those that were written; raises ValueError if not."""
        if _crc(data[self.offset : self.stop]) != self.crc:
            raise ValueError(f"{name} is not as it was written")
        return self.view(data)


@dataclass(frozen=True)
class CacheIndex:
    """What a cache holds. `structures` is the CRC-32 of the HDF5 part without its images and evaluation tables."""

    attributes: Mapping[str, Attribute]
    class_names: list[str]
    class_splits: list[str]
    class_offset: list[int]
    images: Place
    evaluation: Mapping[str, Place]
    structures: int = 0

    def pieces(self) -> list[Place]:
        """The images and the evaluation tables, in the order of the file."""
        return sorted([self.images, *self.evaluation.values()], key=lambda place: place.offset)

    def structures_of(self, data: Bytes) -> int:
        """The CRC-32 of the HDF5 part `data` without its pieces; raises ValueError where they overlap or stick out."""
        crc, at, size = 0, 0, 0
        for piece in self.pieces():
            if piece.offset < at or piece.stop > len(data):
                raise ValueError("tables overlap, or reach beyond the end of the file")
            size += piece.offset - at
            if size > MOST_STRUCTURES:
                break
            crc, at = _crc(data[at : piece.offset], crc), piece.stop
        if size + len(data) - at > MOST_STRUCTURES:
            raise ValueError("it holds more than images and their tables")
        return _crc(data[at:], crc)


def with_checksums(index: CacheIndex, data: Bytes) -> CacheIndex:
    """The index of an HDF5 part whose bytes are `data`. Raises ValueError for one that cannot be right."""
    structures = index.structures_of(data)
    evaluation = {
        name: Place(place.offset, place.shape, place.type, _crc(data[place.offset : place.stop]))
        for name, place in index.evaluation.items()
    }
    return replace(index, evaluation=evaluation, structures=structures)


def packed(index: CacheIndex, end: int) -> bytes:
    """What follows an HDF5 part of `end` bytes. Raises ValueError where it would be too long to be read again."""
    text = json.dumps(asdict(index), ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
    if len(text) > LONGEST:
        raise ValueError(f"names and messages take {len(text):,} bytes; a cache holds up to {LONGEST:,}")
    return text + FOOTER.pack(end, len(text), zlib.crc32(text), MAGIC)


def append_index(path: Path, index: CacheIndex) -> None:
    """Write the index behind the HDF5 part that is all of the file so far. Raises OSError and ValueError."""
    with path.open("r+b") as file:
        data = mapped(file)
        tail = packed(with_checksums(index, data), len(data))
        file.seek(len(data))
        file.write(tail)


def mapped(file: BinaryIO) -> Bytes:
    """An open file's bytes, mapped into memory."""
    return np.memmap(file, dtype=np.uint8, mode="r").view(np.ndarray)


def _crc(data: Bytes, before: int = 0) -> int:
    return zlib.crc32(data.data, before)


def read_index(data: Bytes) -> CacheIndex | None:
    """The index at the end of a mapped file; None where there is none.

    Raises ValueError for one that cannot be right, or where the HDF5 part is not as it was written.
    """
    if len(data) < FOOTER.size:
        return None
    end, length, crc, magic = FOOTER.unpack(data[-FOOTER.size :].tobytes())
    if magic != MAGIC or length > LONGEST or end + length + FOOTER.size != len(data):
        return None
    text = data[end : end + length].tobytes()
    if zlib.crc32(text) != crc:
        return None
    try:
        index = _index(json.loads(text))
    except NOT_AN_INDEX as error:
        raise ValueError("its index is not one that tnas wrote") from error
    if index.structures_of(data[:end]) != index.structures:
        raise ValueError("it is not as it was written")
    return index


def _index(read: dict[str, Any]) -> CacheIndex:
    return CacheIndex(
        attributes={str(name): _attribute(value) for name, value in read["attributes"].items()},
        class_names=[_text(name) for name in _list(read["class_names"])],
        class_splits=[_text(split) for split in _list(read["class_splits"])],
        class_offset=[_count(number) for number in _list(read["class_offset"])],
        images=_place(read["images"]),
        evaluation={str(name): _place(place) for name, place in read["evaluation"].items()},
        structures=_count(read["structures"]),
    )


def _place(read: dict[str, Any]) -> Place:
    shape = tuple(_count(side) for side in _list(read["shape"]))
    place = Place(_count(read["offset"]), shape, _text(read["type"]), _count(read["crc"]))
    if place.type not in NUMBERS or len(place.shape) > 4:
        raise ValueError(f"it has a table of {len(place.shape)} dimensions and type {place.type[:20]!r}")
    return place


def _attribute(value: Any) -> Attribute:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list):
        return [float(number) for number in value]
    if isinstance(value, (int, float)):
        return value
    raise TypeError(type(value).__name__)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(type(value).__name__)
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(type(value).__name__)
    value.encode()  # raises ValueError for half of a surrogate pair, which no file and no terminal can take
    return value


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError(f"{str(value)[:40]} is not a count")
    return value
