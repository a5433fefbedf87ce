"""DARTS's evaluation network for CIFAR-10 and ImageNet (Appendix D; Liu et al., 2019): one network on one data set.

A stem, a row of cells, global average pooling, one linear layer. The cells at one third and two thirds of the row are
reduction cells, which halve the size and double the channels; an auxiliary head reads the second one's output.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from tnas_cli.spaces.cells import Cell, Cells, halved_inputs
from tnas_cli.spaces.darts_operations import AuxiliaryHead, FactorisedReduce, relu_conv_norm
from tnas_cli.spaces.operations_table import operation

Stem = Literal["cifar", "imagenet"]

STEMS: tuple[Stem, ...] = ("cifar", "imagenet")


@dataclass(frozen=True)
class DartsShape:
    """What is chosen besides the cells. channels: of the first cells; layers: number of cells; stem: 'cifar' keeps the
    images' size, 'imagenet' takes an eighth of it; auxiliary: whether there is a second classifier for training."""

    classes: int
    in_channels: int = 3
    channels: int = 36
    layers: int = 20
    stem: Stem = "cifar"
    auxiliary: bool = True

    @property
    def reductions(self) -> tuple[int, int]:
        """Positions of the reduction cells."""
        return self.layers // 3, 2 * self.layers // 3


class DartsNetwork(nn.Module):
    """The network of published or decoded cells; weights are PyTorch's own until `initialise` draws them."""

    def __init__(self, cells: Cells, shape: DartsShape) -> None:
        super().__init__()
        self.shape = shape
        width = shape.channels
        if shape.stem == "cifar":
            self.stem = nn.ModuleList([_stem_cifar(shape.in_channels, 3 * width)])
            fed = (3 * width, 3 * width)
        else:
            self.stem = nn.ModuleList([_stem_quarter(shape.in_channels, width), _stem_eighth(width)])
            fed = (width, width)
        # ImageNet's first cell sees the stem at two sizes.
        smaller = shape.stem == "imagenet"
        row: list[DartsCell] = []
        for position in range(shape.layers):
            reduction = position in shape.reductions
            width *= 2 if reduction else 1
            row.append(DartsCell(cells.reduce if reduction else cells.normal, fed, width, reduction, smaller))
            smaller, fed = reduction, (fed[1], row[-1].channels)
        self.cells = nn.ModuleList(row)
        head = row[shape.reductions[1]].channels
        self.auxiliary = (
            AuxiliaryHead(head, shape.classes, last_norm=shape.stem == "cifar") if shape.auxiliary else None
        )
        self.classifier = nn.Linear(fed[1], shape.classes)

    def forward(self, x: Tensor, keep: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """x [N, C, H, W] -> logits [N, classes], and while training those of the auxiliary head, if there is one.

        keep [cells, edges, N] is drop-path: what each edge of each cell is multiplied by for each image, 0 or 1 / (1 -
        probability); None keeps all. Edges that carry an identity are always kept.
        """
        before = previous = self.stem[0](x)
        if len(self.stem) > 1:
            previous = self.stem[1](before)
        second: Tensor | None = None
        for position, cell in enumerate(self.cells):
            before, previous = previous, cell(before, previous, None if keep is None else keep[position])
            if position == self.shape.reductions[1] and self.auxiliary is not None and self.training:
                second = self.auxiliary(previous)
        return self.classifier(previous.mean(dim=(2, 3))), second

    def draw_keep(self, probability: float, images: int, generator: torch.Generator) -> Tensor | None:
        """Drop-path for a batch of `images`, [cells, edges, images] on the CPU; None for a probability of 0."""
        if probability <= 0:
            return None
        edges = max(len(cell.sources) for cell in self.cells)  # type: ignore[arg-type]
        kept = torch.rand(self.shape.layers, edges, images, generator=generator) >= probability
        return kept.float() / (1 - probability)


class DartsCell(nn.Module):
    """Two inputs made equally wide and large, two operations per node, and some states joined.

    A reduction cell halves an input that it joins."""

    def __init__(self, cell: Cell, fed: tuple[int, int], width: int, reduction: bool, smaller: bool) -> None:
        """fed: channels of both inputs; smaller: whether the second input has half the first one's size."""
        super().__init__()
        self.before = FactorisedReduce(fed[0], width) if smaller else relu_conv_norm(fed[0], width)
        self.previous = relu_conv_norm(fed[1], width)
        self.operations = nn.ModuleList(
            operation(name).form.torch().module(width, 2 if reduction and source < 2 else 1)
            for name, source in cell.edges
        )
        halved = halved_inputs(cell.concat, 2 if reduction else 1)
        self.joins = nn.ModuleDict({str(state): FactorisedReduce(width, width) for state in halved})
        self.sources = tuple(source for _, source in cell.edges)
        self.concat = cell.concat
        self.channels = width * len(cell.concat)

    def forward(self, before: Tensor, previous: Tensor, keep: Tensor | None) -> Tensor:
        """Outputs of the two cells before, and keep [edges, N] -> [N, channels, H', W']."""
        states = [self.before(before), self.previous(previous)]
        fed: list[Tensor] = []
        for position, (edge, source) in enumerate(zip(self.operations, self.sources, strict=True)):
            y = edge(states[source])
            if keep is not None and not isinstance(edge, nn.Identity):
                y = y * keep[position, :, None, None, None]
            fed.append(y)
            if position % 2:
                states.append(fed[-2] + fed[-1])
        for state, halve in self.joins.items():
            states[int(state)] = halve(states[int(state)])
        return torch.cat([states[state] for state in self.concat], dim=1)


def _stem_cifar(in_channels: int, width: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(in_channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))


def _stem_quarter(in_channels: int, width: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(in_channels, width // 2, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(width // 2),
        nn.ReLU(),
        nn.Conv2d(width // 2, width, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(width),
    )


def _stem_eighth(width: int) -> nn.Module:
    return nn.Sequential(nn.ReLU(), nn.Conv2d(width, width, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(width))


@torch.no_grad()
def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Draw all weights anew: convolutions and linear layers uniformly within 1 / sqrt(fan in), as PyTorch does; batch
    norm starts at gain 1 and bias 0."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            bound = 1 / math.sqrt(module.weight[0].numel())
            for tensor in (module.weight, module.bias):
                if tensor is not None:
                    tensor.copy_(torch.empty(tensor.shape).uniform_(-bound, bound, generator=generator))


def weights(network: DartsNetwork) -> int:
    """Number of weights without the auxiliary head's, which plays no part after training: Table 7's "#Param"."""
    return sum(p.numel() for name, p in network.named_parameters() if not name.startswith("auxiliary."))
