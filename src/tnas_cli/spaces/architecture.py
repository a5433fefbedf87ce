"""Architectures of either kind: a genotype of a search space, or published cells that lie outside of every space."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tnas_cli.errors import GenotypeError
from tnas_cli.spaces.cells import Cells
from tnas_cli.spaces.genotype import Genotype
from tnas_cli.spaces.registry import space

if TYPE_CHECKING:
    from tnas_cli.spaces.space import SpaceNetwork

#: Both kinds have names, edges and joined states of two cells; cells that a space holds are a genotype.
Architecture = Genotype | Cells


def architecture(value: object) -> Architecture:
    """Read the JSON form of either kind; raises GenotypeError, worded as for a genotype."""
    try:
        return Genotype.from_json(value)
    except GenotypeError as error:
        try:
            cells = Cells.from_json(value)
        except GenotypeError:
            raise error from None
    return cells.to_genotype() if cells.in_search_space else cells


def build_network(cells: Architecture, way: int, in_channels: int, channels: int) -> SpaceNetwork:
    """Its network of two cells (Section 5.2.1); a genotype's is made by its space."""
    if isinstance(cells, Genotype):
        return space(cells.space).decoded_network(cells, way, in_channels, channels)
    from tnas_cli.spaces.decoded_network import DecodedNetwork

    return DecodedNetwork(cells, way, in_channels, channels)
