"""The network of a genotype: two operations per node, affine batch norm, no norm behind pools (Section 5.2.1)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from tnas_cli.spaces import operations as ops
from tnas_cli.spaces.genotype import CELLS, Genotype
from tnas_cli.spaces.parameters import Parameters, Spec
from tnas_cli.spaces.search_network import CONVOLUTIONS
from tnas_cli.spaces.stem import classifier_specs, linear, pooled, stem, stem_specs, stem_widths

_CONVOLUTION = {name: (kernel, dilation, repeats) for name, kernel, dilation, repeats in CONVOLUTIONS}


@dataclass(frozen=True)
class DecodedNetwork:
    """f(x; w) for images of any size from 20 to 224 pixels; `channels` is the normal cell's width."""

    genotype: Genotype
    way: int
    in_channels: int
    channels: int = 16

    def specs(self) -> dict[str, Spec]:
        """Shapes of all weights w."""
        nodes = self.genotype.nodes
        stem_out = stem_widths(self.channels)[1]
        specs = stem_specs(self.in_channels, self.channels)
        inputs = {"normal": (stem_out, stem_out), "reduce": (stem_out, nodes * self.channels)}
        for cell, width in zip(CELLS, (self.channels, 2 * self.channels), strict=True):
            for index, fed in enumerate(inputs[cell]):
                specs[f"{cell}.input{index}"] = Spec((width, fed), fan_in=fed)
                specs |= _norm_specs(f"{cell}.input{index}", width)
            for position, (operation, source) in enumerate(self.genotype.cell(cell)):
                specs |= _edge_specs(f"{cell}.{position}", operation, width, _stride(cell, source))
        return specs | classifier_specs(2 * self.channels * nodes, self.way)

    def logits(self, parameters: Parameters, x: Tensor) -> Tensor:
        """x [T, N, C, H, W], every parameter with a leading T -> logits [T, N, way]."""
        return linear(parameters, self.features(parameters, x))

    def features(self, parameters: Parameters, x: Tensor) -> Tensor:
        """What the linear layer sees: x [T, N, C, H, W], every parameter with a leading T -> [T, N, F]."""
        s = stem(parameters, x)
        normal = self._cell(parameters, "normal", s, s)
        reduced = self._cell(parameters, "reduce", s, normal)
        return pooled(reduced.flatten(1, 2))

    def _cell(self, w: Parameters, cell: str, before: Tensor, previous: Tensor) -> Tensor:
        """Concatenation of all intermediate nodes: [T, 1, nodes * C, N, h', w']."""
        states = []
        for index, x in enumerate((before, previous)):
            name = f"{cell}.input{index}"
            states.append(_norm(w, name, ops.pointwise(F.relu(x), w[name].unsqueeze(1))))
        edges = self.genotype.cell(cell)
        for node in range(self.genotype.nodes):
            first, second = (
                _apply(w, f"{cell}.{position}", edges[position][0], states[source], _stride(cell, source))
                for position in (2 * node, 2 * node + 1)
                for source in (edges[position][1],)
            )
            states.append(first + second)
        return torch.cat(states[2:], dim=2)


def _stride(cell: str, source: int) -> int:
    """The reduction cell halves the size on edges that leave one of its inputs."""
    return 2 if cell == "reduce" and source < 2 else 1


def _norm_specs(prefix: str, width: int) -> dict[str, Spec]:
    return {f"{prefix}.gain": Spec((width,), "ones"), f"{prefix}.bias": Spec((width,), "zeros")}


def _norm(w: Parameters, prefix: str, y: Tensor) -> Tensor:
    return ops.batch_norm(y, w[f"{prefix}.gain"], w[f"{prefix}.bias"])


def _edge_specs(prefix: str, operation: str, width: int, stride: int) -> dict[str, Spec]:
    specs: dict[str, Spec] = {}
    if operation in _CONVOLUTION:
        kernel, _, repeats = _CONVOLUTION[operation]
        for i in range(repeats):
            specs[f"{prefix}.{i}.depthwise"] = Spec((width, kernel, kernel), fan_in=kernel * kernel)
            specs[f"{prefix}.{i}.pointwise"] = Spec((width, width), fan_in=width)
            specs |= _norm_specs(f"{prefix}.{i}", width)
    elif operation == "skip_connect" and stride == 2:
        specs[f"{prefix}.skip"] = Spec((2, width // 2, width), fan_in=width)
        specs |= _norm_specs(prefix, width)
    return specs


def _apply(w: Parameters, prefix: str, operation: str, x: Tensor, stride: int) -> Tensor:
    """One operation on one edge: x [T, 1, C, N, H, W] -> [T, 1, C, N, H', W']."""
    if operation == "max_pool_3x3":
        return ops.max_pool(x, stride)
    if operation == "avg_pool_3x3":
        return ops.avg_pool(x, stride)
    if operation == "skip_connect":
        if stride == 1:
            return x
        return _norm(w, prefix, ops.factorised_reduce(F.relu(x), w[f"{prefix}.skip"].unsqueeze(1)))
    _, dilation, repeats = _CONVOLUTION[operation]
    for i in range(repeats):
        taps, weight = w[f"{prefix}.{i}.depthwise"], w[f"{prefix}.{i}.pointwise"]
        y = ops.separable(F.relu(x), taps.unsqueeze(1), weight.unsqueeze(1), stride if i == 0 else 1, dilation)
        x = _norm(w, f"{prefix}.{i}", y)
    return x
