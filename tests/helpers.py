"""Things that many tests need: the published genotypes and random ones."""

from __future__ import annotations

import random

from tnas_cli.spaces.darts import DARTS
from tnas_cli.spaces.genotype import Edge, Genotype

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


def random_genotype(seed: int, nodes: int = 4) -> Genotype:
    """A genotype drawn uniformly: two different sources per node, any operation but 'none'."""
    generator = random.Random(seed)

    def cell() -> tuple[Edge, ...]:
        sources = [source for node in range(nodes) for source in generator.sample(range(node + 2), 2)]
        return tuple((generator.choice(OPERATIONS[1:]), source) for source in sources)

    return Genotype(normal=cell(), reduce=cell())
