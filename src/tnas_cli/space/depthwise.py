"""Depthwise convolution of many small images with weights of their own per task, edge and channel.

Library kernels for depthwise convolution are slow on small images, their backward pass above all. On a small image the
convolution of one channel is a matrix product instead: pixels [N, P] times a banded matrix [P, P'] that holds the taps.
The banded matrix is linear in the taps, so autograd gives every derivative, of any order, as matrix products too.
"""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

#: Up to this many input pixels the matrix product is used; docs/decisions/banded-depthwise.md says why and how fast.
LARGEST_BANDED = 144


def padding_of(kernel: int, dilation: int) -> int:
    """Padding that keeps the size at stride 1."""
    return dilation * (kernel - 1) // 2


def output_size(size: int, stride: int) -> int:
    """Side of the output of a convolution or pool that keeps the size at stride 1."""
    return (size - 1) // stride + 1


def depthwise(x: Tensor, taps: Tensor, stride: int, dilation: int) -> Tensor:
    """Convolve each channel with its own k x k taps, zero padding, size kept at stride 1.

    x [..., C, N, H, W] and taps [..., C, k, k] share their leading dimensions; returns [..., C, N, H', W'].
    """
    height, width = x.shape[-2:]
    # Tensors without data count arithmetic: there the convolution itself counts, not the way it is computed.
    if height * width <= LARGEST_BANDED and not x.is_meta:
        return _banded(x, taps, stride, dilation)
    return _library(x, taps, stride, dilation)


def _banded(x: Tensor, taps: Tensor, stride: int, dilation: int) -> Tensor:
    *lead, images, height, width = x.shape
    kernel = taps.shape[-1]
    basis = _basis(height, width, kernel, stride, dilation, x.dtype, x.device)  # [k*k, P*P']
    pixels = height * width
    bands = taps.reshape(-1, kernel * kernel) @ basis  # [B, P*P']
    bands = bands.reshape(bands.shape[0], pixels, -1)  # [B, P, P']
    y = torch.bmm(x.reshape(-1, images, pixels), bands)  # [B, N, P']
    return y.reshape(*lead, images, output_size(height, stride), output_size(width, stride))


@lru_cache(maxsize=64)
def _basis(
    height: int, width: int, kernel: int, stride: int, dilation: int, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """0/1 matrix [k*k, P*P'] that spreads k x k taps over the banded matrix [P, P']."""
    rows = _basis_1d(height, kernel, stride, dilation)  # [k, H, H']
    columns = _basis_1d(width, kernel, stride, dilation)  # [k, W, W']
    basis = torch.einsum("ahp,bwq->abhwpq", rows, columns)  # [k, k, H, W, H', W']
    return basis.reshape(kernel * kernel, -1).to(device, dtype)


def _basis_1d(size: int, kernel: int, stride: int, dilation: int) -> Tensor:
    """1 where tap t takes input pixel i to output pixel o: [k, size, size']."""
    tap = torch.arange(kernel)[:, None, None]
    pixel = torch.arange(size)[None, :, None]
    out = torch.arange(output_size(size, stride))[None, None, :]
    return (pixel == out * stride + tap * dilation - padding_of(kernel, dilation)).double()


def _library(x: Tensor, taps: Tensor, stride: int, dilation: int) -> Tensor:
    *lead, images, height, width = x.shape
    kernel = taps.shape[-1]
    flat = x.reshape(-1, images, height, width).transpose(0, 1)  # [N, B, H, W]
    y = F.conv2d(
        flat,
        taps.reshape(-1, 1, kernel, kernel),
        stride=stride,
        padding=padding_of(kernel, dilation),
        dilation=dilation,
        groups=flat.shape[1],
    )
    return y.transpose(0, 1).reshape(*lead, images, *y.shape[-2:])
