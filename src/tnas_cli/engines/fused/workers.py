"""Threads that compute a task each, in a memory of their own that is reused; or, with few tasks, several one task."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import Any

import numpy as np

#: Buffers begin at whole cache lines.
CACHE_LINE = 64


def aligned(size: int, dtype: str) -> np.ndarray:
    """Zeros that begin at a cache line."""
    item = np.dtype(dtype).itemsize
    raw = np.zeros(size + CACHE_LINE // item, dtype)
    skip = -raw.ctypes.data % CACHE_LINE // item
    return raw[skip : skip + size]


class StoppedError(Exception):
    """A task ends early because another one failed, or the user pressed Ctrl-C."""


class Workers:
    """A pool of threads; `each_thread` runs once in every new thread.

    What a task computes does not depend on the thread that it runs in, nor on what ran there before.
    """

    def __init__(self, threads: int, each_thread: Callable[[], object] = lambda: None) -> None:
        self.threads = threads
        self.each = 1
        self.stop = np.zeros(1, np.int64)
        self._own = threading.local()
        self._pool = ThreadPoolExecutor(threads, "tnas-worker", initializer=each_thread)

    def memory(self, size: int, dtype: str) -> np.ndarray:
        """This thread's memory: at least `size` numbers, with whatever was left there."""
        held: dict[str, np.ndarray] = self._own.__dict__.setdefault("memories", {})
        if dtype not in held or held[dtype].size < size:
            held.pop(dtype, None)
            held[dtype] = aligned(size, dtype)
        return held[dtype]

    def check(self) -> None:
        """Raise StoppedError if the tasks are to end; a task asks after every pass."""
        if self.stop[0]:
            raise StoppedError

    def map(self, function: Callable[[int], Any], count: int) -> Sequence[Any]:
        """function(0), ..., function(count - 1), in that order.

        An exception in one of them, or Ctrl-C, stops the others at their next kernel and is raised when all have ended.
        With at least twice as many threads, each is computed by several, if it asks for them by `together`.
        """
        self.stop[0] = 0
        self.each = max(1, self.threads // max(1, count))
        futures = [self._pool.submit(function, index) for index in range(count)]
        try:
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
        except BaseException:
            self.stop[0] = 1
            for future in futures:
                future.cancel()
            wait(futures)
            raise
        return [future.result() for future in futures]

    def together(self, function: Callable[[int, int], None], most: int) -> None:
        """function(0, members) in this thread, and function(1, members), ... in others, at most `most` in all.

        What it does is to be the same if some of the others never come. They have ended when this returns.
        """
        members = min(self.each, most)
        others: list[Future[None]] = []
        try:
            others += (self._pool.submit(function, member, members) for member in range(1, members))
            function(0, members)
        finally:
            for other in others:
                if not other.cancel():
                    other.result()

    def close(self) -> None:
        """End the threads and free their memory."""
        self._pool.shutdown()
