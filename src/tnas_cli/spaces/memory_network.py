"""The embedding of the memory module (Kaiser et al., 2017): four convolutions without batch norm, and two linear maps.

With 64 filters and images of 28 x 28 pixels it has 1,930,432 weights, those of the published experiments.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from tnas_cli.spaces.operations import convolve, halve
from tnas_cli.spaces.parameters import Parameters
from tnas_cli.spaces.shapes import Spec, Specs, check_size

#: Channels of the four convolutions, as multiples of the filters; a max-pool follows the second and the fourth.
WIDTHS = (1, 1, 2, 2)
KEY = 4  # length of a key, likewise
SMALLEST_IMAGE = 4  # two halvings


@dataclass(frozen=True)
class MemoryNetwork:
    """Convolution 3 x 3 and ReLU, twice, max-pool 2; the same with twice the filters; a linear layer, a linear map.

    A feature has the length 1. Raises SettingsError if images are too small.
    """

    way: int
    in_channels: int
    size: int
    filters: int = 32

    def __post_init__(self) -> None:
        check_size("the memory module", self.size, SMALLEST_IMAGE)

    def specs(self) -> Specs:
        """Shapes of all weights w."""
        specs: Specs = {}
        fed = self.in_channels
        for layer, width in enumerate(width * self.filters for width in WIDTHS):
            specs |= {
                f"layer.{layer}.conv": Spec((width, fed, 3, 3), "truncated"),
                f"layer.{layer}.conv_bias": Spec((width,), "zeros"),
            }
            fed = width
        left, key = self.size // SMALLEST_IMAGE, KEY * self.filters
        return specs | {
            "hidden": Spec((key, fed * left * left), "truncated"),
            "hidden_bias": Spec((key,), "zeros"),
            "projection": Spec((key, key), "truncated", deviation=0.01),
        }

    def hidden(self, w: Parameters, x: Tensor) -> Tensor:
        """x [T, N, C, size, size], weights [T, ...] -> [T, N, 4 * filters], what dropout is for in training."""
        y = x.transpose(1, 2)  # [T, C, N, H, W]
        for layer in range(len(WIDTHS)):
            y = F.relu(convolve(y, w[f"layer.{layer}.conv"]) + w[f"layer.{layer}.conv_bias"][:, :, None, None, None])
            if layer % 2:
                y = halve(y.unsqueeze(1)).squeeze(1)
        return torch.baddbmm(w["hidden_bias"].unsqueeze(1), y.transpose(1, 2).flatten(2), w["hidden"].mT)

    def projected(self, w: Parameters, hidden: Tensor) -> Tensor:
        """Features of length 1, from hidden [T, N, 4 * filters]: the same shape."""
        return F.normalize(torch.bmm(hidden, w["projection"].mT), dim=-1)

    def features(self, w: Parameters, x: Tensor) -> Tensor:
        """x [T, N, C, size, size], weights [T, ...] -> [T, N, 4 * filters], without dropout."""
        return self.projected(w, self.hidden(w, x))
