"""The machine code of the hot loops: every sum stays in a register, and no more is loaded than was counted."""

from __future__ import annotations

import re

import pytest
from numba import cfunc

from tnas_cli.engines.fused.catalogue import FACTORIES
from tnas_cli.engines.fused.kernels import OPTIONS, Kernel, signature
from tnas_cli.engines.fused.machine import instruction_set, target

WIDE = pytest.mark.skipif(
    instruction_set() not in ("AVX2", "AVX-512"), reason="reads the machine code of AVX2 and AVX-512"
)

#: Columns of the products of usual networks: 16 and 32 channels of cells, 24 and 48 of the stem.
COLUMNS = (16, 24, 32, 48)


def machine_code(kernel: Kernel) -> str:
    """As the assembler would read it."""
    function = cfunc(signature("float32"), **OPTIONS)(FACTORIES[kernel.name](*kernel.constants))
    return str(function._library.get_asm_str())


def hot_block(kernel: Kernel) -> list[str]:
    """The basic block with the most multiply-adds, line by line."""
    blocks = re.split(r"^\.L\w+:.*$|^\s+j\w+\s.*$", machine_code(kernel), flags=re.MULTILINE)
    return max(blocks, key=lambda block: block.count("vfmadd")).splitlines()


def multiply_adds(block: list[str]) -> int:
    return sum("vfmadd" in line for line in block)


def spilled(block: list[str]) -> list[str]:
    """Vectors that are moved to or from the stack."""
    return [line for line in block if "(%rsp" in line and re.search(r"%[xyz]mm", line)]


def loads(block: list[str]) -> int:
    """Instructions that read a vector, or a number for all lanes, from memory."""
    read = [line for line in block if re.search(r"\(%r\w+.*\).*,\s*%[xyz]mm\d+", line)]
    return len(read)


@WIDE
@pytest.mark.parametrize("columns", COLUMNS)
def test_products(columns: int) -> None:
    lanes, vectors, tile = target().product_tile(columns, 240)
    block = hot_block(Kernel("matmul", (lanes, vectors, tile)))
    assert multiply_adds(block) % (vectors * tile) == 0
    assert spilled(block) == []
    assert loads(block) * vectors * tile <= multiply_adds(block) * (vectors + tile)


@WIDE
@pytest.mark.parametrize("columns", COLUMNS)
def test_gradients_of_weights(columns: int) -> None:
    lanes, vectors, tile = target().weights_tile(48, columns)
    block = hot_block(Kernel("matmul_weights", (lanes, vectors, tile)))
    assert multiply_adds(block) % (vectors * tile) == 0
    assert spilled(block) == []
    assert loads(block) * vectors * tile <= multiply_adds(block) * (vectors + tile)


@WIDE
@pytest.mark.parametrize(("kernel_size", "channels", "width"), [(3, 16, 7), (5, 16, 7), (3, 32, 4), (5, 32, 4)])
def test_depthwise_convolutions(kernel_size: int, channels: int, width: int) -> None:
    """At most a load for each multiply-add and one for each tap; only sums of 3 x 3 may be moved to the stack."""
    here = target()
    lanes, tile = here.lanes_for(channels), here.spans(width)[0][1]
    tall = here.tall_for(width, tile)
    forward = hot_block(Kernel("depthwise", (lanes, channels, kernel_size, 1, tall, tile, False)))
    constants = (lanes, channels, kernel_size, 1, tile, here.sums_per_tap(kernel_size))
    for block in (forward, hot_block(Kernel("depthwise_taps", constants))):
        assert kernel_size == 3 or spilled(block) == []
        assert loads(block) <= multiply_adds(block) + kernel_size**2


@WIDE
@pytest.mark.parametrize(
    "kernel",
    [Kernel("halving_pool_sums", (8, True)), Kernel("rectified_gradient", (8,)), Kernel("rectified_gradient", (16,))],
    ids=str,
)
def test_no_number_is_written_through_a_mask(kernel: Kernel) -> None:
    """With AVX2 a loop with such a write takes half as long again (docs/engine.md)."""
    assert not re.search(r"vmaskmov|%[xyz]mm\d+, .*\(%r\w+.*\) \{%k", machine_code(kernel))
