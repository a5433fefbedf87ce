"""What a space is: a protocol, so that one may come from anywhere. `cell_space.py` has the kind that tnas brings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from tnas_cli.spaces.description import Description
from tnas_cli.spaces.operations_table import Operation
from tnas_cli.spaces.shapes import Specs

if TYPE_CHECKING:
    from numpy.random import Generator
    from torch import Tensor

    from tnas_cli.spaces.genotype import Genotype
    from tnas_cli.spaces.parameters import Parameters


class SpaceNetwork(Protocol):
    """A network of a space: its facts need no PyTorch, `logits` does."""

    @property
    def way(self) -> int:
        """Number of classes."""

    @property
    def in_channels(self) -> int:
        """Channels of an image."""

    @property
    def channels(self) -> int:
        """Its width."""

    def specs(self) -> Specs:
        """Shapes of all parameters, in the order in which they are drawn."""

    def description(self) -> Description | None:
        """What it is made of, for engines; None where they cannot be told."""

    def logits(self, parameters: Parameters, x: Tensor) -> Tensor:
        """x [T, N, C, H, W], parameters [T, ...] -> [T, N, way]."""


@runtime_checkable
class Space(Protocol):
    """What can be searched. Its architectures are `Genotype`s of two cells, and theta is [2, edges, operations]."""

    @property
    def name(self) -> str:
        """What settings, records and genotypes call it."""

    @property
    def title(self) -> str:
        """What a person calls it."""

    @property
    def citation(self) -> tuple[str, ...]:
        """Keys of `tnas cite`, or BibTeX entries."""

    @property
    def nodes(self) -> int:
        """Usual number of a cell's nodes."""

    @property
    def operations(self) -> tuple[Operation, ...]:
        """What an edge may carry, in the order of theta's columns."""

    def operation(self, name: str) -> Operation:
        """The operation of that name; raises GenotypeError where the space has none."""

    def search_network(self, way: int, in_channels: int, channels: int, nodes: int) -> SpaceNetwork:
        """The network in which every edge mixes all operations."""

    def decoded_network(self, genotype: Genotype, way: int, in_channels: int, channels: int) -> SpaceNetwork:
        """The network of one architecture."""

    def decode(self, theta: Tensor, max_skips: int | None = None) -> Genotype:
        """theta [2, edges, operations] -> the architecture that it decides on."""

    def random(self, generator: Generator, nodes: int) -> Genotype:
        """An architecture drawn uniformly."""
