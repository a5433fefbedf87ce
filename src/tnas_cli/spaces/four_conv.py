"""4CONV, the network that MAML and most of few-shot learning are measured with (32.9K weights in Table 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tnas_cli.spaces.description import ConvBlocks
from tnas_cli.spaces.shapes import Specs, check_size, classifier_specs, conv_block_specs

if TYPE_CHECKING:
    from torch import Tensor

    from tnas_cli.spaces.parameters import Parameters

BLOCKS = 4

#: Each block halves the size; from this size on, at least one pixel is left.
SMALLEST_IMAGE = 2**BLOCKS


@dataclass(frozen=True)
class FourConv:
    """Four times convolution 3 x 3, affine batch norm, ReLU, max-pool 2; then one linear layer.

    For images of size x size pixels. Raises SettingsError if they are too small.
    """

    way: int
    in_channels: int
    size: int
    filters: int = 32

    def __post_init__(self) -> None:
        check_size("4CONV", self.size, SMALLEST_IMAGE)

    def specs(self) -> Specs:
        """Shapes of all weights w."""
        specs: Specs = {}
        for block in range(BLOCKS):
            specs |= conv_block_specs(f"block.{block}", self.filters if block else self.in_channels, self.filters)
        left = self.size // SMALLEST_IMAGE
        return specs | classifier_specs(self.filters * left * left, self.way)

    def description(self) -> ConvBlocks:
        """Its blocks."""
        return ConvBlocks(self.filters)

    def logits(self, parameters: Parameters, x: Tensor) -> Tensor:
        """x [T, N, C, size, size], every parameter with a leading T -> logits [T, N, way]."""
        from tnas_cli.spaces.stem import linear

        return linear(parameters, self.features(parameters, x))

    def features(self, parameters: Parameters, x: Tensor) -> Tensor:
        """What the linear layer sees: x [T, N, C, size, size], every parameter with a leading T -> [T, N, F]."""
        from tnas_cli.spaces.conv_block import conv_blocks

        return conv_blocks(parameters, BLOCKS, x)
