"""Runs a plan: one call from Python per thread for a pass or for all inner steps, all else in compiled code, without
Python's global lock."""

from __future__ import annotations

import sys
from typing import Any

from llvmlite import ir
from numba import cfunc, njit, types
from numba.extending import intrinsic

from tnas_cli.engines.fused.kernels import signature
from tnas_cli.engines.fused.plan import LOOP

_INTEGERS = types.CPointer(types.int64)

#: What threads that run a plan together tell each other: how many shares are done, and how many phases are over; then
#: one number for each share of each phase, which is 1 if a thread has taken it. The first two have a cache line each.
DONE, OVER, TAKEN = 0, 8, 16

#: How often a thread looks whether the others are ready before it sleeps: a look takes about a nanosecond.
LOOKS = 50_000

#: How long it sleeps then, in the unit of the system's function: microseconds, or milliseconds on Windows.
_NAP = ("Sleep", 1) if sys.platform == "win32" else ("usleep", 50)
_sleep = types.ExternalFunction(_NAP[0], types.int32(types.uint32))
_NAP_LENGTH = _NAP[1]


@intrinsic
def _call(typing: Any, address: Any, mem: Any, code: Any, at: Any, first: Any, count: Any) -> Any:
    """Call the kernel at a machine address."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [argument.type for argument in args[1:]])
        builder.call(builder.inttoptr(args[0], kind.as_pointer()), args[1:])
        return context.get_dummy_value()

    return types.void(types.int64, mem, code, types.int64, types.int64, types.int64), generate


def _read_and_write(operation: str) -> Any:
    @intrinsic
    def apply(typing: Any, array: Any, index: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            number = context.cast(builder, args[2], signature.args[2], types.int64)
            return builder.atomic_rmw(operation, builder.gep(args[0], [args[1]]), number, "seq_cst")

        return types.int64(array, types.int64, value), generate

    return apply


#: The number at an index, which becomes another one, or larger, before any other thread sees it.
_exchange, _increase = _read_and_write("xchg"), _read_and_write("add")


@intrinsic
def _look(typing: Any, array: Any, index: Any) -> Any:
    """The number at an index, and what its thread wrote before it."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = builder.gep(args[0], [args[1]])
        return builder.load_atomic(place, "acquire", 8, typ=ir.IntType(64))

    return types.int64(array, types.int64), generate


@njit
def _rows(mem, code, rows, begin, end, table, stop):
    """Rows begin ... end - 1 of a plan; returns early if stop[0] is set."""
    row = begin
    while row < end and stop[0] == 0:
        at = code_at = rows[row]
        if code[at] == LOOP:
            images, block, body = code[at + 2], code[at + 3], code[at + 4]
            for first in range(code[at + 1], images, block):
                count = min(block, images - first)
                for inner in range(row + 1, row + 1 + body):
                    code_at = rows[inner]
                    _call(table[code[code_at]], mem, code, code_at + 1, first, count)
                if stop[0] != 0:
                    return
            row += 1 + body
        else:
            _call(table[code[at]], mem, code, at + 1, 0, 1)
            row += 1


def _run(mem, code, rows, phases, shares, begin, end, times, table, stop, team, loss, losses, preferred):
    """Phases begin ... end - 1 of a plan, so many times, together with every thread that is called with the same
    `team`; losses[i] becomes mem[loss] after time i.

    A thread takes the shares from number `preferred` on that no other has taken, so that nobody waits for one that
    comes late. Whoever is the last to do a share of a phase runs what is for one thread alone. Returns early if stop[0]
    is set.
    """
    for turn in range(times * (end - begin)):
        time, phase = turn // (end - begin), begin + turn % (end - begin)
        at = 2 * (shares + 1) * phase
        for i in range(shares):
            share = (preferred + i) % shares
            if _exchange(team, TAKEN + turn * shares + share, 1) == 0:
                _rows(mem, code, rows, phases[at + 2 * share], phases[at + 2 * share + 1], table, stop)
                if _increase(team, DONE, 1) + 1 == (turn + 1) * shares:
                    _rows(mem, code, rows, phases[at + 2 * shares], phases[at + 2 * shares + 1], table, stop)
                    if phase == end - 1:
                        losses[time] = mem[loss]
                    _increase(team, OVER, 1)
        looks = 0
        while _look(team, OVER) <= turn:
            if stop[0] != 0:
                return
            looks += 1
            if looks > LOOKS:
                _sleep(_NAP_LENGTH)


def compiled_driver(dtype: str) -> Any:
    """run(mem, code, rows, phases, shares, begin, end, times, table, stop, team, loss, losses, preferred) as a C
    function; losses are float64."""
    mem, whole = signature(dtype).args[0], types.int64
    lists = [_INTEGERS] * 3
    kind = types.void(mem, *lists, *[whole] * 4, *lists, whole, types.CPointer(types.float64), whole)
    return cfunc(kind, cache=True, error_model="numpy")(_run)
