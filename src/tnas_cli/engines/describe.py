"""Translates a network's own description into the fused kernels' description."""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache

from tnas_cli.engines.fused.description import CellEdges, Description, Edge, Operation, description_key
from tnas_cli.engines.interface import Network
from tnas_cli.spaces.description import CellDescription, ConvBlocks, TwoCells


class NoKernelError(Exception):
    """The fused kernels cannot compute a network; the message says why, as the end of a sentence."""


def describe(network: Network) -> Description:
    """The network as the kernels need it; raises NoKernelError if they cannot compute it."""
    return _described(network) if isinstance(network, Hashable) else _describe(network)


@lru_cache(maxsize=256)
def _described(network: Network) -> Description:
    return _describe(network)


def _describe(network: Network) -> Description:
    said = getattr(network, "description", lambda: None)()
    shapes = description_key({name: spec.shape for name, spec in network.specs().items()})
    if isinstance(said, ConvBlocks):
        found = Description(shapes, network.way, network.in_channels, said.filters)
    elif isinstance(said, TwoCells):
        cells = tuple(map(_cell, said.cells))
        _check_joined(said)
        theta = (2 * _edges(said.nodes), said.operations) if said.operations else (0, 0)
        found = Description(shapes, network.way, network.in_channels, said.channels, said.nodes, cells, theta)
    else:
        raise NoKernelError(f"it does not know networks of type {type(network).__name__}.")
    reason = found.why_not()
    if reason is not None:
        raise NoKernelError(reason)
    return found


def _check_joined(said: TwoCells) -> None:
    nodes = tuple(range(2, 2 + said.nodes))
    for cell in said.cells:
        if cell.joined != nodes or max(branch.node for branch in cell.branches) != said.nodes - 1:
            raise NoKernelError(
                f"its cells have equally many nodes and join all of them, but the {cell.name} cell here joins the "
                f"states {list(cell.joined)}."
            )


def _edges(nodes: int) -> int:
    return sum(node + 2 for node in range(nodes))


def _cell(cell: CellDescription) -> CellEdges:
    edges = []
    for branch in cell.branches:
        row = branch.operation
        kernel = row.form.kernel
        if kernel is None:
            raise NoKernelError(f"it has no kernel for {row.name}.")
        operation = Operation(row.name, kernel.kind, kernel.size, kernel.dilation, kernel.repeats)
        own = branch.weights.removesuffix(".")
        edges.append(
            Edge(operation, branch.source, branch.node, branch.stride == 2, own, branch.entry or 0, branch.share)
        )
    return CellEdges(cell.name, cell.width, cell.stride, tuple(edges))
