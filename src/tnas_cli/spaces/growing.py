"""Cells that grow node by node (Liu et al., PNAS, ECCV 2018, Section 3.1): one cell for both of a genotype's places."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement

from tnas_cli.spaces.genotype import Edge, Genotype
from tnas_cli.spaces.space import Space


def node_choices(space: Space, position: int) -> list[tuple[Edge, Edge]]:
    """All nodes that may follow `position` others: two edges of any operations from any earlier states, whose order
    does not matter. With n operations these are m (m + 1) / 2, m = n (position + 2)."""
    operations = [row.name for row in space.operations if not row.is_none]
    edges: list[Edge] = [(name, state) for state in range(position + 2) for name in operations]
    return list(combinations_with_replacement(edges, 2))


def cell_of(edges: Sequence[Edge], space: Space) -> Genotype:
    """The genotype that has a cell in both places, as Auto-Meta's has."""
    return Genotype(tuple(edges), tuple(edges), space.name)


def with_one_node(space: Space) -> list[Genotype]:
    """All cells of one node."""
    return [cell_of(node, space) for node in node_choices(space, 0)]


def with_one_more(cell: Genotype, space: Space) -> list[Genotype]:
    """All cells that have one node more than a cell."""
    return [cell_of((*cell.normal, *node), space) for node in node_choices(space, cell.nodes)]
