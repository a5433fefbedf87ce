"""The building blocks of the networks, for many tasks at once (Section 5.2.1).

Activations are [T, E, C, N, H, W]: tasks, parallel branches, channels, images, height, width. Weights carry the same
leading [T, E]. With images behind channels every block is a batch of matrix products without a transposition.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tnas_cli.space.depthwise import depthwise

EPSILON = 1e-5


def pointwise(x: Tensor, weight: Tensor) -> Tensor:
    """1 x 1 convolution: x [T, E, C, N, H, W], weight [T, E, O, C] -> [T, E, O, N, H, W]."""
    tasks, branches, channels, images, height, width = x.shape
    flat = x.reshape(tasks * branches, channels, -1)  # [T*E, C, N*H*W]
    y = torch.bmm(weight.reshape(tasks * branches, -1, channels), flat)
    return y.reshape(tasks, branches, -1, images, height, width)


def convolve(x: Tensor, weight: Tensor) -> Tensor:
    """3 x 3 convolution that keeps the size, without branches: x [T, C, N, H, W], weight [T, O, C, 3, 3] ->
    [T, O, N, H, W].

    One matrix product per task over the nine shifted images.
    """
    tasks, channels, images, height, width = x.shape
    padded = F.pad(x, (1, 1, 1, 1))
    shifted = [padded[..., a : a + height, b : b + width] for a in range(3) for b in range(3)]
    columns = torch.stack(shifted, dim=2).reshape(tasks, channels * 9, -1)  # [T, C*9, N*H*W]
    y = torch.bmm(weight.reshape(tasks, -1, channels * 9), columns)
    return y.reshape(tasks, -1, images, height, width)


def batch_norm(x: Tensor, gain: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
    """Normalise each task's, branch's and channel's values over its images and pixels; statistics of this batch only.

    x [T, E, C, N, H, W]; gain and bias [T, E, C] or None. The variance is the biased one, epsilon 1e-5.
    """
    flat = x.reshape(1, -1, x[0, 0, 0].numel())  # [1, T*E*C, N*H*W]
    y = F.batch_norm(
        flat,
        None,
        None,
        None if gain is None else gain.reshape(-1),
        None if bias is None else bias.reshape(-1),
        training=True,
        eps=EPSILON,
    )
    return y.reshape(x.shape)


def separable(x: Tensor, taps: Tensor, weight: Tensor, stride: int, dilation: int) -> Tensor:
    """Depthwise k x k then pointwise convolution of an already rectified x [T, E, C, N, H, W]."""
    return pointwise(depthwise(x, taps, stride, dilation), weight)


def halve(x: Tensor) -> Tensor:
    """Maximum of each 2 x 2 pixels; an odd last row or column is left out: [T, E, C, N, H, W] ->
    [T, E, C, N, H // 2, W // 2]."""
    y = F.max_pool2d(x.flatten(0, 2), 2)  # [T*E*C, N, H // 2, W // 2]
    return y.reshape(*x.shape[:4], *y.shape[-2:])


def max_pool(x: Tensor, stride: int) -> Tensor:
    """3 x 3 maximum, size kept at stride 1: [T, E, C, N, H, W] -> [T, E, C, N, H', W']."""
    y = F.max_pool2d(x.flatten(0, 2), 3, stride=stride, padding=1)  # [T*E*C, N, H', W']
    return y.reshape(*x.shape[:4], *y.shape[-2:])


def avg_pool(x: Tensor, stride: int) -> Tensor:
    """3 x 3 mean that does not count the padding: [T, E, C, N, H, W] -> [T, E, C, N, H', W']."""
    y = F.avg_pool2d(x.flatten(0, 2), 3, stride=stride, padding=1, count_include_pad=False)
    return y.reshape(*x.shape[:4], *y.shape[-2:])


def factorised_reduce(x: Tensor, weight: Tensor) -> Tensor:
    """Halve the size: two 1 x 1 stride-2 convolutions, the second offset by one pixel, concatenated.

    x [T, E, C, N, H, W] already rectified, weight [T, E, 2, O/2, C]; odd sides are padded by a zero row or column at
    the top left -> [T, E, O, N, ceil(H/2), ceil(W/2)].
    """
    height, width = x.shape[-2:]
    x = F.pad(x, (width % 2, 0, height % 2, 0))
    even, odd = x[..., ::2, ::2], x[..., 1::2, 1::2]
    return torch.cat([pointwise(even, weight[:, :, 0]), pointwise(odd, weight[:, :, 1])], dim=2)
