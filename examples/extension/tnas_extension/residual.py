"""A small residual network: a block of 4CONV, two residual blocks, the mean over all pixels, and one linear layer.

It is a plain function of its parameters, for many tasks at once. PyTorch computes it; no fused kernels exist for it.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from tnas_cli.errors import SettingsError
from tnas_cli.spaces.conv_block import conv_block
from tnas_cli.spaces.networks import FixedNetwork
from tnas_cli.spaces.operations import halve
from tnas_cli.spaces.parameters import Parameters
from tnas_cli.spaces.shapes import Specs, classifier_specs, conv_block_specs
from tnas_cli.spaces.stem import linear

FILTERS = 32
BLOCKS = 2
SMALLEST_IMAGE = 16


@dataclass(frozen=True)
class Residual:
    """A network of tnas states its number of classes, the channels of an image, its weights, and its logits."""

    way: int
    in_channels: int

    def specs(self) -> Specs:
        """Shapes of all weights."""
        specs = conv_block_specs("first", self.in_channels, FILTERS)
        for block in range(BLOCKS):
            specs |= conv_block_specs(f"block.{block}", FILTERS, FILTERS)
        return specs | classifier_specs(FILTERS, self.way)

    def features(self, parameters: Parameters, x: Tensor) -> Tensor:
        """x [T, N, C, H, W], every parameter with a leading T -> [T, N, FILTERS]."""
        y = conv_block(parameters, "first", x.transpose(1, 2))  # [T, FILTERS, N, H / 2, W / 2]
        for block in range(BLOCKS):
            y = halve((y + conv_block(parameters, f"block.{block}", y, pooled=False)).unsqueeze(1)).flatten(1, 2)
        return y.mean(dim=(3, 4)).transpose(1, 2)

    def logits(self, parameters: Parameters, x: Tensor) -> Tensor:
        """x [T, N, C, H, W], every parameter with a leading T -> [T, N, way]."""
        return linear(parameters, self.features(parameters, x))


def build(way: int, in_channels: int, size: int) -> Residual:
    """The network for images of size x size pixels."""
    if size < SMALLEST_IMAGE:
        raise SettingsError(f"residual cannot look at images of {size} pixels.", hint="prepare them with 16 or more")
    return Residual(way, in_channels)


NETWORK = FixedNetwork(name="residual", title="small residual network", channels=FILTERS, build=build)
