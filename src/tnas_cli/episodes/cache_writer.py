"""Writing an image cache: streaming, under a lock, renamed into place when it is complete."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from tnas_cli.episodes.account import Account, to_text
from tnas_cli.episodes.cache_index import CacheIndex, Place, append_index
from tnas_cli.episodes.hdf5_writing import hdf5_file
from tnas_cli.episodes.normalisation import each_channel
from tnas_cli.episodes.pixel_facts import PixelFacts
from tnas_cli.episodes.sampling import standard_tables
from tnas_cli.errors import DataError
from tnas_cli.runs.events import Listener, Note, ignore
from tnas_cli.runs.files import make_folder, replacing, writing
from tnas_cli.runs.held import remove_left
from tnas_cli.runs.interrupt import signals_later
from tnas_cli.runs.lock import BusyError, one_process

FORMAT = "tnas-image-cache"
SCHEMA = 1
SPLITS = ("train", "val", "test")
BLOCK = 16 * 2**20


@dataclass(frozen=True)
class ClassImages:
    """One class, or a piece of one: its name, its split ('train', 'val' or 'test') and its images, uint8 [n, H, W, C]
    with n >= 1. Pieces of a class follow each other.
    """

    name: str
    split: str
    images: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Attributes:
    """What a cache says about itself. Without `mean` and `std` both are measured on the training images (0..1).

    `resize` says how images became squares, `shares` how classes were divided, `invert` whether images were inverted,
    if there was a choice, and `normalise` how mean and std were chosen. `account` says what became of the files; it
    grows while the classes are read.
    """

    dataset: str
    protocol: str
    licence: str
    source: str
    split_note: str
    seed: int
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    resize: str = ""
    shares: str = ""
    invert: str = ""
    normalise: str = ""
    account: Account = field(default_factory=Account)


class _Spool:
    """Writes classes piece by piece to an unnamed file.

    HDF5 needs the number of images before it makes a contiguous table; memory holds only one piece at a time.
    """

    def __init__(self, raw: IO[bytes]) -> None:
        self.raw = raw
        self.names: list[str] = []
        self.splits: list[str] = []
        self.counts: list[int] = []
        self.shape: tuple[int, ...] = ()

    def add(self, item: ClassImages) -> None:
        images = np.ascontiguousarray(item.images)
        if images.dtype != np.uint8 or images.ndim != 4 or len(images) == 0:
            raise DataError(
                f"class {item.name!r} has images of shape {images.shape} and type {images.dtype}, "
                "expected uint8 [n, H, W, C] with at least one image.",
                hint="check the source of this data set",
            )
        if self.shape and images.shape[1:] != self.shape:
            raise DataError(
                f"class {item.name!r} has images of {images.shape[1:]}, but the classes before it of {self.shape}.",
                hint="check the source of this data set",
            )
        self.shape = images.shape[1:]
        if self.names and (self.names[-1], self.splits[-1]) == (item.name, item.split):
            self.counts[-1] += len(images)
        else:
            self.names.append(item.name)
            self.splits.append(item.split)
            self.counts.append(len(images))
        self.raw.write(images.tobytes())

    def blocks(self) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
        """All images again, in pieces of one class each: (class number, uint8 [n, H, W, C])."""
        self.raw.flush()
        self.raw.seek(0)
        bytes_each = int(np.prod(self.shape))
        step = max(1, BLOCK // bytes_each)
        for number, count in enumerate(self.counts):
            for first in range(0, count, step):
                n = min(step, count - first)
                yield number, np.frombuffer(self.raw.read(n * bytes_each), dtype=np.uint8).reshape(n, *self.shape)


@contextmanager
def _locked(path: Path, listener: Listener) -> Iterator[None]:
    """Let only one process prepare a cache; the operating system frees the lock of a process that dies."""

    def waiting(holder: str) -> None:
        listener(Note(f"another process is preparing {path.name}; waiting for it ({holder})"))

    with ExitStack() as stack:
        with writing(path):
            make_folder(path.parent)
            stack.enter_context(one_process(Path(f"{path}.lock"), waiting))
        yield


def write_cache(
    path: Path,
    classes: Iterable[ClassImages],
    attributes: Attributes,
    *,
    replace: bool = False,
    listener: Listener = ignore,
) -> None:
    """Write a cache from a stream of classes, whole or not at all; an existing one is kept unless `replace`.

    `classes` is consumed under the lock, so only the first of two processes does the work. Raises DataError for
    classes that do not make a data set and TnasError when the folder cannot be written.
    """
    before = _identity(path)
    with _locked(path, listener):
        # A cache that another process finished while this one waited is as fresh as our own would be.
        if path.is_file() and (not replace or _identity(path) != before):
            return
        with replacing(path) as partial, tempfile.TemporaryFile(dir=path.parent) as raw:
            spool = _Spool(raw)
            for item in classes:
                spool.add(item)
            # Nobody else knows this file yet, and it is held: it needs no lock, which some file systems do not offer.
            with writing(path), signals_later() as arrive, hdf5_file(partial) as file:
                index = _write(file, spool, attributes, arrive)
            try:
                append_index(partial, index)
            except ValueError as error:
                raise DataError(f"{path} cannot be written: {error}.", hint="use shorter names, or fewer") from error


def tidy(path: Path) -> None:
    """Remove what killed processes left beside a cache that is whole."""
    remove_left(path.parent, path.name)
    left = Path(f"{path}.lock")
    if left.is_file() or Path(f"{left}.owner").is_file():
        with suppress(BusyError, OSError), one_process(left):
            pass  # it goes with the block


def _identity(path: Path) -> tuple[int, int] | None:
    return (path.stat().st_ino, path.stat().st_mtime_ns) if path.is_file() else None


def _write(file: Any, spool: _Spool, attributes: Attributes, arrive: Callable[[], None]) -> CacheIndex:
    """Fill the file; `arrive` lets signals in that wait while the HDF5 library works."""
    import h5py

    missing = [split for split in SPLITS if split not in spool.splits]
    if missing:
        raise DataError(
            f"{attributes.dataset}: no class is left for split {missing[0]!r} ({len(spool.names)} classes in all).",
            hint="a data set needs at least one class each for train, val and test",
        )
    offset = np.concatenate([[0], np.cumsum(spool.counts)]).astype(np.int64)  # [classes + 1]
    # Neither chunked nor compressed: one contiguous table, which readers map into memory by its file offset.
    images = file.create_dataset("images", shape=(int(offset[-1]), *spool.shape), dtype=np.uint8)
    facts, first = PixelFacts(spool.shape[-1]), 0
    for number, block in spool.blocks():
        arrive()
        if first == offset[number]:
            facts.begin(spool.names[number], spool.splits[number], (spool.counts[number], *spool.shape))
        facts.add(block)
        images[first : first + len(block)] = block
        first += len(block)
    file["class_offset"] = offset
    file.create_dataset("class_name", data=spool.names, dtype=h5py.string_dtype())
    file.create_dataset("class_split", data=spool.splits, dtype=h5py.string_dtype())
    tables = file.create_group("evaluation")
    test = np.flatnonzero(np.asarray(spool.splits) == "test").astype(np.int64)
    for name, table in standard_tables(offset, test).items():
        tables[name] = table.astype(np.int32)
    mean: Sequence[float]
    std: Sequence[float]
    if attributes.mean is None or attributes.std is None:
        mean, std = facts.mean_and_std()
    else:
        mean, std = (each_channel(values, spool.shape[-1]) for values in (attributes.mean, attributes.std))
    said: dict[str, Any] = {
        "format": FORMAT,
        "schema": SCHEMA,
        "dataset": attributes.dataset,
        "protocol": attributes.protocol,
        "licence": attributes.licence,
        "source": attributes.source,
        "split_note": attributes.split_note,
        "seed": attributes.seed,
        "mean": list(mean),
        "std": list(std),
        "fingerprint": facts.fingerprint(),
        "resize": attributes.resize,
        "shares": attributes.shares,
        "invert": attributes.invert,
        "normalise": attributes.normalise or ("measured" if attributes.mean is None else "none"),
        "duplicates": facts.duplicates(),
        "bright_ground": facts.bright_ground(),
        "account": to_text(attributes.account.record()),
    }
    file.attrs.update(said)
    return CacheIndex(
        attributes=said,
        class_names=spool.names,
        class_splits=spool.splits,
        class_offset=offset.tolist(),
        images=_place(images),
        evaluation={name: _place(tables[name]) for name in tables},
    )


def _place(table: Any) -> Place:
    return Place(int(table.id.get_offset()), tuple(table.shape), table.dtype.str)
