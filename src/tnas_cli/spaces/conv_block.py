"""4CONV's block in PyTorch, which CompareNets is made of too."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from tnas_cli.spaces.operations import batch_norm, convolve, halve
from tnas_cli.spaces.parameters import Parameters


def conv_block(w: Parameters, prefix: str, x: Tensor, *, pooled: bool = True) -> Tensor:
    """Convolution, batch norm, ReLU, and max-pool 2: x [T, C, N, H, W] -> [T, filters, N, H // 2, W // 2]."""
    return activated(w, prefix, convolved(w, prefix, x), pooled=pooled)


def convolved(w: Parameters, prefix: str, x: Tensor) -> Tensor:
    """The block's convolution with its bias: x [T, C, N, H, W] -> [T, filters, N, H, W]."""
    return convolve(x, w[f"{prefix}.conv"]) + w[f"{prefix}.conv_bias"][:, :, None, None, None]


def activated(w: Parameters, prefix: str, y: Tensor, *, pooled: bool = True) -> Tensor:
    """What follows the convolution: y [T, filters, N, H, W] -> [T, filters, N, H // 2, W // 2]."""
    y = batch_norm(y.unsqueeze(1), w[f"{prefix}.gain"], w[f"{prefix}.bias"])  # [T, 1, filters, N, H, W]
    y = F.relu(y)
    return (halve(y) if pooled else y).flatten(1, 2)


def conv_blocks(w: Parameters, blocks: int, x: Tensor) -> Tensor:
    """`block.0`, `block.1`, ... of x [T, N, C, H, W], and all that is left of each image: [T, N, F]."""
    y = x.transpose(1, 2)  # [T, C, N, H, W]
    for block in range(blocks):
        y = conv_block(w, f"block.{block}", y)
    return y.transpose(1, 2).flatten(2)
