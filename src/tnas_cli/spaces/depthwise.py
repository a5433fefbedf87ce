"""Depthwise convolution of many small images with weights of their own per task, edge and channel.

Library kernels for the backward pass of a depthwise convolution are slow. On a small image the convolution of one
channel is a matrix product instead: pixels [N, P] times a banded matrix [P, P'] that holds the taps. The banded matrix
is linear in the taps, so autograd gives every derivative, of any order, as matrix products too. Where the library's
forward pass is fast, larger images take it, for all derivatives as well.
"""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from tnas_cli.spaces.single_channel import convolve_each

#: Up to this many input pixels the matrix product is used; docs/decisions/banded-depthwise.md says why and how fast.
LARGEST_BANDED = 144

#: Up to this many numbers in the banded matrix, where the alternative is a fast forward pass.
LARGEST_BAND = 1024


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
    pixels = height * width
    if is_described(x):
        return _library(x, taps, stride, dilation)
    if _has_fast_forward(x) and pixels * output_size(height, stride) * output_size(width, stride) > LARGEST_BAND:
        return _forward_only(x, taps, stride, dilation)
    return (_banded if pixels <= LARGEST_BANDED else _library)(x, taps, stride, dilation)


def is_described(x: Tensor) -> bool:
    """Whether what is computed is counted (a tensor without data) or exported: then a convolution or a pool is to stand
    for itself, however it is computed otherwise."""
    return x.is_meta or torch.compiler.is_exporting()


def _has_fast_forward(x: Tensor) -> bool:
    """oneDNN's depthwise kernels: the CPU, single precision."""
    return x.device.type == "cpu" and x.dtype == torch.float32 and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]


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


@lru_cache(maxsize=64)
def mean_basis(height: int, width: int, kernel: int, stride: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Matrix [P, P'] that takes the mean over each k x k window, not counting the padding."""
    counted = _basis(height, width, kernel, stride, 1, torch.float64, torch.device("cpu")).sum(0)
    counted = counted.reshape(height * width, -1)
    return (counted / counted.sum(0)).to(device, dtype)


def _basis_1d(size: int, kernel: int, stride: int, dilation: int) -> Tensor:
    """1 where tap t takes input pixel i to output pixel o: [k, size, size']."""
    tap = torch.arange(kernel)[:, None, None]
    pixel = torch.arange(size)[None, :, None]
    out = torch.arange(output_size(size, stride))[None, None, :]
    return (pixel == out * stride + tap * dilation - padding_of(kernel, dilation)).double()


def _forward_only(x: Tensor, taps: Tensor, stride: int, dilation: int) -> Tensor:
    *lead, images, height, width = x.shape
    # Taps that meet no pixel would only make the kernels slower; with their padding the library leaves its fast path.
    rows, columns = _meeting(taps.shape[-2], dilation, height), _meeting(taps.shape[-1], dilation, width)
    each = taps[..., rows, columns].unsqueeze(-3)  # [..., C, 1, k', l']
    each = each.expand(*lead, images, *each.shape[-2:]).flatten(0, -3)  # [M, k', l']
    y = convolve_each(x.flatten(0, -3), each, stride, dilation)  # [M, H', W']
    return y.reshape(*lead, images, *y.shape[-2:])


def _meeting(kernel: int, dilation: int, size: int) -> slice:
    """The taps that meet a pixel of an image of this size somewhere."""
    reach = min(kernel // 2, (size - 1) // dilation)
    return slice(kernel // 2 - reach, kernel // 2 + reach + 1)


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
