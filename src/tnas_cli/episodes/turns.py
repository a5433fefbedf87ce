"""Large images one at a time, however many threads decode: each may take hundreds of megabytes until it is small."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

LARGE = 8_000_000  # pixels

_lock = threading.Lock()
_mine = threading.local()


@contextmanager
def turn() -> Iterator[None]:
    """A block in which this thread reads one image and makes it small."""
    _mine.inside, _mine.holds = True, False
    try:
        yield
    finally:
        _mine.inside = False
        if _mine.holds:
            _mine.holds = False
            _lock.release()


def wait_if_large(pixels: int) -> None:
    """Wait until no other thread has a large image, if this is one and a turn has begun; the turn's end lets go."""
    if pixels > LARGE and getattr(_mine, "inside", False) and not _mine.holds:
        _lock.acquire()
        _mine.holds = True
