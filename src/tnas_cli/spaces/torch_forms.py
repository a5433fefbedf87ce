"""The PyTorch form of each form of operation: in the search network, in a decoded network, and as a module.

In the search network an edge's operation is weighted by its share; in a decoded network its norms have a gain and a
bias; DARTS's evaluation network (Appendix D) is made of modules. Activations are [T, E, C, N, H, W] except in modules.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tnas_cli.spaces import operations as ops
from tnas_cli.spaces.darts_operations import FactorisedReduce
from tnas_cli.spaces.parameters import Parameters


@dataclass(frozen=True)
class Leaving:
    """Some states and the edges that leave them, source by source, `per_source` each.

    states [T, S, C, N, h, w]; rectified: the same after ReLU; fanned: that once per edge [T, E, C, N, h, w].
    """

    states: Tensor
    rectified: Tensor
    fanned: Tensor
    per_source: int

    @classmethod
    def of(cls, states: Tensor, edges: int) -> Leaving:
        """`edges` edges that leave these states."""
        per_source = edges // states.shape[1]
        rectified = F.relu(states)
        fanned = rectified.unsqueeze(2).expand(-1, -1, per_source, *rectified.shape[2:]).flatten(1, 2)
        return cls(states, rectified, fanned, per_source)


class TorchForm(ABC):
    """What an operation computes."""

    def shared(self, states: Tensor, stride: int) -> Tensor:
        """Where it has no weights, what all edges that leave a state carry in the search network:
        [T, S, C, N, h, w] -> [T, S, C, N, h', w']."""
        raise NotImplementedError(f"{type(self).__name__} has weights of each edge's own")

    def searched(self, x: Leaving, w: Parameters, gain: Tensor, stride: int) -> Tensor:
        """Where it has weights [T, E, ...] of each edge's own: [T, E, C, N, h', w'].

        The last norm is multiplied by gain [T, E, C].
        """
        raise NotImplementedError(f"{type(self).__name__} has no weights")

    @abstractmethod
    def decoded(self, x: Tensor, w: Parameters, prefix: str, stride: int) -> Tensor:
        """On one edge, by the weights whose names begin with `prefix`: [T, 1, C, N, H, W] -> [T, 1, C, N, H', W']."""

    @abstractmethod
    def module(self, channels: int, stride: int) -> nn.Module:
        """[N, C, H, W] -> [N, C, H', W'], with norms that keep running statistics."""


def affine_norm(w: Parameters, prefix: str, y: Tensor) -> Tensor:
    """Batch norm with the gain and bias of that name."""
    return ops.batch_norm(y, w[f"{prefix}.gain"], w[f"{prefix}.bias"])


class Nothing(TorchForm):
    """Zero: it has no part in a sum."""

    def decoded(self, x: Tensor, w: Parameters, prefix: str, stride: int) -> Tensor:
        """Zeros."""
        return torch.zeros_like(x[..., ::stride, ::stride])

    def module(self, channels: int, stride: int) -> nn.Module:
        """Zeros, of half the size at stride 2."""
        return _Zero(stride)


class _Zero(nn.Module):
    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x[..., :: self.stride, :: self.stride])


class Identity(TorchForm):
    """The state itself, or a factorised reduction of it."""

    def shared(self, states: Tensor, stride: int) -> Tensor:
        """Itself."""
        return states

    def searched(self, x: Leaving, w: Parameters, gain: Tensor, stride: int) -> Tensor:
        """All edges that leave a source in one product: skip [T, S * per_source, 2, O/2, C]."""
        by_source = torch.unflatten(w["skip"], 1, (-1, x.per_source))  # [T, S, per_source, 2, O/2, C]
        side_by_side = by_source.transpose(2, 3).flatten(3, 4)  # [T, S, 2, per_source * O/2, C]
        y = ops.factorised_reduce(x.rectified, side_by_side)  # [T, S, 2 * per_source * O/2, N, h', w']
        by_edge = torch.unflatten(y, 2, (2, x.per_source, -1)).transpose(2, 3)
        skip = by_edge.flatten(3, 4).flatten(1, 2)  # [T, S * per_source, O, N, h', w']
        return ops.batch_norm(skip, gain)

    def decoded(self, x: Tensor, w: Parameters, prefix: str, stride: int) -> Tensor:
        """Itself at stride 1."""
        if stride == 1:
            return x
        return affine_norm(w, prefix, ops.factorised_reduce(F.relu(x), w[f"{prefix}.skip"].unsqueeze(1)))

    def module(self, channels: int, stride: int) -> nn.Module:
        """Drop-path keeps an `nn.Identity`."""
        return nn.Identity() if stride == 1 else FactorisedReduce(channels, channels)


@dataclass(frozen=True)
class Pool(TorchForm):
    """Maximum or mean of 3 x 3, or maximum of 2 x 2."""

    of: Literal["max", "mean"]
    size: int

    def shared(self, states: Tensor, stride: int) -> Tensor:
        """Pool and norm."""
        return ops.batch_norm(self._pool(states, stride))

    def decoded(self, x: Tensor, w: Parameters, prefix: str, stride: int) -> Tensor:
        """No norm follows."""
        return self._pool(x, stride)

    def module(self, channels: int, stride: int) -> nn.Module:
        """PyTorch's own, but for 2 x 2."""
        if self.size == 2:
            return _MaxPool2(stride)
        if self.of == "max":
            return nn.MaxPool2d(3, stride, padding=1)
        return nn.AvgPool2d(3, stride, padding=1, count_include_pad=False)

    def _pool(self, x: Tensor, stride: int) -> Tensor:
        if self.size == 2:
            return ops.max_pool_2(x, stride)
        return ops.max_pool(x, stride) if self.of == "max" else ops.avg_pool(x, stride)


class _MaxPool2(nn.Module):
    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool2d(F.pad(x, (0, 1, 0, 1), value=-math.inf), 2, self.stride)


@dataclass(frozen=True)
class Separable(TorchForm):
    """ReLU, depthwise and pointwise convolution, norm, some times; the first time has the stride."""

    size: int
    dilation: int
    repeats: int

    def searched(self, x: Leaving, w: Parameters, gain: Tensor, stride: int) -> Tensor:
        """Norms but the last one are plain."""
        y = x.fanned
        for i in range(self.repeats):
            y = ops.separable(
                F.relu(y) if i else y, w[f"{i}.depthwise"], w[f"{i}.pointwise"], 1 if i else stride, self.dilation
            )
            y = ops.batch_norm(y, gain if i == self.repeats - 1 else None)
        return y

    def decoded(self, x: Tensor, w: Parameters, prefix: str, stride: int) -> Tensor:
        """All norms are affine."""
        for i in range(self.repeats):
            taps, weight = w[f"{prefix}.{i}.depthwise"], w[f"{prefix}.{i}.pointwise"]
            step = 1 if i else stride
            y = ops.separable(F.relu(x), taps.unsqueeze(1), weight.unsqueeze(1), step, self.dilation)
            x = affine_norm(w, f"{prefix}.{i}", y)
        return x

    def module(self, channels: int, stride: int) -> nn.Module:
        """As in DARTS's own file."""
        layers: list[nn.Module] = []
        for repeat in range(self.repeats):
            step, padding = (1 if repeat else stride), self.dilation * (self.size // 2)
            layers += [
                nn.ReLU(),
                nn.Conv2d(channels, channels, self.size, step, padding, self.dilation, groups=channels, bias=False),
                nn.Conv2d(channels, channels, 1, bias=False),
                nn.BatchNorm2d(channels),
            ]
        return nn.Sequential(*layers)


class Pointwise(TorchForm):
    """ReLU, 1 x 1 convolution, norm."""

    def searched(self, x: Leaving, w: Parameters, gain: Tensor, stride: int) -> Tensor:
        """One product on all edges."""
        return ops.batch_norm(ops.pointwise(x.fanned[..., ::stride, ::stride], w["0.pointwise"]), gain)

    def decoded(self, x: Tensor, w: Parameters, prefix: str, stride: int) -> Tensor:
        """With an affine norm."""
        every = F.relu(x[..., ::stride, ::stride])
        return affine_norm(w, f"{prefix}.0", ops.pointwise(every, w[f"{prefix}.0.pointwise"].unsqueeze(1)))

    def module(self, channels: int, stride: int) -> nn.Module:
        """With a stride."""
        convolution = nn.Conv2d(channels, channels, 1, stride, bias=False)
        return nn.Sequential(nn.ReLU(), convolution, nn.BatchNorm2d(channels))


@dataclass(frozen=True)
class Crossed(TorchForm):
    """ReLU, a row of taps, a column of taps, norm."""

    size: int

    def searched(self, x: Leaving, w: Parameters, gain: Tensor, stride: int) -> Tensor:
        """Both convolutions on all edges."""
        return ops.batch_norm(self._convolve(x.fanned, w["0.row"], w["0.column"], stride), gain)

    def decoded(self, x: Tensor, w: Parameters, prefix: str, stride: int) -> Tensor:
        """With an affine norm."""
        row, column = (w[f"{prefix}.0.{name}"].unsqueeze(1) for name in ("row", "column"))
        return affine_norm(w, f"{prefix}.0", self._convolve(F.relu(x), row, column, stride))

    def _convolve(self, x: Tensor, row: Tensor, column: Tensor, stride: int) -> Tensor:
        y = ops.full(x, row.unsqueeze(-2), (1, stride))
        return ops.full(y, column.unsqueeze(-1), (stride, 1))

    def module(self, channels: int, stride: int) -> nn.Module:
        """As in DARTS's own file."""
        reach = self.size // 2
        return nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(channels, channels, (1, self.size), (1, stride), (0, reach), bias=False),
            nn.Conv2d(channels, channels, (self.size, 1), (stride, 1), (reach, 0), bias=False),
            nn.BatchNorm2d(channels),
        )


@dataclass(frozen=True)
class Bottleneck(TorchForm):
    """Convolutions of all channels; `between` gives taps and strides of those between the first and the last for a
    stride: (rows, columns, down, across)."""

    between: Callable[[int], tuple[tuple[int, int, int, int], ...]]

    def searched(self, x: Leaving, w: Parameters, gain: Tensor, stride: int) -> Tensor:
        """Norms but the last one are plain."""
        y = x.fanned
        steps = self._steps(stride)
        for i, (_, _, down, across) in enumerate(steps):
            y = ops.full(F.relu(y) if i else y, w[f"{i}.conv"], (down, across))
            y = ops.batch_norm(y, gain if i == len(steps) - 1 else None)
        return y

    def decoded(self, x: Tensor, w: Parameters, prefix: str, stride: int) -> Tensor:
        """All norms are affine."""
        for i, (_, _, down, across) in enumerate(self._steps(stride)):
            y = ops.full(F.relu(x), w[f"{prefix}.{i}.conv"].unsqueeze(1), (down, across))
            x = affine_norm(w, f"{prefix}.{i}", y)
        return x

    def module(self, channels: int, stride: int) -> nn.Module:
        """Each with its ReLU and norm."""
        layers: list[nn.Module] = []
        steps = self._steps(stride)
        for i, (rows, columns, down, across) in enumerate(steps):
            narrow = max(1, channels // 4)
            fed, to = (narrow if i else channels), (channels if i == len(steps) - 1 else narrow)
            padding = rows // 2, columns // 2
            convolution = nn.Conv2d(fed, to, (rows, columns), (down, across), padding, bias=False)
            layers += [nn.ReLU(), convolution, nn.BatchNorm2d(to)]
        return nn.Sequential(*layers)

    def _steps(self, stride: int) -> tuple[tuple[int, int, int, int], ...]:
        return ((1, 1, 1, 1), *self.between(stride), (1, 1, 1, 1))
