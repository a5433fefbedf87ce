"""What a space is: a protocol, so that any package may bring one. `cell_space.py` has tnas's own kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from tnas_cli.spaces.description import Description
from tnas_cli.spaces.network import Network
from tnas_cli.spaces.operations_table import Operation

if TYPE_CHECKING:
    from numpy.random import Generator
    from torch import Tensor

    from tnas_cli.spaces.genotype import Genotype


class SpaceNetwork(Network, Protocol):
    """A network of a space."""

    @property
    def channels(self) -> int:
        """Its width."""

    def description(self) -> Description | None:
        """What it is made of, for engines; None if that cannot be described."""


class SearchedNetwork(SpaceNetwork, Protocol):
    """A network in which every edge mixes all operations of its space; theta is among its parameters."""

    @property
    def nodes(self) -> int:
        """Number of a cell's nodes."""

    @property
    def space(self) -> Space:
        """Where its operations come from, and what decodes its theta."""


@runtime_checkable
class Space(Protocol):
    """What can be searched. Its architectures are `Genotype`s of two cells, and theta is [2, edges, operations]."""

    @property
    def name(self) -> str:
        """Its name in settings, records and genotypes."""

    @property
    def title(self) -> str:
        """Its name for people."""

    @property
    def citation(self) -> tuple[str, ...]:
        """Keys of `tnas cite`, or BibTeX entries."""

    @property
    def nodes(self) -> int:
        """Default number of a cell's nodes."""

    @property
    def operations(self) -> tuple[Operation, ...]:
        """What an edge may carry, in the order of theta's columns."""

    def operation(self, name: str) -> Operation:
        """The operation of that name; raises GenotypeError if the space has none."""

    def search_network(self, way: int, in_channels: int, channels: int, nodes: int) -> SearchedNetwork:
        """The network in which every edge mixes all operations."""

    def decoded_network(self, genotype: Genotype, way: int, in_channels: int, channels: int) -> SpaceNetwork:
        """The network of one architecture."""

    def decode(self, theta: Tensor, max_skips: int | None = None) -> Genotype:
        """theta [2, edges, operations] -> the architecture that it decides on."""

    def one_hot(self, genotype: Genotype) -> Tensor:
        """The probabilities [2, edges, operations] that are an architecture's choices alone."""

    @property
    def uniform(self) -> float:
        """The mean over theta's rows of the largest probability where nothing is decided yet."""

    def random(self, generator: Generator, nodes: int) -> Genotype:
        """An architecture drawn uniformly."""
