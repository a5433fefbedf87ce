"""The image cache: one HDF5 file per prepared data set, written whole or not at all, and mapped into memory.

Layout: `images` uint8 [n, H, W, C] sorted by class (contiguous, uncompressed), `class_offset` int64 [classes + 1],
`class_name`, `class_split`, `evaluation/<way>w<shot>s<query>q` int32 [600, way, shot + query], and attributes.
"""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import platformdirs

from tnas_cli.episodes.cache_writer import FORMAT, SCHEMA, SPLITS, Attributes, ClassImages, write_cache
from tnas_cli.episodes.sampling import Indices
from tnas_cli.errors import DataError, SettingsError

__all__ = ["Attributes", "ClassImages", "ImageCache", "cache_path", "cache_root", "open_cache", "write_cache"]


def cache_root() -> Path:
    """The folder of all caches: $TNAS_CACHE, or the platform's cache folder for 'tnas'."""
    chosen = os.environ.get("TNAS_CACHE")
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("tnas"))


def cache_path(dataset: str, protocol: str, size: int, root: Path | None = None) -> Path:
    """The path of a prepared data set: `<root>/<dataset>-<protocol>-<size>.h5`."""
    return (root or cache_root()) / f"{dataset}-{protocol}-{size}.h5"


class ImageCache:
    """A prepared data set, read-only. Its images stay on disk until they are loaded."""

    def __init__(self, path: Path, file: Any) -> None:
        attributes = file.attrs
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
        self.duplicates = int(attributes.get("duplicates", 0))
        self.skipped: list[str] = json.loads(attributes.get("skipped", "[]"))
        self.class_names: list[str] = file["class_name"].asstr()[:].tolist()
        self.class_splits: list[str] = file["class_split"].asstr()[:].tolist()
        self.class_offset: Indices = file["class_offset"][:].astype(np.int64)
        shape = tuple(int(side) for side in file["images"].shape)  # [n, H, W, C]
        self.size, self.channels = shape[1], shape[3]
        self._images = _map(path, file["images"], shape)
        self._ids = {split: np.flatnonzero(np.asarray(self.class_splits) == split).astype(np.int64) for split in SPLITS}
        if len(self.class_names) + 1 != len(self.class_offset) or self.class_offset[-1] != shape[0]:
            raise ValueError("class table and images disagree")

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
        """The stored evaluation table of that name for the test split, [600, way, shot + query], or None."""
        with h5py.File(self.path, "r") as file:
            group = file["evaluation"]
            return group[name][:].astype(np.int64) if name in group else None

    def summary(self) -> dict[str, dict[str, int]]:
        """Classes and images of each split: {'train': {'classes': ..., 'images': ...}, ...}."""
        counts = np.diff(self.class_offset)
        return {split: {"classes": len(ids), "images": int(counts[ids].sum())} for split, ids in self._ids.items()}


def _map(path: Path, images: Any, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    offset = images.id.get_offset()
    if len(shape) != 4 or images.dtype != np.uint8 or offset is None:
        raise ValueError("images are not a contiguous uint8 table [n, H, W, C]")
    if offset + int(np.prod(shape, dtype=np.int64)) > path.stat().st_size:
        raise ValueError("images reach beyond the end of the file")
    return np.memmap(path, dtype=np.uint8, mode="r", offset=offset, shape=shape).view(np.ndarray)


def open_cache(path: Path) -> ImageCache:
    """Open a cache, once per process and version of the file; takes milliseconds for any size.

    Raises DataError when the file is missing, truncated, not one of ours, or of a newer schema.
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
    again = f"delete {path} and run tnas prepare-data again"
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("format") != FORMAT:
                raise DataError(
                    f"{path} is an HDF5 file, but not an image cache of tnas.",
                    hint="pass a data set's name, or a file that tnas prepare-data wrote",
                )
            schema = int(file.attrs["schema"])
            if schema > SCHEMA:
                raise DataError(
                    f"{path} has schema {schema}; this version of tnas reads up to {SCHEMA}.",
                    hint="upgrade tnas, or prepare the data set again with another --cache-dir",
                )
            return ImageCache(path, file)
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{path} cannot be read as an image cache: {error}.", hint=again) from error
