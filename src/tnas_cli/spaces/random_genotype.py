"""Genotypes drawn uniformly from the search space: the baseline "Random" of Section 5.3."""

from __future__ import annotations

import numpy as np

from tnas_cli.spaces.cell_space import CellSpace
from tnas_cli.spaces.darts import DARTS
from tnas_cli.spaces.genotype import Edge, Genotype


def random_genotype(generator: np.random.Generator, nodes: int = 4, space: CellSpace = DARTS) -> Genotype:
    """Two different sources per node and any operation but `none` on each edge, all equally likely.

    Only `Generator.random` is used, whose stream does not change with NumPy's version.
    """
    return Genotype(_cell(generator, nodes, space.choices), _cell(generator, nodes, space.choices), space.name)


def _cell(generator: np.random.Generator, nodes: int, choices: tuple[str, ...]) -> tuple[Edge, ...]:
    edges: list[Edge] = []
    for node in range(nodes):
        sources = sorted(np.argsort(generator.random(node + 2), kind="stable")[:2].tolist())
        edges += [(choices[int(draw * len(choices))], s) for s, draw in zip(sources, generator.random(2), strict=True)]
    return tuple(edges)
