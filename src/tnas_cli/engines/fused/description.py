"""A network as the kernels know it: plain numbers and names, whatever space it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tnas_cli.engines.fused.parameters import CHANNEL_MULTIPLE, Layout, Shape

#: Sides of the taps that there are kernels for, and how far from a pixel a tap may lie.
SIZES, REACH = (3, 5), 4


@dataclass(frozen=True)
class Operation:
    """What an edge carries: the state itself, a pool of 3 x 3, or `repeats` times ReLU, depthwise convolution of
    size x size taps, pointwise convolution, norm. name: for messages."""

    name: str
    kind: Literal["identity", "max pool", "mean pool", "separable"]
    size: int = 0
    dilation: int = 1
    repeats: int = 0

    @property
    def pools(self) -> bool:
        """Whether it is a pool."""
        return self.kind in ("max pool", "mean pool")

    @property
    def why_not(self) -> str | None:
        """What no kernel computes, in words; None if there is a kernel."""
        if self.kind != "separable":
            return None
        if self.size not in SIZES or self.dilation * (self.size // 2) > REACH:
            return f"taps of {self.size} x {self.size} pixels, {self.dilation} apart"
        if self.dilation not in (1, 2):
            return f"taps {self.dilation} pixels apart"
        if not 1 <= self.repeats <= (2 if self.dilation == 1 else 1):
            return f"{self.repeats} convolutions in a row, their taps {self.dilation} apart"
        return None


@dataclass(frozen=True)
class Edge:
    """An operation from a state to a node.

    halves: whether it halves the size. weights: the prefix of its parameters' names; entry: its index, if one tensor
    holds the weights of many edges. share: the index of the entry of theta that weights it.
    """

    operation: Operation
    source: int
    node: int
    halves: bool
    weights: str
    entry: int = 0
    share: int | None = None


@dataclass(frozen=True)
class CellEdges:
    """A cell of that name, `width` channels wide, of stride 1 or 2."""

    name: str
    width: int
    stride: int
    edges: tuple[Edge, ...]


@dataclass(frozen=True)
class Description:
    """A network: its parameters' shapes in their order, and its structure.

    cells: the two cells between stem and classifier, of `nodes` nodes; none for 4CONV. theta: how many rows (over all
    cells) and columns it has; (0, 0) if nothing is searched, and norms within cells then have a gain and a bias.
    """

    shapes: tuple[tuple[str, Shape], ...]
    way: int
    in_channels: int
    channels: int
    nodes: int = 0
    cells: tuple[CellEdges, ...] = ()
    theta: tuple[int, int] = (0, 0)

    @property
    def searched(self) -> bool:
        """Whether theta weights the edges."""
        return self.theta != (0, 0)

    def layout(self, side: int) -> Layout:
        """Where the parameters lie, for images of `side` pixels a side."""
        return Layout(dict(self.shapes), None if self.cells else (self.channels, (side // 16) ** 2))

    def why_not(self) -> str | None:
        """What the kernels cannot do, in words; None if they can do all of it."""
        for edge in (edge for cell in self.cells for edge in cell.edges):
            reason = edge.operation.why_not
            if reason is not None:
                return f"it has no kernel for {edge.operation.name} ({reason})."
        if self.channels % CHANNEL_MULTIPLE:
            return f"it needs a multiple of {CHANNEL_MULTIPLE} channels, but there are {self.channels}."
        return None


def description_key(shapes: Mapping[str, Shape]) -> tuple[tuple[str, Shape], ...]:
    """Shapes in a form that can be compared and hashed."""
    return tuple((name, tuple(shape)) for name, shape in shapes.items())
