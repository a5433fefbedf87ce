"""Compiled kernels of this process: each is compiled, or loaded from the cache on disk, when a plan first needs it."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from itertools import chain
from typing import Any

import numpy as np

from tnas_cli.engines.fused.ahead import compiled_ahead
from tnas_cli.engines.fused.catalogue import compiled_and_kept
from tnas_cli.engines.fused.driver import compiled_driver
from tnas_cli.engines.fused.kernels import Kernel
from tnas_cli.engines.fused.machine import kernels_kept

#: Called with (kernels done, kernels in all, seconds so far) while something has to be compiled.
OnCompile = Callable[[int, int, float], None]


def silent(done: int, total: int, seconds: float) -> None:
    """Compile without a word."""


#: Processes that compile at the same time, at most, and how many kernels are worth the second that one takes to start.
MOST_PROCESSES, FEWEST_EACH = 8, 6


class Library:
    """Addresses of kernels and of the driver for one floating-point type. Not thread-safe.

    cores: how many may be used to compile.
    """

    def __init__(self, dtype: str, on_compile: OnCompile = silent, cores: int = 1) -> None:
        self.dtype, self.on_compile, self.cores = dtype, on_compile, cores
        self._compiled: dict[Kernel, Any] = {}
        with kernels_kept():
            self._driver = compiled_driver(dtype)
        pointer, whole = ctypes.c_void_p, ctypes.c_int64
        kind = ctypes.CFUNCTYPE(None, *[pointer] * 4, *[whole] * 4, *[pointer] * 3, whole, pointer, whole)
        self.run = kind(self._driver.address)

    def table(self, kernels: Iterable[Kernel]) -> np.ndarray:
        """Addresses of kernels, in their order; raises UnavailableError where they cannot be compiled or kept."""
        wanted = list(kernels)
        missing = [kernel for kernel in wanted if kernel not in self._compiled]
        begin, cold = time.monotonic(), False
        with kernels_kept() as folder, ExitStack() as elsewhere:
            for done in range(len(missing)):
                kernel = missing[done]
                function = compiled_and_kept(kernel, self.dtype, folder)
                self._compiled[kernel] = function
                if function.cache_hits == 0 and not cold:
                    cold, rest = True, missing[done + 1 :]
                    processes = max(1, min(self.cores, MOST_PROCESSES, len(rest) // FEWEST_EACH))
                    own, *others = (rest[first::processes] for first in range(processes))
                    elsewhere.enter_context(compiled_ahead(self.dtype, others))
                    missing[done + 1 :] = [*own, *chain.from_iterable(others)]
                if cold:
                    self.on_compile(done + 1, len(missing), time.monotonic() - begin)
        return np.array([self._compiled[kernel].address for kernel in wanted], np.int64)
