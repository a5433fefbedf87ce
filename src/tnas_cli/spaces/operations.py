"""The building blocks of the networks, for many tasks at once (Section 5.2.1).

Activations are [T, E, C, N, H, W]: tasks, parallel branches, channels, images, height, width. Weights carry the same
leading [T, E]. With images after channels, every block is a batch of matrix products without a transposition.

The blocks of the stem (convolve, halve, and batch_norm between them) take and give the same shapes, but leave channels
last in memory.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from tnas_cli.spaces.channels_last import as_branches, channels_last, normalise
from tnas_cli.spaces.depthwise import LARGEST_BANDED, depthwise, is_described, mean_basis, output_size
from tnas_cli.spaces.moments import Moments, source

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

    The result is channels last in memory.
    """
    y = F.conv2d(channels_last(x.unsqueeze(1)), weight.flatten(0, 1), padding=1, groups=x.shape[0])
    return as_branches(y, x.shape[0], 1).squeeze(1)


def full(x: Tensor, weight: Tensor, stride: tuple[int, int]) -> Tensor:
    """Convolution of all channels, size kept at stride 1: x [T, E, C, N, H, W], weight [T, E, O, C, k, l] of odd sides
    -> [T, E, O, N, H', W']."""
    tasks, branches = x.shape[:2]
    padding = weight.shape[-2] // 2, weight.shape[-1] // 2
    y = F.conv2d(channels_last(x), weight.flatten(0, 2), stride=stride, padding=padding, groups=tasks * branches)
    return as_branches(y, tasks, branches).contiguous()


def batch_norm(x: Tensor, gain: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
    """Normalise each task's, branch's and channel's values over its images and pixels; moments of this batch only.

    x [T, E, C, N, H, W]; gain and bias [T, E, C] or None. The variance is the biased one, epsilon 1e-5. `moments.py`
    has the blocks in which moments come from other images.
    """
    moments = source()
    if moments is not None:
        return _normalised(x, moments(x), gain, bias)
    gain = None if gain is None else gain.flatten()
    bias = None if bias is None else bias.flatten()
    if x.stride(2) == 1:
        return as_branches(normalise(channels_last(x), gain, bias, EPSILON), *x.shape[:2])
    # A group norm of rows is the same and several times as fast as a batch norm of them.
    rows = x.reshape(1, -1, x[0, 0, 0].numel())  # [1, T*E*C, N*H*W]
    return F.group_norm(rows, rows.shape[1], gain, bias, eps=EPSILON).reshape(x.shape)


def _normalised(x: Tensor, moments: Moments, gain: Tensor | None, bias: Tensor | None) -> Tensor:
    y = (x - moments.mean) * (moments.variance + EPSILON).rsqrt()
    each = (*x.shape[:3], 1, 1, 1)  # gain and bias are [T, E, C], or [T, C] with E = 1
    if gain is not None:
        y = y * gain.reshape(each)
    return y if bias is None else y + bias.reshape(each)


def separable(x: Tensor, taps: Tensor, weight: Tensor, stride: int, dilation: int) -> Tensor:
    """Depthwise k x k then pointwise convolution of an already rectified x [T, E, C, N, H, W]."""
    return pointwise(depthwise(x, taps, stride, dilation), weight)


def halve(x: Tensor, *, ceil: bool = False) -> Tensor:
    """Maximum of each 2 x 2 pixels; an odd last row or column is left out, or with `ceil` counts by itself:
    [T, E, C, N, H, W] -> [T, E, C, N, H / 2, W / 2], channels last in memory."""
    return as_branches(F.max_pool2d(channels_last(x), 2, ceil_mode=ceil), *x.shape[:2])


def max_pool(x: Tensor, stride: int) -> Tensor:
    """3 x 3 maximum, size kept at stride 1: [T, E, C, N, H, W] -> [T, E, C, N, H', W']."""
    y = F.max_pool2d(_planes_last(x), 3, stride=stride, padding=1).contiguous()
    return y.reshape(*x.shape[:4], *y.shape[-2:])


def max_pool_2(x: Tensor, stride: int) -> Tensor:
    """Maximum of each pixel and those to the right and below, size kept at stride 1: [T, E, C, N, H, W] ->
    [T, E, C, N, H', W']."""
    y = F.max_pool2d(F.pad(x.flatten(0, 3).unsqueeze(0), (0, 1, 0, 1), value=-math.inf), 2, stride)
    return y.reshape(*x.shape[:4], *y.shape[-2:])


def avg_pool(x: Tensor, stride: int) -> Tensor:
    """3 x 3 mean that does not count the padding: [T, E, C, N, H, W] -> [T, E, C, N, H', W']."""
    height, width = x.shape[-2:]
    if height * width <= LARGEST_BANDED and not is_described(x):
        means = x.flatten(-2) @ mean_basis(height, width, 3, stride, x.dtype, x.device)  # [T, E, C, N, P']
        return torch.unflatten(means, -1, (output_size(height, stride), -1))
    y = F.avg_pool2d(_planes_last(x), 3, stride=stride, padding=1, count_include_pad=False).contiguous()
    return y.reshape(*x.shape[:4], *y.shape[-2:])


def _planes_last(x: Tensor) -> Tensor:
    """[T, E, C, N, H, W] -> [1, T*E*C*N, H, W] channels last: the kernels for this layout do many planes at a time."""
    return x.reshape(1, -1, *x.shape[-2:]).contiguous(memory_format=torch.channels_last)


def factorised_reduce(x: Tensor, weight: Tensor) -> Tensor:
    """Halve the size: two 1 x 1 stride-2 convolutions, the second offset by one pixel, concatenated.

    x [T, E, C, N, H, W] already rectified, weight [T, E, 2, O/2, C]; odd sides are padded by a zero row or column at
    the top left -> [T, E, O, N, ceil(H/2), ceil(W/2)].
    """
    height, width = x.shape[-2:]
    x = F.pad(x, (width % 2, 0, height % 2, 0))
    quarters = x.reshape(*x.shape[:4], x.shape[4] // 2, 2, x.shape[5] // 2, 2)
    (even, _), (_, odd) = (row.unbind(-1) for row in quarters.unbind(-3))
    return torch.cat([pointwise(even, weight[:, :, 0]), pointwise(odd, weight[:, :, 1])], dim=2)
