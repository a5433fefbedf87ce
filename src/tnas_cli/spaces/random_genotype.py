"""Genotypes drawn uniformly from the search space: the baseline "Random" of Section 5.3."""

from __future__ import annotations

import numpy as np

from tnas_cli.spaces.genotype import OPERATIONS, Edge, Genotype


def random_genotype(generator: np.random.Generator, nodes: int = 4) -> Genotype:
    """Two different sources per node and any operation but `none` on each edge, all equally likely.

    Only `Generator.random` is used, whose stream does not change with NumPy's version.
    """
    return Genotype(_cell(generator, nodes), _cell(generator, nodes))


def _cell(generator: np.random.Generator, nodes: int) -> tuple[Edge, ...]:
    edges: list[Edge] = []
    for node in range(nodes):
        sources = sorted(np.argsort(generator.random(node + 2), kind="stable")[:2].tolist())
        edges += [
            (OPERATIONS[1 + int(draw * (len(OPERATIONS) - 1))], s)
            for s, draw in zip(sources, generator.random(2), strict=True)
        ]
    return tuple(edges)
