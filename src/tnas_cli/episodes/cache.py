"""The image cache: one HDF5 file per prepared data set, written whole or not at all, and mapped into memory.

Layout: `images` uint8 [n, H, W, C] sorted by class (contiguous, uncompressed), `class_offset` int64 [classes + 1],
`class_name`, `class_split`, `evaluation/<way>w<shot>s<query>q` int32 [600, way, shot + query], and attributes. An index
behind the HDF5 part says the same with checksums (`cache_index`); a file without it is read by a child process, once.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tnas_cli.episodes.account import from_text
from tnas_cli.episodes.cache_check import (
    check_data_set,
    check_table,
    index_of_unchecked,
    keep_index,
    same_file,
    unreadable,
)
from tnas_cli.episodes.cache_index import NOT_AN_INDEX, CacheIndex, mapped, read_index, with_checksums
from tnas_cli.episodes.cache_writer import FORMAT, SCHEMA, SPLITS, Attributes, ClassImages, write_cache
from tnas_cli.episodes.sampling import Indices
from tnas_cli.episodes.unchecked_hdf5 import UnreadableHdf5Error, refuse_unless_hdf5
from tnas_cli.errors import DataError, SettingsError
from tnas_cli.runs.paths import from_environment, own_cache

__all__ = ["Attributes", "ClassImages", "ImageCache", "cache_path", "cache_root", "open_cache", "write_cache"]


def cache_root() -> Path:
    """The folder of all caches: $TNAS_CACHE, or the platform's cache folder for 'tnas'."""
    return from_environment("TNAS_CACHE") or own_cache()


def cache_path(dataset: str, protocol: str, size: int, root: Path | None = None) -> Path:
    """The path of a prepared data set: `<root>/<dataset>-<protocol>-<size>.h5`."""
    return (root or cache_root()) / f"{dataset}-{protocol}-{size}.h5"


class ImageCache:
    """A prepared data set, read-only. Its images stay on disk until they are loaded.

    Raises ValueError, TypeError or KeyError for an index that does not describe a data set.
    """

    def __init__(self, path: Path, index: CacheIndex, data: npt.NDArray[np.uint8]) -> None:
        attributes: Mapping[str, Any] = index.attributes
        self.path = path
        self.dataset = str(attributes["dataset"])
        self.protocol = str(attributes["protocol"])
        self.licence = str(attributes["licence"])
        self.source = str(attributes["source"])
        self.fingerprint = str(attributes["fingerprint"])
        self.split_note = str(attributes["split_note"])
        self.seed = int(attributes["seed"])
        self.mean = tuple(float(value) for value in attributes["mean"])
        self.std = tuple(float(value) for value in attributes["std"])
        self.resize = str(attributes.get("resize", ""))
        self.shares = str(attributes.get("shares", ""))
        self.invert = str(attributes.get("invert", ""))
        self.normalise = str(attributes.get("normalise", ""))
        self.duplicates = int(attributes.get("duplicates", 0))
        # Caches of 0.2.0 and earlier have neither.
        self.bright_ground = float(attributes["bright_ground"]) if "bright_ground" in attributes else None
        self.account = from_text(str(attributes["account"])) if "account" in attributes else None
        self.class_names, self.class_splits = index.class_names, index.class_splits
        self.class_offset: Indices = np.asarray(index.class_offset, dtype=np.int64)
        check_data_set(index, self.mean, self.std)
        self.size, self.channels = index.images.shape[1], index.images.shape[3]
        self._data, self._images, self._tables = data, index.images.view(data), index.evaluation
        self._ids = {split: np.flatnonzero(np.asarray(self.class_splits) == split).astype(np.int64) for split in SPLITS}

    def classes(self, split: str) -> Indices:
        """Class ids of a split, in file order: 'train', 'val', 'test', or several joined by '+' ('train+val').

        Raises SettingsError for an unknown split.
        """
        parts = split.split("+")
        unknown = [part for part in parts if part not in self._ids]
        if unknown:
            raise SettingsError(f"unknown split {unknown[0]!r}.", hint=f"known: {', '.join(SPLITS)}, joined by '+'")
        return np.sort(np.concatenate([self._ids[part] for part in dict.fromkeys(parts)]))

    def load(self, indices: Indices) -> npt.NDArray[np.uint8]:
        """The images at `indices` [...] as uint8 [..., H, W, C]."""
        return self._images[indices]

    def evaluation_table(self, name: str) -> Indices | None:
        """The stored evaluation table of that name for the test split, [600, way, shot + query], or None.

        Raises DataError for a table that is damaged.
        """
        place = self._tables.get(name)
        if place is None:
            return None
        try:
            table: Indices = place.checked(self._data, f"table {name!r}").astype(np.int64)
            check_table(name, table, len(self._images))
        except ValueError as error:
            raise unreadable(self.path, error) from error
        return table

    def summary(self) -> dict[str, dict[str, int]]:
        """Classes and images of each split: {'train': {'classes': ..., 'images': ...}, ...}."""
        counts = np.diff(self.class_offset)
        return {split: {"classes": len(ids), "images": int(counts[ids].sum())} for split, ids in self._ids.items()}


def open_cache(path: Path) -> ImageCache:
    """Open a cache, once per process and version of the file; takes milliseconds for any size.

    Raises DataError when the file is missing, damaged, not one of ours, or of a newer schema.
    """
    try:
        state = path.stat()
    except OSError as error:
        raise DataError(
            f"no image cache at {path}: {error.strerror}.", hint="run: tnas prepare-data glyphs, or name a data set"
        ) from error
    return _open(path.absolute(), state.st_mtime_ns, state.st_size)


@functools.lru_cache(maxsize=16)
def _open(path: Path, _modified: int, _bytes: int) -> ImageCache:
    try:
        refuse_unless_hdf5(path)
        with path.open("rb") as file:
            data, state = mapped(file), os.fstat(file.fileno())
        found = read_index(data)
        if found is not None:
            return _cache(path, found, data)
        index = with_checksums(index_of_unchecked(path), data)
        if not same_file(path.stat(), state):
            raise ValueError("it was changed while it was read")
        cache = _cache(path, index, data)
    except (OSError, UnreadableHdf5Error, *NOT_AN_INDEX) as error:
        raise unreadable(path, error) from error
    keep_index(path, index, data, state)
    return cache


def _cache(path: Path, index: CacheIndex, data: npt.NDArray[np.uint8]) -> ImageCache:
    if index.attributes.get("format") != FORMAT:
        raise DataError(
            f"{path} is an HDF5 file, but not an image cache of tnas.",
            hint="pass a data set's name, or a file that tnas prepare-data wrote",
        )
    schema = int(index.attributes["schema"])  # type: ignore[arg-type]
    if schema > SCHEMA:
        raise DataError(
            f"{path} has schema {schema}; this version of tnas reads up to {SCHEMA}.",
            hint="upgrade tnas, or prepare the data set again with another --cache-dir",
        )
    return ImageCache(path, index, data)
