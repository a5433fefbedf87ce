"""4CONV, the network that MAML and most of few-shot learning are measured with (32.9K weights in Table 3)."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from tnas_cli.errors import SettingsError
from tnas_cli.space.operations import batch_norm, convolve, halve
from tnas_cli.space.parameters import Parameters, Spec
from tnas_cli.space.stem import classifier_specs, linear

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
            fed = self.filters if block else self.in_channels
            specs[f"block.{block}.conv"] = Spec((self.filters, fed, 3, 3), fan_in=9 * fed)
            specs[f"block.{block}.conv_bias"] = Spec((self.filters,), fan_in=9 * fed)
            specs[f"block.{block}.gain"] = Spec((self.filters,), "ones")
            specs[f"block.{block}.bias"] = Spec((self.filters,), "zeros")
        left = self.size // SMALLEST_IMAGE
        return specs | classifier_specs(self.filters * left * left, self.way)

    def logits(self, parameters: Parameters, x: Tensor) -> Tensor:
        """x [T, N, C, size, size], every parameter with a leading T -> logits [T, N, way]."""
        y = x.transpose(1, 2)  # [T, C, N, H, W]
        for block in range(BLOCKS):
            y = _block(parameters, f"block.{block}", y)
        return linear(parameters, y.transpose(1, 2).flatten(2))


def _block(w: Parameters, prefix: str, x: Tensor) -> Tensor:
    """x [T, C, N, H, W] -> [T, filters, N, H // 2, W // 2]."""
    y = convolve(x, w[f"{prefix}.conv"]) + w[f"{prefix}.conv_bias"][:, :, None, None, None]
    y = batch_norm(y.unsqueeze(1), w[f"{prefix}.gain"], w[f"{prefix}.bias"])  # [T, 1, filters, N, H, W]
    return halve(F.relu(y)).flatten(1, 2)
