"""Activations with images in front and channels last in memory, as the kernels for large images read and write fastest.

Every step between [T, E, C, N, H, W] and this layout is a view if the memory is already laid out that way.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def channels_last(x: Tensor) -> Tensor:
    """[T, E, C, N, H, W] -> [N, T*E*C, H, W]; no copy if channels are last in memory already."""
    return x.permute(3, 0, 1, 2, 4, 5).flatten(1, 3).contiguous(memory_format=torch.channels_last)


def as_branches(x: Tensor, tasks: int, branches: int) -> Tensor:
    """The way back, always without a copy: [N, T*E*C, H, W] -> [T, E, C, N, H, W]."""
    return torch.unflatten(x, 1, (tasks, branches, -1)).permute(1, 2, 3, 0, 4, 5)


def normalise(x: Tensor, gain: Tensor | None, bias: Tensor | None, epsilon: float) -> Tensor:
    """Batch norm with the statistics of x [N, C, H, W]; gain and bias [C] or None."""
    if x.device.type == "cpu" and x.dtype == torch.float32:
        y: Tensor = _BatchNorm.apply(x, gain, bias, epsilon)
        return y
    return F.batch_norm(x, None, None, gain, bias, training=True, eps=epsilon)


class _BatchNorm(torch.autograd.Function):
    """Batch norm whose statistics are summed in two stages: in this layout the library adds number after number, which
    on large images costs three of float32's seven digits."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gain: Tensor | None, bias: Tensor | None, epsilon: float) -> Tensor:
        mean = _means(x)
        variance = _means((x - mean[:, None, None]).square_())
        ctx.save_for_backward(x, gain, mean, torch.rsqrt(variance + epsilon))
        ctx.epsilon = epsilon
        return F.batch_norm(x, mean, variance, gain, bias, training=False, eps=epsilon)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, gain, mean, inverse = ctx.saved_tensors
        needed = list(ctx.needs_input_grad[:3])
        found = torch.ops.aten.native_batch_norm_backward(
            dy, x, gain, None, None, mean, inverse, True, ctx.epsilon, needed
        )
        return (*(gradient if need else None for gradient, need in zip(found, needed, strict=True)), None)


def _means(x: Tensor) -> Tensor:
    """Mean of each channel: x [N, C, H, W] -> [C].

    First over images, then over pixels, so that the order in which a channel's numbers are added does not depend on how
    many channels of other tasks are next to it (except for some small images of few channels).
    """
    images, channels, height, width = x.shape
    pixels = x.permute(0, 2, 3, 1).reshape(images, -1).sum(0).reshape(-1, channels)  # [H*W, C]
    return pixels.t().contiguous().sum(1) / (images * height * width)
