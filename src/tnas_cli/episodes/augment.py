"""Random changes of training images, for a whole batch at once.

x is [N, C, H, W]. Every function draws from the CPU generator it is given, so a batch changes in the same way on any
device. Pixels are 0..1 unless a function says otherwise.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def random_shift(x: Tensor, padding: int, generator: torch.Generator) -> Tensor:
    """Move each image by up to `padding` pixels in both directions; black fills the gap."""
    if padding == 0:
        return x
    images, _, height, width = x.shape
    top, left = torch.randint(0, 2 * padding + 1, (2, images), generator=generator).to(x.device)
    rows = (top[:, None] + torch.arange(height, device=x.device))[:, None, :, None]  # [N, 1, H, 1]
    columns = (left[:, None] + torch.arange(width, device=x.device))[:, None, None, :]  # [N, 1, 1, W]
    padded = F.pad(x, (padding,) * 4)
    rows = rows.expand(-1, x.shape[1], -1, padded.shape[3])
    return padded.gather(2, rows).gather(3, columns.expand(-1, x.shape[1], height, -1))


def random_flip(x: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror each image left to right with probability 1/2."""
    flipped = (torch.rand(x.shape[0], generator=generator) < 0.5).to(x.device)
    return torch.where(flipped[:, None, None, None], x.flip(3), x)


def random_resized(x: Tensor, generator: torch.Generator, *, least: float = 0.08, ratio: float = 4 / 3) -> Tensor:
    """Crop a random part of each image and enlarge it to the size of the image.

    The part has `least` to all of the area, and an aspect ratio of up to `ratio` : 1 either way. It is clipped where it
    would be wider or higher than the image.
    """
    images = x.shape[0]
    draws = torch.rand(4, images, generator=generator)
    area = least + (1 - least) * draws[0]
    shape = torch.exp((2 * draws[1] - 1) * math.log(ratio))
    width, height = (area * shape).sqrt().clamp(max=1), (area / shape).sqrt().clamp(max=1)  # shares of the image
    across, down = (1 - width) * (2 * draws[2] - 1), (1 - height) * (2 * draws[3] - 1)  # the middle, -1..1
    nothing = torch.zeros(images)
    affine = torch.stack([width, nothing, across, nothing, height, down], dim=1).view(images, 2, 3)
    grid = F.affine_grid(affine, list(x.shape), align_corners=False)
    y: Tensor = F.grid_sample(x, grid.to(x.device, x.dtype), padding_mode="border", align_corners=False)
    return y


def colour_jitter(x: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Scale brightness, contrast and saturation, in this order, each by a factor of 1 - strength to 1 + strength."""
    if strength == 0 or x.shape[1] != 3:
        return x
    factors = 1 + strength * (2 * torch.rand(3, x.shape[0], generator=generator) - 1)
    bright, contrast, saturation = factors.to(x.device, x.dtype)[:, :, None, None, None]
    x = (x * bright).clamp(0, 1)
    mean = _gray(x).mean(dim=(2, 3), keepdim=True)
    x = (mean + contrast * (x - mean)).clamp(0, 1)
    gray = _gray(x)
    mixed: Tensor = gray + saturation * (x - gray)
    return mixed.clamp(0, 1)


def _gray(x: Tensor) -> Tensor:
    gray: Tensor = x * x.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    return gray.sum(1, keepdim=True)


def cutout(x: Tensor, length: int, generator: torch.Generator) -> Tensor:
    """Set a square of `length` pixels a side around a random pixel to 0, cut at the border (DeVries and Taylor, 2017).

    x is normalised, so that 0 is the data set's mean.
    """
    if length == 0:
        return x
    images, _, height, width = x.shape
    draws = torch.rand(2, images, generator=generator)
    row, column = (draws[0] * height).long().to(x.device), (draws[1] * width).long().to(x.device)

    def near(middle: Tensor, size: int) -> Tensor:
        first = middle[:, None] - length // 2
        place = torch.arange(size, device=x.device)
        return (place >= first) & (place < first + 2 * (length // 2))  # [N, size]

    hidden = near(row, height)[:, None, :, None] & near(column, width)[:, None, None, :]
    return x.masked_fill(hidden, 0)
