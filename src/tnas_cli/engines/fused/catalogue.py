"""All kernels by name, and where each is kept when it is compiled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

from tnas_cli.engines.fused import depthwise, halving_pools, head, matmul, moves, nodes, norms, pools
from tnas_cli.engines.fused.kernels import Function, Kernel, compiled

FACTORIES: dict[str, Callable[..., Function]] = {
    factory.__name__: factory
    for factory in (
        depthwise.depthwise,
        depthwise.depthwise_halving,
        depthwise.depthwise_halving_image,
        depthwise.depthwise_halving_taps,
        depthwise.depthwise_taps,
        halving_pools.halving_pool,
        halving_pools.halving_pool_gradient,
        halving_pools.halving_pool_sums,
        head.add_shares,
        head.average,
        head.average_gradient,
        head.classifier,
        head.classifier_gradient,
        head.cross_entropy,
        head.descend,
        head.softmax,
        head.softmax_gradient,
        matmul.matmul,
        matmul.matmul_weights,
        matmul.transpose,
        moves.collect,
        moves.fill_zero,
        moves.place,
        nodes.dot_products,
        nodes.state_gradient,
        nodes.weighted_sum,
        norms.coefficients,
        norms.coefficients_gradient,
        norms.constant_scale,
        norms.rectified_gradient,
        norms.statistics,
        norms.value_gradient,
        norms.weight_gradient,
        pools.pool,
        pools.pool_gradient,
    )
}


def compiled_and_kept(kernel: Kernel, dtype: str, folder: Path) -> Any:
    """The kernel as a C function, from the folder or compiled and kept there; within `machine.kernels_kept`.

    Each has a folder of its own: Numba keeps the code for all constants of a function under one index, which two
    processes that compile at the same time would spoil for each other.
    """
    numba.config.CACHE_DIR = str(_place_of(kernel, dtype, folder))
    return compiled(FACTORIES[kernel.name](*kernel.constants), dtype)


def is_kept(kernel: Kernel, dtype: str, folder: Path) -> bool:
    """Whether the folder has the kernel's machine code, or part of it while another process compiles it."""
    return any(_place_of(kernel, dtype, folder).glob("*/*.nbc"))


def _place_of(kernel: Kernel, dtype: str, folder: Path) -> Path:
    constants = "-".join(str(int(constant)) for constant in kernel.constants)
    return folder / f"{kernel.name}-{constants}-{dtype}"
