"""Things that many tests need: the published genotypes and random ones, and a network for every method."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

from tnas_cli.methods.registry import about
from tnas_cli.settings.features import PRETRAINING
from tnas_cli.spaces.darts import DARTS
from tnas_cli.spaces.genotype import Edge, Genotype
from tnas_cli.spaces.networks import fixed_network

#: Names of the operations of DARTS's space, in the order of theta's columns.
OPERATIONS = tuple(row.name for row in DARTS.operations)

#: Auto-MAML's searched architectures as its authors published them (DARTS's order: operation, source state).
AUTO_MAML_1SHOT = Genotype(
    normal=(
        ("avg_pool_3x3", 0),
        ("avg_pool_3x3", 1),
        ("avg_pool_3x3", 1),
        ("avg_pool_3x3", 2),
        ("avg_pool_3x3", 1),
        ("avg_pool_3x3", 2),
        ("dil_conv_3x3", 3),
        ("avg_pool_3x3", 2),
    ),
    reduce=(
        ("avg_pool_3x3", 0),
        ("dil_conv_5x5", 1),
        ("avg_pool_3x3", 0),
        ("dil_conv_5x5", 1),
        ("skip_connect", 3),
        ("dil_conv_5x5", 2),
        ("skip_connect", 4),
        ("skip_connect", 3),
    ),
)

AUTO_MAML_5SHOT = Genotype(
    normal=(
        ("dil_conv_5x5", 1),
        ("dil_conv_5x5", 0),
        ("dil_conv_5x5", 2),
        ("dil_conv_3x3", 1),
        ("sep_conv_5x5", 2),
        ("sep_conv_3x3", 3),
        ("skip_connect", 4),
        ("dil_conv_3x3", 3),
    ),
    reduce=(
        ("sep_conv_5x5", 0),
        ("avg_pool_3x3", 1),
        ("avg_pool_3x3", 1),
        ("skip_connect", 2),
        ("skip_connect", 2),
        ("avg_pool_3x3", 1),
        ("skip_connect", 2),
        ("max_pool_3x3", 1),
    ),
)


#: Methods that train no genotype, each with a network that it trains.
NETWORKS = {
    "cavia": "4conv-32",
    "compare-nets": "4conv-32",
    "llama": "4conv-32",
    "memory-module": "4conv-32",
    "neural-statistician": "4conv-32",
    "tadam": "resnet12-8",
    "mtl": "resnet12-mtl-8",
}


def train_eval_with(method: str) -> tuple[str | int, ...]:
    """`train-eval --method`, for a network that the method trains, and for two batches before the meta-learning."""
    short = ("--pretrain", 2) if PRETRAINING in about(method).reads else ()
    return ("train-eval", NETWORKS.get(method, "4conv-32"), "--method", method, *short)


def network_for(method: str, way: int, in_channels: int, size: int, filters: int = 8) -> Any:
    """A narrow network that the method trains, for size x size pixels: 4CONV, or its form of ResNet-12."""
    network: Any = fixed_network(NETWORKS.get(method, "4conv-32")).build(way, in_channels, size)
    return dataclasses.replace(network, filters=filters)


def random_genotype(seed: int, nodes: int = 4) -> Genotype:
    """A genotype drawn uniformly: two different sources per node, any operation but 'none'."""
    generator = random.Random(seed)

    def cell() -> tuple[Edge, ...]:
        sources = [source for node in range(nodes) for source in generator.sample(range(node + 2), 2)]
        return tuple((generator.choice(OPERATIONS[1:]), source) for source in sources)

    return Genotype(normal=cell(), reduce=cell())
