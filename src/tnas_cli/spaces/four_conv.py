"""4CONV, the network that MAML and most of few-shot learning are measured with (32.9K weights in Table 3)."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from tnas_cli.errors import SettingsError
from tnas_cli.spaces.operations import batch_norm, convolve, halve
from tnas_cli.spaces.parameters import Parameters, Spec
from tnas_cli.spaces.stem import classifier_specs, linear

BLOCKS = 4

#: Each block halves the size; from here on one pixel is left.
SMALLEST_IMAGE = 2**BLOCKS


@dataclass(frozen=True)
class FourConv:
    """Four times convolution 3 x 3, affine batch norm, ReLU, max-pool 2; then one linear layer.

    For images of size x size pixels. Raises SettingsError where they are too small.
    """

    way: int
    in_channels: int
    size: int
    filters: int = 32

    def __post_init__(self) -> None:
        if self.size < SMALLEST_IMAGE:
            raise SettingsError(
                f"4CONV cannot look at images of {self.size} pixels.",
                hint=f"prepare them with at least {SMALLEST_IMAGE} pixels",
            )

    def specs(self) -> dict[str, Spec]:
        """Shapes of all weights w."""
        specs: dict[str, Spec] = {}
        for block in range(BLOCKS):
            specs |= conv_block_specs(f"block.{block}", self.filters if block else self.in_channels, self.filters)
        left = self.size // SMALLEST_IMAGE
        return specs | classifier_specs(self.filters * left * left, self.way)

    def logits(self, parameters: Parameters, x: Tensor) -> Tensor:
        """x [T, N, C, size, size], every parameter with a leading T -> logits [T, N, way]."""
        return linear(parameters, self.features(parameters, x))

    def features(self, parameters: Parameters, x: Tensor) -> Tensor:
        """What the linear layer sees: x [T, N, C, size, size], every parameter with a leading T -> [T, N, F]."""
        y = x.transpose(1, 2)  # [T, C, N, H, W]
        for block in range(BLOCKS):
            y = conv_block(parameters, f"block.{block}", y)
        return y.transpose(1, 2).flatten(2)


def conv_block_specs(prefix: str, fed: int, filters: int) -> dict[str, Spec]:
    """Convolution 3 x 3 with a bias, and affine batch norm."""
    return {
        f"{prefix}.conv": Spec((filters, fed, 3, 3), fan_in=9 * fed),
        f"{prefix}.conv_bias": Spec((filters,), fan_in=9 * fed),
        f"{prefix}.gain": Spec((filters,), "ones"),
        f"{prefix}.bias": Spec((filters,), "zeros"),
    }


def conv_block(w: Parameters, prefix: str, x: Tensor, *, pooled: bool = True) -> Tensor:
    """Convolution, batch norm, ReLU, and max-pool 2: x [T, C, N, H, W] -> [T, filters, N, H // 2, W // 2]."""
    y = convolve(x, w[f"{prefix}.conv"]) + w[f"{prefix}.conv_bias"][:, :, None, None, None]
    y = batch_norm(y.unsqueeze(1), w[f"{prefix}.gain"], w[f"{prefix}.bias"])  # [T, 1, filters, N, H, W]
    y = F.relu(y)
    return (halve(y) if pooled else y).flatten(1, 2)
