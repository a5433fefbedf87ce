"""Runs a plan: one call from Python per pass, everything else inside compiled code, without Python's global lock."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import cfunc, types
from numba.extending import intrinsic

from tnas_cli.engines.fused.kernels import signature
from tnas_cli.engines.fused.plan import LOOP

_INTEGERS = types.CPointer(types.int64)


@intrinsic
def _call(typing: Any, address: Any, mem: Any, code: Any, at: Any, first: Any, count: Any) -> Any:
    """Call the kernel at a machine address."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [argument.type for argument in args[1:]])
        builder.call(builder.inttoptr(args[0], kind.as_pointer()), args[1:])
        return context.get_dummy_value()

    return types.void(types.int64, mem, code, types.int64, types.int64, types.int64), generate


def _run(mem, code, rows, begin, end, table, stop):
    """Rows begin ... end - 1 of a plan; returns early if stop[0] is set."""
    row = begin
    while row < end and stop[0] == 0:
        at = code_at = rows[row]
        if code[at] == LOOP:
            images, block, body = code[at + 1], code[at + 2], code[at + 3]
            for first in range(0, images, block):
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


def compiled_driver(dtype: str) -> Any:
    """run(mem, code, rows, begin, end, table, stop) as a C function."""
    mem, whole = signature(dtype).args[0], types.int64
    kind = types.void(mem, _INTEGERS, _INTEGERS, whole, whole, _INTEGERS, _INTEGERS)
    return cfunc(kind, cache=True, error_model="numpy")(_run)
