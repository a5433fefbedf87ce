"""Kernels: functions compiled from Python, each for the constants that a network needs, kept in a cache on disk.

A kernel is `kernel(mem, code, at, first, count)`: it works on the images first ... first + count - 1 of a batch, whose
numbers all lie in one flat memory `mem`; its arguments are the integers code[at], code[at + 1], ..., mostly offsets
into mem. An operand that holds a whole batch is an offset and a step per image; one that holds only the images at hand
(those of this call) has the step 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numba import cfunc, types

Function = Callable[..., Any]
Constant = int | bool


@dataclass(frozen=True)
class Kernel:
    """A kernel's factory in `catalogue.FACTORIES` and the constants that it is compiled for."""

    name: str
    constants: tuple[Constant, ...]


FLOATS = {"float32": types.float32, "float64": types.float64}

#: Fused multiply-adds and reordered sums are allowed; NaN and infinity keep their meaning, so that they are noticed.
OPTIONS = {"fastmath": {"contract", "reassoc", "nsz", "arcp"}, "error_model": "numpy"}


def signature(dtype: str) -> Any:
    """(mem, code, at, first, count) -> nothing."""
    whole = types.int64
    return types.void(types.CPointer(FLOATS[dtype]), types.CPointer(whole), whole, whole, whole)


def compiled(function: Function, dtype: str) -> Any:
    """A C function; its `address` is called by the driver."""
    return cfunc(signature(dtype), cache=True, **OPTIONS)(function)
