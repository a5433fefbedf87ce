"""The edges of a cell: their order in theta, and grouped by the state they leave.

State 0 and 1 are a cell's inputs, state 2 + i is its intermediate node i. Node i is fed by every earlier state. theta
lists edges node by node, as DARTS does; weights are stored source by source, so that all edges that become computable
at the same time are one slice.
"""

from __future__ import annotations

from functools import cache


def edge_count(nodes: int) -> int:
    """2 + 3 + ... = 14 edges for four nodes."""
    return sum(node + 2 for node in range(nodes))


@cache
def theta_order(nodes: int) -> tuple[tuple[int, int], ...]:
    """(source state, target node) of each row of theta."""
    return tuple((source, node) for node in range(nodes) for source in range(node + 2))


@cache
def source_order(nodes: int) -> tuple[tuple[int, int], ...]:
    """(source state, target node) of each edge in the order in which weights are stored."""
    return tuple(sorted(theta_order(nodes)))


@cache
def theta_rows_by_source(nodes: int) -> tuple[int, ...]:
    """Row of theta for each edge in storage order."""
    row = {edge: index for index, edge in enumerate(theta_order(nodes))}
    return tuple(row[edge] for edge in source_order(nodes))


def group_sizes(nodes: int) -> list[int]:
    """Edges per group, in storage order: first those of both inputs together, then those of each node but the last."""
    return [2 * nodes, *(nodes - 1 - node for node in range(nodes - 1))]
