"""Compiled kernels of this process: each is compiled, or loaded from the cache on disk, when a plan first needs it."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from tnas_cli.engines.fused.catalogue import FACTORIES
from tnas_cli.engines.fused.driver import compiled_driver
from tnas_cli.engines.fused.kernels import Kernel, compiled
from tnas_cli.engines.fused.machine import kernels_kept

#: Called with (kernels done, kernels in all, seconds so far) while something has to be compiled.
OnCompile = Callable[[int, int, float], None]


def silent(done: int, total: int, seconds: float) -> None:
    """Compile without a word."""


class Library:
    """Addresses of kernels and of the driver for one floating-point type. Not thread-safe."""

    def __init__(self, dtype: str, on_compile: OnCompile = silent) -> None:
        self.dtype, self.on_compile = dtype, on_compile
        self._compiled: dict[Kernel, Any] = {}
        with kernels_kept():
            self._driver = compiled_driver(dtype)
        pointer, whole = ctypes.c_void_p, ctypes.c_int64
        self.run = ctypes.CFUNCTYPE(None, pointer, pointer, pointer, whole, whole, pointer, pointer)(
            self._driver.address
        )

    def table(self, kernels: Iterable[Kernel]) -> np.ndarray:
        """Addresses of kernels, in their order; raises UnavailableError where they cannot be compiled or kept."""
        wanted = list(kernels)
        missing = [kernel for kernel in wanted if kernel not in self._compiled]
        begin, cold = time.monotonic(), False
        with kernels_kept():
            for done, kernel in enumerate(missing):
                function = compiled(FACTORIES[kernel.name](*kernel.constants), self.dtype)
                self._compiled[kernel] = function
                cold = cold or function.cache_hits == 0
                if cold:
                    self.on_compile(done + 1, len(missing), time.monotonic() - begin)
        return np.array([self._compiled[kernel].address for kernel in wanted], np.int64)
