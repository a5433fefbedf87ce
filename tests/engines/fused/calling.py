"""Calls one kernel on a memory in which every number is watched, and compares the result.

Buffers are far apart. The numbers around and between them are NaN (or infinity, for kernels that compare numbers and so
would not notice a NaN). A call may change only what it may write: everything else, guards and inputs, must keep its
bits. If a kernel reads beside its inputs, its result is not finite.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import torch
from hypothesis import settings
from numpy.lib.stride_tricks import as_strided
from torch import Tensor

from tnas_cli.engines.fused.catalogue import FACTORIES
from tnas_cli.engines.fused.kernels import Constant, Function, compiled
from tnas_cli.engines.fused.machine import kernels_kept
from tnas_cli.engines.fused.parameters import ALIGNMENT, filled_up
from tnas_cli.engines.fused.plan import View

#: Numbers between two buffers: more than a row of the largest tested image.
GUARD = 4096

#: Sizes drawn by Hypothesis: the same ones each time.
FEW = settings(deadline=None, max_examples=12, derandomize=True)

#: How far a result may be off, in units of the largest expected number.
TOLERANCES = {"float64": 1e-10, "float32": 2e-5}

#: Bits of a NaN that arithmetic does not preserve: even a NaN that is computed from a guard differs from it.
SIGNALLING = {"float64": np.uint64(0x7FF4_0000_0000_0001), "float32": np.uint32(0x7FA0_0001)}

SIGNATURE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_int64] * 3)

Shape = tuple[int, ...]


def c_function(function: Function, dtype: str) -> tuple[Any, Any]:
    """The compiled function, and a callable for its address; the first must live as long as the second."""
    with kernels_kept():
        found = compiled(function, dtype)
    return found, SIGNATURE(found.address)


@cache
def kernel(name: str, constants: tuple[Constant, ...], dtype: str) -> tuple[Any, Any]:
    """A kernel of the catalogue, compiled for some constants."""
    return c_function(FACTORIES[name](*constants), dtype)


class Memory:
    """A flat memory with guards of `guard` around every buffer."""

    def __init__(self, dtype: str = "float64", guard: float = np.nan) -> None:
        self.dtype = dtype
        self._guard = np.array([guard], dtype)
        if np.isnan(guard):
            self._guard = np.array([SIGNALLING[dtype]]).view(dtype)
        self.numbers = np.empty(0, dtype)
        self.writable = np.empty(0, bool)
        self._grow(GUARD)

    def _grow(self, count: int) -> None:
        self.numbers = np.concatenate([self.numbers, np.repeat(self._guard, count)])
        self.writable = np.concatenate([self.writable, np.zeros(count, bool)])

    def _strided(self, array: np.ndarray, at: int, shape: Shape, strides: Shape) -> np.ndarray:
        return as_strided(array[at:], shape, [stride * array.itemsize for stride in strides])

    def reserve(self, size: int) -> int:
        """The offset of new numbers, all of them guards until something is put there; a guard follows."""
        at = filled_up(len(self.numbers), ALIGNMENT)
        self._grow(at + size + GUARD - len(self.numbers))
        return at

    def give(self, values: Any) -> int:
        """An input, stored without gaps; no call may change it."""
        values = np.asarray(values)
        at = self.reserve(values.size)
        self.numbers[at : at + values.size] = values.ravel()
        return at

    def lend(self, values: Any) -> int:
        """What calls may write, or add to."""
        at, size = self.give(values), np.asarray(values).size
        self.writable[at : at + size] = True
        return at

    def lend_empty(self, *shape: int) -> int:
        """What calls have to write: NaN until then."""
        return self.lend(np.full(shape, np.nan))

    def read(self, at: int, *shape: int) -> np.ndarray:
        """A copy of the numbers without gaps from `at` on."""
        return self.numbers[at : at + int(np.prod(shape))].reshape(shape).copy()

    def images(self, values: np.ndarray, margin: int = 0, *, lent: bool = False, held: bool = False) -> View:
        """Images [N, H, W, C] with margins of zeros, which neighbouring rows and images share.

        lent: the pixels may be written, never the margins. held: only the current images are in memory (step 0).
        """
        count, height, width, channels = values.shape
        row = (width + margin) * channels
        image, before = (height + margin) * row, margin * (row + channels)
        at = self.reserve(before + count * image)
        self.numbers[at : at + before + count * image] = 0
        view = View(at + before, 0 if held else image, image, row, channels)
        self.put(view, values)
        if lent:
            self._strided(self.writable, view.at, values.shape, (image, row, channels, 1))[...] = True
        return view

    def put(self, view: View, values: np.ndarray) -> None:
        """Write images [N, H, W, C] into a view."""
        strides = (view.image, view.row, view.pixel, 1)
        self._strided(self.numbers, view.at, values.shape, strides)[...] = values

    def pixels(self, view: View, *shape: int) -> np.ndarray:
        """A copy of the images [N, H, W, C] of a view."""
        return self._strided(self.numbers, view.at, shape, (view.image, view.row, view.pixel, 1)).copy()

    def call(self, name: str, constants: tuple[Constant, ...], *arguments: int, first: int = 0, count: int = 1) -> None:
        """Call a kernel of the catalogue on the images first ... first + count - 1."""
        self.call_function(kernel(name, constants, self.dtype)[1], *arguments, first=first, count=count)

    def call_function(self, function: Callable[..., None], *arguments: int, first: int = 0, count: int = 1) -> None:
        """Call a C function, and check that it wrote nothing else."""
        before = self.numbers.copy()
        code = np.array([-1, *arguments], np.int64)
        function(self.numbers.ctypes.data, code.ctypes.data, 1, first, count)
        bits = np.int64 if self.dtype == "float64" else np.int32
        changed = (self.numbers.view(bits) != before.view(bits)) & ~self.writable
        assert not changed.any(), f"written outside, at {np.flatnonzero(changed)[:8]}"


def blocks(images: int, block: int) -> Iterator[tuple[int, int]]:
    """(first, count) of the blocks of so many images."""
    for first in range(0, images, block):
        yield first, min(block, images - first)


def shared_blocks(images: int, cut: int, block: int) -> Iterator[tuple[int, int, int, int]]:
    """(share, its first image, first, count) of the blocks of two shares of so many images: up to `cut`, and the rest;
    of one share, if one of them has none."""
    for share, (begin, end) in enumerate([(0, cut), (cut, images)]):
        for first, count in blocks(end - begin, block):
            yield share, begin, begin + first, count


def numbers(*shape: int, seed: int = 0, dtype: str = "float64") -> np.ndarray:
    """Normal random numbers, which `dtype` holds exactly, in float64."""
    return np.random.default_rng((seed, *shape)).normal(size=shape).astype(dtype).astype("float64")


def whole_numbers(*shape: int, seed: int = 0) -> np.ndarray:
    """-2, -1, 0, 1 and 2 at random: neighbours are often equal."""
    return np.random.default_rng((seed, *shape)).integers(-2, 3, size=shape).astype("float64")


def torch_images(values: np.ndarray) -> Tensor:
    """[N, H, W, C] -> [N, C, H, W], a leaf that requires a gradient."""
    return torch.tensor(values.transpose(0, 3, 1, 2).copy(), requires_grad=True)


def numpy_images(images: Tensor | None) -> np.ndarray:
    """[N, C, H, W] -> [N, H, W, C]."""
    assert images is not None
    return images.detach().numpy().transpose(0, 2, 3, 1).copy()


def assert_equal(found: np.ndarray, expected: np.ndarray, dtype: str = "float64") -> None:
    """Finite, and equal up to rounding, measured by the largest expected number."""
    assert found.shape == expected.shape
    assert np.isfinite(found).all()
    largest = np.abs(expected).max() or 1.0
    assert np.abs(found - expected).max() <= TOLERANCES[dtype] * largest
