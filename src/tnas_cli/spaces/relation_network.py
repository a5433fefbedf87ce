"""The network of CompareNets (Sung et al., 2018): four convolution blocks for maps, two blocks for relations."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from tnas_cli.spaces.conv_block import conv_block
from tnas_cli.spaces.parameters import Parameters
from tnas_cli.spaces.shapes import Spec, Specs, check_size, conv_block_specs

BLOCKS, POOLED = 4, 2
HIDDEN = 8
SMALLEST_IMAGE = 16  # two halvings for the maps and two for the relation


@dataclass(frozen=True)
class RelationNetwork:
    """Maps: four blocks, the first two with max-pool. Relations: two blocks with max-pool, then 8 units and one."""

    way: int
    in_channels: int
    size: int
    filters: int = 32

    def __post_init__(self) -> None:
        check_size("CompareNets", self.size, SMALLEST_IMAGE)

    def specs(self) -> Specs:
        """Shapes of all weights w."""
        specs: Specs = {}
        for block in range(BLOCKS):
            specs |= conv_block_specs(f"block.{block}", self.filters if block else self.in_channels, self.filters)
        for block in range(2):
            specs |= conv_block_specs(f"relation.{block}", self.filters * (2 - block), self.filters)
        left = self.size // SMALLEST_IMAGE
        fed = self.filters * left * left
        return specs | {
            "relation.hidden": Spec((HIDDEN, fed), fan_in=fed),
            "relation.hidden_bias": Spec((HIDDEN,), fan_in=fed),
            "relation.out": Spec((1, HIDDEN), fan_in=HIDDEN),
            "relation.out_bias": Spec((1,), fan_in=HIDDEN),
        }

    def maps(self, w: Parameters, x: Tensor) -> Tensor:
        """x [T, N, C, size, size], weights [T, ...] -> [T, N, filters, size // 4, size // 4]."""
        y = x.transpose(1, 2)  # [T, C, N, H, W]
        for block in range(BLOCKS):
            y = conv_block(w, f"block.{block}", y, pooled=block < POOLED)
        return y.transpose(1, 2)

    def relations(self, w: Parameters, pairs: Tensor) -> Tensor:
        """Pairs of maps [T, P, 2 * filters, h, w] -> relations between 0 and 1, [T, P]."""
        y = pairs.transpose(1, 2)  # [T, 2 F, P, h, w]
        for block in range(2):
            y = conv_block(w, f"relation.{block}", y)
        flat = y.transpose(1, 2).flatten(2)  # [T, P, F * left * left]
        hidden = F.relu(torch.baddbmm(w["relation.hidden_bias"].unsqueeze(1), flat, w["relation.hidden"].mT))
        out = torch.baddbmm(w["relation.out_bias"].unsqueeze(1), hidden, w["relation.out"].mT)  # [T, P, 1]
        return out.squeeze(-1).sigmoid()
