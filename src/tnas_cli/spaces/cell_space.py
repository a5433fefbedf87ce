"""Spaces of two cells made of the operations table: DARTS's space, and any other choice of operations and nodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tnas_cli.errors import GenotypeError, did_you_mean
from tnas_cli.spaces.operations_table import Operation

if TYPE_CHECKING:
    from numpy.random import Generator
    from torch import Tensor

    from tnas_cli.spaces.decoded_network import DecodedNetwork
    from tnas_cli.spaces.genotype import Genotype
    from tnas_cli.spaces.search_network import SearchNetwork


@dataclass(frozen=True)
class CellSpace:
    """A normal and a reduction cell whose every node is fed by all earlier states; a `Space`.

    operations: in the order of theta's columns; exactly one is no connection, for edges that are left out, and at most
    one is a skip connection. Raises ValueError otherwise.
    """

    name: str
    title: str
    operations: tuple[Operation, ...]
    nodes: int = 4
    citation: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = [row.name for row in self.operations]
        if len(set(names)) < len(names):
            raise ValueError(f"the space {self.name} has an operation twice: {names}")
        if sum(row.is_none for row in self.operations) != 1 or len(names) < 2:
            raise ValueError(f"the space {self.name} needs no connection exactly once, and other operations: {names}")
        if sum(row.is_skip for row in self.operations) > 1:
            raise ValueError(f"the space {self.name} has more than one skip connection: {names}")
        if self.nodes < 1:
            raise ValueError(f"cells of the space {self.name} have {self.nodes} nodes")

    @property
    def choices(self) -> tuple[str, ...]:
        """Names of the operations that a genotype may keep."""
        return tuple(row.name for row in self.operations if not row.is_none)

    def column(self, name: str) -> int:
        """theta's column of the operation of that name; raises GenotypeError if there is none."""
        return self.operations.index(self.operation(name))

    def operation(self, name: str) -> Operation:
        """The operation of that name; raises GenotypeError, with a suggestion, if there is none."""
        for row in self.operations:
            if row.name == name:
                return row
        raise GenotypeError(f"unknown operation {name!r}.", hint=did_you_mean(name, self.choices))

    def search_network(self, way: int, in_channels: int, channels: int, nodes: int) -> SearchNetwork:
        """Every edge mixes all operations."""
        from tnas_cli.spaces.search_network import SearchNetwork

        return SearchNetwork(way, in_channels, channels, nodes, self)

    def decoded_network(self, genotype: Genotype, way: int, in_channels: int, channels: int) -> DecodedNetwork:
        """Two operations per node."""
        from tnas_cli.spaces.decoded_network import DecodedNetwork

        return DecodedNetwork(genotype, way, in_channels, channels)

    def decode(self, theta: Tensor, max_skips: int | None = None) -> Genotype:
        """Algorithm 2, line 3."""
        from tnas_cli.spaces.decode import decode

        return decode(theta, max_skips, self)

    @property
    def uniform(self) -> float:
        """The mean over theta's rows of the largest probability where nothing is decided yet."""
        return 1 / len(self.operations)

    def one_hot(self, genotype: Genotype) -> Tensor:
        """theta's probabilities that are a genotype's choices alone."""
        from tnas_cli.spaces.decode import one_hot_theta

        return one_hot_theta(genotype)

    def random(self, generator: Generator, nodes: int) -> Genotype:
        """Two different sources per node and any operation but none, all equally likely."""
        from tnas_cli.spaces.random_genotype import random_genotype

        return random_genotype(generator, nodes, self)
