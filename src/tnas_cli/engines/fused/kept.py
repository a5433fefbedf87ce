"""Memories of tasks between their forward and their backward pass, if something else is computed in between."""

from __future__ import annotations

import threading

import numpy as np

from tnas_cli.engines.fused.workers import aligned

#: Tasks that would need more bytes than this are computed forward again before they go back.
MOST_KEPT = 2**29


class Spare:
    """Memories that nobody uses at the moment: new ones cost as much time as filling them."""

    def __init__(self) -> None:
        self._free: list[np.ndarray] = []
        self._lock = threading.Lock()

    def take(self, size: int, dtype: str) -> np.ndarray:
        """A memory of at least `size` numbers, with whatever was left there."""
        with self._lock:
            for index, mem in enumerate(self._free):
                if mem.size >= size:
                    return self._free.pop(index)
            self._free.clear()  # all are too small, as those of another number of images
        return aligned(size, dtype)

    def give_back(self, memories: list[np.ndarray]) -> None:
        """They may be used again."""
        with self._lock:
            self._free += memories


class Kept:
    """The memory of each task; None for one whose passes are computed again. They go back with this object."""

    def __init__(self, spare: Spare | None, memories: list[np.ndarray | None]) -> None:
        self._spare, self.memories = spare, memories

    def __del__(self) -> None:
        if self._spare is not None:
            self._spare.give_back([mem for mem in self.memories if mem is not None])
