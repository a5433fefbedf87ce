"""What stands before and behind the cells in both networks: the stem and the classifier (Section 5.2.1)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tnas_cli.spaces.operations import batch_norm, convolve, halve
from tnas_cli.spaces.parameters import Parameters, Spec


def stem_widths(channels: int) -> tuple[int, int]:
    """Channels of the stem's two convolutions: 1.5 and 3 times the normal cell's channels."""
    return (3 * channels // 2, 3 * channels)


def stem_specs(in_channels: int, channels: int) -> dict[str, Spec]:
    """Convolution 3 x 3, affine batch norm, twice."""
    first, second = stem_widths(channels)
    return {
        "stem.0.conv": Spec((first, in_channels, 3, 3), fan_in=9 * in_channels),
        "stem.0.gain": Spec((first,), "ones"),
        "stem.0.bias": Spec((first,), "zeros"),
        "stem.1.conv": Spec((second, first, 3, 3), fan_in=9 * first),
        "stem.1.gain": Spec((second,), "ones"),
        "stem.1.bias": Spec((second,), "zeros"),
    }


def stem(w: Parameters, x: Tensor) -> Tensor:
    """Convolution, batch norm, max-pool, ReLU, convolution, batch norm, max-pool.

    x [T, N, C, H, W] -> [T, 1, 3 * channels, N, H // 4, W // 4].
    """
    y = halve(_normed(w, 0, convolve(x.transpose(1, 2), w["stem.0.conv"])))  # [T, 1, C1, N, H/2, W/2]
    y = convolve(F.relu(y).flatten(1, 2), w["stem.1.conv"])
    return halve(_normed(w, 1, y)).contiguous()


def _normed(w: Parameters, layer: int, y: Tensor) -> Tensor:
    return batch_norm(y.unsqueeze(1), w[f"stem.{layer}.gain"], w[f"stem.{layer}.bias"])


def classifier_specs(features: int, way: int) -> dict[str, Spec]:
    """One linear layer."""
    return {
        "classifier.weight": Spec((way, features), fan_in=features),
        "classifier.bias": Spec((way,), fan_in=features),
    }


def classify(w: Parameters, x: Tensor) -> Tensor:
    """Global average pooling and the linear layer: x [T, C, N, H, W] -> logits [T, N, way]."""
    return linear(w, pooled(x))


def pooled(x: Tensor) -> Tensor:
    """Global average pooling: x [T, C, N, H, W] -> features [T, N, C]."""
    return x.mean(dim=(-2, -1)).transpose(1, 2)


def linear(w: Parameters, features: Tensor) -> Tensor:
    """The linear layer: features [T, N, C] -> logits [T, N, way]."""
    return torch.baddbmm(w["classifier.bias"].unsqueeze(1), features, w["classifier.weight"].transpose(1, 2))
