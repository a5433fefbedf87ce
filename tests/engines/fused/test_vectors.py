"""Vector intrinsics, one by one, lane by lane against numpy."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from numba.core.errors import TypingError

from tests.engines.fused.calling import Memory, assert_equal, c_function, numbers
from tnas_cli.engines.fused import vectors as v
from tnas_cli.engines.fused.kernels import Function

KINDS = [(8, "float64"), (16, "float64"), (8, "float32"), (16, "float32")]
WHERE_KINDS = [(8, "float64"), (16, "float32")]

#: Numbers that compare in every possible way: pairs (x, y) below and above, equal, zeros of both signs, NaN, infinity.
X = [1.0, 2.0, 2.0, 0.0, np.nan, 1.0, np.nan, np.inf, -np.inf, -np.inf, 3.0, -3.0, 1e-30, -1e-30, 5.0, -5.0]
Y = [2.0, 1.0, 2.0, -0.0, 1.0, np.nan, np.nan, np.inf, np.inf, -np.inf, -3.0, 3.0, 0.0, 0.0, 5.0, -5.0]


def arithmetic(lanes: int) -> Function:
    """Results of load, broadcast, zeros, +, -, *, fma and splat, one after the other."""

    def function(mem, code, at, first, count):  # type: ignore[no-untyped-def]
        x_at, out = code[at], code[at + 1]
        x, y, z = v.load(mem, x_at, lanes), v.load(mem, x_at + lanes, lanes), v.load(mem, x_at + 2 * lanes, lanes)
        v.store(mem, out, x)
        v.store(mem, out + lanes, v.broadcast(mem, x_at + 3, lanes))
        v.store(mem, out + 2 * lanes, v.zeros(mem, lanes))
        v.store(mem, out + 3 * lanes, x + y)
        v.store(mem, out + 4 * lanes, x - y)
        v.store(mem, out + 5 * lanes, x * y)
        v.store(mem, out + 6 * lanes, v.fma(x, y, z))
        v.store(mem, out + 7 * lanes, v.splat(mem[x_at + 5], x))
        v.store(mem, out + 8 * lanes, v.splat(count, x))

    return function


ARITHMETIC: dict[str, Callable[[Any, Any, Any], Any]] = {
    "load and store": lambda x, y, z: x,
    "broadcast": lambda x, y, z: np.full_like(x, x[3]),
    "zeros": lambda x, y, z: np.zeros_like(x),
    "+": lambda x, y, z: x + y,
    "-": lambda x, y, z: x - y,
    "*": lambda x, y, z: x * y,
    "fma": lambda x, y, z: x * y + z,
    "splat": lambda x, y, z: np.full_like(x, x[5]),
    "splat of a whole number": lambda x, y, z: np.full_like(x, 7),
}


@cache
def arithmetic_results(lanes: int, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """x, y and z, and the results in the order of the table."""
    values, memory = numbers(3, lanes, dtype=dtype), Memory(dtype)
    x, out = memory.give(values), memory.lend_empty(len(ARITHMETIC), lanes)
    held, function = c_function(arithmetic(lanes), dtype)
    memory.call_function(function, x, out, count=7)
    assert held.address
    return values, memory.read(out, len(ARITHMETIC), lanes)


@pytest.mark.parametrize(("lanes", "dtype"), KINDS)
@pytest.mark.parametrize("operation", ARITHMETIC)
def test_arithmetic(operation: str, lanes: int, dtype: str) -> None:
    values, results = arithmetic_results(lanes, dtype)
    found = results[list(ARITHMETIC).index(operation)]
    assert_equal(found, np.asarray(ARITHMETIC[operation](*values)), dtype)


def choices(lanes: int) -> Function:
    """where_greater and where_equal of (x, y) with 1 and 2 to choose from, and the larger of both."""

    def function(mem, code, at, first, count):  # type: ignore[no-untyped-def]
        x, y = v.load(mem, code[at], lanes), v.load(mem, code[at + 1], lanes)
        yes, no = v.splat(1.0, x), v.splat(2.0, x)
        v.store(mem, code[at + 2], v.where_greater(x, y, yes, no))
        v.store(mem, code[at + 2] + lanes, v.where_equal(x, y, yes, no))
        v.store(mem, code[at + 2] + 2 * lanes, v.larger(x, y))

    return function


@pytest.mark.parametrize(("lanes", "dtype"), WHERE_KINDS)
def test_choices_compare_lane_by_lane_and_nan_counts_as_greater(lanes: int, dtype: str) -> None:
    held, function = c_function(choices(lanes), dtype)
    for begin in range(0, len(X), lanes):
        x, y = np.array(X[begin : begin + lanes], dtype), np.array(Y[begin : begin + lanes], dtype)
        memory = Memory(dtype)
        places, out = (memory.give(x), memory.give(y)), memory.lend_empty(3, lanes)
        memory.call_function(function, *places, out)
        found = memory.read(out, 3, lanes)
        np.testing.assert_array_equal(found[0], np.where((x > y) | np.isnan(x) | np.isnan(y), 1, 2))
        np.testing.assert_array_equal(found[1], np.where(x == y, 1, 2))
        np.testing.assert_array_equal(found[2], np.where(x > y, x, y))
    assert held.address


def meaningful(lanes: int) -> Function:
    """x - x, x * 0 and x * 0 + 1."""

    def function(mem, code, at, first, count):  # type: ignore[no-untyped-def]
        x = v.load(mem, code[at], lanes)
        nothing, one = v.zeros(mem, lanes), v.splat(1.0, x)
        v.store(mem, code[at + 1], x - x)
        v.store(mem, code[at + 1] + lanes, x * nothing)
        v.store(mem, code[at + 1] + 2 * lanes, v.fma(x, nothing, one))

    return function


def test_nan_and_infinity_are_not_optimised_away() -> None:
    held, function = c_function(meaningful(8), "float64")
    memory = Memory()
    x, out = memory.give([np.nan, np.inf, -np.inf, 1.0, 2.0, 3.0, 4.0, 5.0]), memory.lend_empty(3, 8)
    memory.call_function(function, x, out)
    found = memory.read(out, 3, 8)
    assert np.isnan(found[:, :3]).all()
    np.testing.assert_array_equal(found[:, 3:], [[0] * 5, [0] * 5, [1] * 5])
    assert held.address


def held_registers(lanes: int, count: int) -> Function:
    """Loads `count` vectors into registers and stores them in reverse order, twice as large."""

    def function(mem, code, at, first, count_):  # type: ignore[no-untyped-def]
        x, out = code[at], code[at + 1]
        held = v.registers(mem, count, lanes)
        for i in range(count):
            v.put(held, i, v.load(mem, x + i * lanes, lanes))
        for i in range(count):
            v.put(held, i, v.get(held, i) + v.get(held, i))
        for i in range(count):
            v.store(mem, out + i * lanes, v.get(held, count - 1 - i))

    return function


@pytest.mark.parametrize(("lanes", "count", "dtype"), [(8, 1, "float32"), (8, 15, "float64"), (16, 24, "float32")])
def test_registers_keep_what_is_put(lanes: int, count: int, dtype: str) -> None:
    held, function = c_function(held_registers(lanes, count), dtype)
    values, memory = numbers(count, lanes, dtype=dtype), Memory(dtype)
    x, out = memory.give(values), memory.lend_empty(count, lanes)
    memory.call_function(function, x, out)
    assert_equal(memory.read(out, count, lanes), 2 * values[::-1], dtype)
    assert held.address


def test_lanes_have_to_be_constants() -> None:
    def function(mem, code, at, first, count):  # type: ignore[no-untyped-def]
        v.store(mem, code[at], v.zeros(mem, count))

    with pytest.raises(TypingError):
        c_function(function, "float64")


def test_vectors_of_different_lengths_do_not_mix() -> None:
    def function(mem, code, at, first, count):  # type: ignore[no-untyped-def]
        v.store(mem, code[at], v.zeros(mem, 8) + v.zeros(mem, 16))

    with pytest.raises(TypingError):
        c_function(function, "float64")
