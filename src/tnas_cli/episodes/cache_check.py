"""Whether a file holds a data set: the index of a cache that has none yet, and the bounds that any index must keep."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from tnas_cli.episodes.cache_index import LARGEST_SIDE, NUMBERS, Bytes, CacheIndex, Place, packed
from tnas_cli.episodes.sampling import Indices, table_name
from tnas_cli.episodes.unchecked_hdf5 import UncheckedHdf5, UnreadableHdf5Error, unchecked_hdf5
from tnas_cli.errors import DataError

FOLDER = "/evaluation/"


def index_of_unchecked(path: Path) -> CacheIndex:
    """What a child process finds in a cache that has no index. Raises DataError, ValueError, TypeError or KeyError."""
    with unchecked_hdf5(path) as file:
        if "format" not in file.attributes:
            return CacheIndex({}, [], [], [], Place(0, (0,), "|u1"), {})
        offset = file.numbers("/class_offset")
        if offset.ndim != 1 or offset.dtype.kind not in "iu":
            raise ValueError("its class table is not a row of numbers")
        return CacheIndex(
            attributes=file.attributes,
            class_names=file.texts("/class_name"),
            class_splits=file.texts("/class_split"),
            class_offset=[int(number) for number in offset],
            images=_place(file, "/images"),
            evaluation={
                name.removeprefix(FOLDER): _place(file, name) for name in file.tables if name.startswith(FOLDER)
            },
        )


def _place(file: UncheckedHdf5, name: str) -> Place:
    table = file.tables.get(name)
    if table is None:
        raise ValueError(f"it has no table {name!r}")
    if table.type not in NUMBERS or table.offset is None:
        raise ValueError(f"{name[1:]} is not a contiguous table of whole numbers")
    return Place(table.offset, table.shape, table.type)


def keep_index(path: Path, index: CacheIndex, data: Bytes, state: os.stat_result) -> None:
    """Write an index that was found behind the file `data`, so that no other process has to find it again.

    Where the file cannot be written, or is another one by now, nothing is done: the next process looks again.
    """
    with suppress(OSError, ValueError):
        tail = packed(index, len(data))
        with path.open("r+b") as file:
            if same_file(os.fstat(file.fileno()), state):
                # Several processes may do this at once: they write the same bytes to the same place.
                file.seek(len(data))
                file.write(tail)
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def same_file(one: os.stat_result, other: os.stat_result) -> bool:
    """Whether two looks at a path saw the same file in the same version."""
    return (one.st_dev, one.st_ino, one.st_size, one.st_mtime_ns) == (
        other.st_dev,
        other.st_ino,
        other.st_size,
        other.st_mtime_ns,
    )


def check_data_set(index: CacheIndex, mean: Sequence[float], std: Sequence[float]) -> None:
    """Raise ValueError unless images, classes and normalisation fit together and are within bounds."""
    images, offset = index.images, index.class_offset
    if len(images.shape) != 4 or images.type != "|u1":
        raise ValueError("images are not a contiguous uint8 table [n, H, W, C]")
    n, height, width, channels = images.shape
    if not (1 <= height == width <= LARGEST_SIDE and channels in (1, 3)):
        raise ValueError(f"its images are {height} x {width} with {channels} channels, not squares in gray or colour")
    if not len(index.class_names) == len(index.class_splits) == len(offset) - 1:
        raise ValueError("class table and images disagree")
    if offset[0] != 0 or offset[-1] != n or any(start >= stop for start, stop in pairwise(offset)):
        raise ValueError("class table and images disagree")
    for name, values in (("mean", mean), ("std", std)):
        if len(values) != channels or not all(map(math.isfinite, values)):
            raise ValueError(f"its {name} is not a number for each channel")
    if min(std) <= 0:
        raise ValueError("its std is not positive")


def check_table(name: str, table: Indices, images: int) -> None:
    """Raise ValueError unless an evaluation table [tasks, way, shot + query] fits its name and the images."""
    tasks, way, _ = table.shape if table.ndim == 3 else (0, 0, 0)
    fits = any(name == table_name(way, shot, table.shape[-1] - shot) for shot in range(1, table.shape[-1] + 1))
    if not tasks or not fits or table.min() < 0 or table.max() >= images:
        raise ValueError(f"table {name!r} does not hold tasks of these images")


def unreadable(path: Path, error: Exception) -> DataError:
    """The error for a file that is no sound cache, or that cannot be read here."""
    if isinstance(error, OSError):
        return DataError(
            f"{path} cannot be read: {error.strerror or error}.",
            hint="nothing is known against the file: check that you may read it, and its disk",
        )
    why = error.why if isinstance(error, UnreadableHdf5Error) else str(error)
    return DataError(
        f"{path} cannot be read as an image cache: {why}.",
        hint="copy it again from where it came from, or prepare its data set again: "
        "tnas prepare-data with --force, or with another --cache-dir",
    )
