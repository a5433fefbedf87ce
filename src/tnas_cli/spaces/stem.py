"""The parts before and after the cells in both networks: the stem and the classifier (Section 5.2.1)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tnas_cli.spaces.operations import batch_norm, convolve, halve
from tnas_cli.spaces.parameters import Parameters


def stem(w: Parameters, x: Tensor) -> Tensor:
    """Convolution, batch norm, max-pool, ReLU, convolution, batch norm, max-pool.

    x [T, N, C, H, W] -> [T, 1, 3 * channels, N, H // 4, W // 4].
    """
    y = halve(_normed(w, 0, convolve(x.transpose(1, 2), w["stem.0.conv"])))  # [T, 1, C1, N, H/2, W/2]
    y = convolve(F.relu(y).flatten(1, 2), w["stem.1.conv"])
    return halve(_normed(w, 1, y)).contiguous()


def _normed(w: Parameters, layer: int, y: Tensor) -> Tensor:
    return batch_norm(y.unsqueeze(1), w[f"stem.{layer}.gain"], w[f"stem.{layer}.bias"])


def classify(w: Parameters, x: Tensor) -> Tensor:
    """Global average pooling and the linear layer: x [T, C, N, H, W] -> logits [T, N, way]."""
    return linear(w, pooled(x))


def pooled(x: Tensor) -> Tensor:
    """Global average pooling: x [T, C, N, H, W] -> features [T, N, C]."""
    return x.mean(dim=(-2, -1)).transpose(1, 2)


def linear(w: Parameters, features: Tensor) -> Tensor:
    """The linear layer: features [T, N, C] -> logits [T, N, way]."""
    return torch.baddbmm(w["classifier.bias"].unsqueeze(1), features, w["classifier.weight"].transpose(1, 2))
