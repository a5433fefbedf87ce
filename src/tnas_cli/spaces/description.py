"""A network in plain terms, made once from its space, for engines, costs and pictures; without PyTorch."""

from __future__ import annotations

from dataclasses import dataclass

from tnas_cli.spaces.operations_table import Operation


@dataclass(frozen=True)
class Branch:
    """An operation on an edge, from a state to a node.

    States 0 and 1 are a cell's inputs, state 2 + i is node i. stride: 2 where it halves the size. weights: the prefix
    of its parameters' names; entry: its index, if one tensor holds the weights of many edges. share: the index of the
    entry of theta whose softmax weights it, counted over all cells, edges and operations.
    """

    operation: Operation
    source: int
    node: int
    stride: int
    weights: str
    entry: int | None = None
    share: int | None = None


@dataclass(frozen=True)
class CellDescription:
    """A cell of that name: `input0` and `input1` make its inputs `width` channels wide, every node sums its branches,
    and the output joins the states `joined`. An input that a cell of stride 2 joins passes a factorised reduction,
    whose weights begin with the cell's name and `join` and the input's number."""

    name: str
    width: int
    stride: int
    branches: tuple[Branch, ...]
    joined: tuple[int, ...]


@dataclass(frozen=True)
class TwoCells:
    """A stem of two convolutions, a cell that keeps the size, a cell that halves it, and a linear layer.

    nodes: of the normal cell. operations: the number of theta's columns if the cells are searched, and norms within
    cells are plain; otherwise 0.
    """

    channels: int
    nodes: int
    operations: int
    cells: tuple[CellDescription, CellDescription]


@dataclass(frozen=True)
class ConvBlocks:
    """4CONV: four times convolution, affine norm, ReLU, max-pool 2; the linear layer sees every pixel that is left."""

    filters: int


Description = TwoCells | ConvBlocks
