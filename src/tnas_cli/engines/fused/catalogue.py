"""All kernels by name."""

from __future__ import annotations

from collections.abc import Callable

from tnas_cli.engines.fused import depthwise, halving_pools, head, matmul, moves, nodes, norms, pools
from tnas_cli.engines.fused.kernels import Function

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
        moves.patches,
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
