"""The parts before and after the cells of DARTS's evaluation network, as modules (Appendix D).

x is [N, C, H, W] everywhere. Batch norm is affine and keeps running statistics, unlike in the networks of Section 5.2.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def relu_conv_norm(fed: int, channels: int) -> nn.Module:
    """ReLU, 1 x 1 convolution, batch norm: makes an input of a cell as wide as the cell."""
    return nn.Sequential(nn.ReLU(), nn.Conv2d(fed, channels, 1, bias=False), nn.BatchNorm2d(channels))


class FactorisedReduce(nn.Module):
    """Half the size: ReLU, two 1 x 1 stride-2 convolutions, the second shifted by a pixel, joined, batch norm.

    An odd side is padded by a zero row or column at the top left; an odd width has its larger half first.
    """

    def __init__(self, fed: int, channels: int) -> None:
        super().__init__()
        self.even = nn.Conv2d(fed, channels - channels // 2, 1, stride=2, bias=False)
        self.odd = nn.Conv2d(fed, channels // 2, 1, stride=2, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """x [N, fed, H, W] -> [N, channels, ceil(H / 2), ceil(W / 2)]."""
        height, width = x.shape[-2:]
        x = F.pad(F.relu(x), (width % 2, 0, height % 2, 0))
        y: Tensor = self.norm(torch.cat([self.even(x), self.odd(x[:, :, 1:, 1:])], dim=1))
        return y


class AuxiliaryHead(nn.Module):
    """A second classifier on the cells after two thirds, which helps training only.

    On 8 x 8 (CIFAR) and 7 x 7 (ImageNet) maps the first pooling is DARTS's own, of 5 x 5 with stride 3 or 2; maps of
    other sizes are averaged to the same 2 x 2. `last_norm` is on for CIFAR and off for ImageNet, as Liu et al. have it.
    """

    def __init__(self, fed: int, classes: int, *, last_norm: bool) -> None:
        super().__init__()
        self.narrow = nn.Sequential(nn.Conv2d(fed, 128, 1, bias=False), nn.BatchNorm2d(128), nn.ReLU())
        norm: list[nn.Module] = [nn.BatchNorm2d(768)] if last_norm else []
        self.wide = nn.Sequential(nn.Conv2d(128, 768, 2, bias=False), *norm, nn.ReLU())
        self.classifier = nn.Linear(768, classes)

    def forward(self, x: Tensor) -> Tensor:
        """x [N, fed, H, W] -> logits [N, classes]."""
        x = F.relu(x)
        height, width = x.shape[-2:]
        stride = {(8, 8): 3, (7, 7): 2}.get((height, width))
        x = F.adaptive_avg_pool2d(x, 2) if stride is None else F.avg_pool2d(x, 5, stride)  # [N, fed, 2, 2]
        y: Tensor = self.classifier(self.wide(self.narrow(x)).flatten(1))
        return y
