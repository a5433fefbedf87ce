"""Pictures to pixels: with all cores, in order, and with only a few images in memory at a time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from tnas_cli.episodes.account import Account
from tnas_cli.episodes.cache_writer import ClassImages
from tnas_cli.episodes.catalogue import ClassPictures, Picture
from tnas_cli.episodes.images import Squares
from tnas_cli.episodes.turns import turn
from tnas_cli.episodes.twins import Twins
from tnas_cli.errors import DataError
from tnas_cli.runs.cores import usable_cores
from tnas_cli.runs.events import Listener, Progress

UNREADABLE = "images that cannot be read"
CHUNK = 16  # pictures that a thread takes at a time
PROBES = 8  # classes whose first picture is measured
#: Pictures of this many pixels or more are worth threads. Pillow frees Python's lock while it decodes and scales. With
#: small pictures most of the time is Python's own: two threads ran at 0.6 times the speed of one, with larger pictures
#: at 1.6 to 1.9 times.
LARGE = 128 * 128

Item = TypeVar("Item")
Result = TypeVar("Result")
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Keep:
    """What is kept: `bad` pictures that cannot be read are left out rather than refused, and a picture that occurs
    again in its class is kept (`duplicates`)."""

    bad_out: bool = False
    duplicates: bool = True


@dataclass
class _Read:
    """What became of one picture: pixels [size, size, channels], or an error, and how it was converted."""

    label: str
    converted: list[str]
    pixels: Pixels | None = None
    error: DataError | None = None


def decode(
    classes: Sequence[ClassPictures], squares: Squares, stage: str, listener: Listener, account: Account, keep: Keep
) -> Iterator[ClassImages]:
    """The classes in order, each in one or more pieces of images uint8 [n, size, size, channels].

    `account` is told what became of every picture. A picture that cannot be read raises DataError with its path,
    unless it is to be left out. Raises DataError for a class without a readable picture.
    """
    total = sum(len(item.pictures) for item in classes)
    chunks = (
        (item, item.pictures[first : first + CHUNK])
        for item in classes
        for first in range(0, len(item.pictures), CHUNK)
    )
    started, done = time.monotonic(), 0
    left = {(item.split, item.name) for item in classes}
    twins = Twins(account, keep_all=keep.duplicates)

    def read(chunk: tuple[ClassPictures, Sequence[Picture]]) -> tuple[ClassPictures, list[_Read]]:
        return chunk[0], [_read(picture, squares) for picture in chunk[1]]

    for item, found in in_order(read, chunks, _threads(classes)):
        done += len(found)
        kept = [pixels for one in found if (pixels := _booked(one, item, account, twins, keep)) is not None]
        if kept:
            left.discard((item.split, item.name))
            account.used(len(kept))
            yield ClassImages(item.name, item.split, np.stack(kept))
        rate = done / max(time.monotonic() - started, 1e-9)
        listener(Progress(stage, done, total, "images", {"images/s": rate}))
    if left:
        raise DataError(
            f"class {min(left)[1]!r} has no image that can be read.", hint="replace its images, or move its folder away"
        )


def _read(picture: Picture, squares: Squares) -> _Read:
    found = _Read(picture.label, [])
    try:
        with turn():
            found.pixels = squares.of(picture.read(squares.size, found.converted.append), found.converted.append)
    except DataError as error:
        found.error = error
    return found


def _booked(one: _Read, item: ClassPictures, account: Account, twins: Twins, keep: Keep) -> Pixels | None:
    """The pixels of a picture that is kept, with what became of it told to the account."""
    if one.error is not None or one.pixels is None:
        if one.error is not None and not keep.bad_out:
            raise one.error
        account.left_out(UNREADABLE, one.label)
        return None
    if not twins.is_new(one.pixels, one.label, item.name, item.split):
        return None
    for how in one.converted:
        account.converted(how, one.label)
    return one.pixels


def _threads(classes: Sequence[ClassPictures]) -> int:
    """All cores for large pictures, one for small ones."""
    largest = 0
    for picture in (item.pictures[0] for item in classes[:PROBES] if item.pictures):
        try:
            image = picture.decode(0)
        except DataError:  # reported later, when the picture is read in its turn
            continue
        largest = max(largest, image.width * image.height)
    return usable_cores() if largest >= LARGE else 1


def in_order(function: Callable[[Item], Result], items: Iterator[Item], threads: int) -> Iterator[Result]:
    """`map` over threads: results in order, and no more than a few items ahead of the reader.

    When the reader stops, so do the threads.
    """
    if threads == 1:
        yield from map(function, items)
        return
    pool = ThreadPoolExecutor(threads)
    try:
        yield from _bounded(pool, function, items, 4 * threads)
    finally:
        pool.shutdown(cancel_futures=True)


def _bounded(pool: Executor, function: Callable[[Item], Result], items: Iterator[Item], ahead: int) -> Iterator[Result]:
    waiting: deque[Future[Result]] = deque(pool.submit(function, item) for item in islice(items, ahead))
    while waiting:
        result = waiting.popleft().result()
        waiting.extend(pool.submit(function, item) for item in islice(items, 1))
        yield result
