"""A genotype's network as one readable file of plain PyTorch, which needs nothing of tnas."""

from __future__ import annotations

from tnas_cli.errors import GenotypeError
from tnas_cli.spaces.cells import Cells, halved_inputs
from tnas_cli.spaces.operations_table import operation
from tnas_cli.version import __version__

_HEAD = '''"""Genotype {digest} as a network in plain PyTorch, written by tnas {version}.

{darts}

net = Network(way=5, image_channels=3, channels=16)
logits = net(images)  # [N, 3, H, W] -> [N, 5]; H and W from 20 pixels on

In training mode every batch norm takes its moments from the batch, as the networks of few-shot learning do at all
times. parameters() gives the tensors in the order of tnas's own, which keeps both convolutions of a FactorisedReduce in
one tensor.
"""

import torch
import torch.nn.functional as F
from torch import nn
'''

_CLASSES = {
    "Separable": '''class Separable(nn.Sequential):
    """ReLU, depthwise and pointwise convolution, batch norm; `repeats` times, the first one with the stride."""

    def __init__(self, channels, size, stride, dilation, repeats):
        layers = []
        for repeat in range(repeats):
            step, padding = (1 if repeat else stride), dilation * (size // 2)
            layers += [
                nn.ReLU(),
                nn.Conv2d(channels, channels, size, step, padding, dilation, groups=channels, bias=False),
                nn.Conv2d(channels, channels, 1, bias=False),
                nn.BatchNorm2d(channels),
            ]
        super().__init__(*layers)
''',
    "FactorisedReduce": '''class FactorisedReduce(nn.Module):
    """ReLU, two 1 x 1 convolutions with stride 2, the second shifted by a pixel, joined, batch norm."""

    def __init__(self, channels):
        super().__init__()
        self.even = nn.Conv2d(channels, channels // 2, 1, stride=2, bias=False)
        self.odd = nn.Conv2d(channels, channels // 2, 1, stride=2, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x):
        height, width = x.shape[-2:]
        x = F.pad(F.relu(x), (width % 2, 0, height % 2, 0))  # an odd side gets a zero row or column at the top left
        return self.norm(torch.cat([self.even(x), self.odd(x[:, :, 1:, 1:])], dim=1))
''',
    "Pointwise": '''class Pointwise(nn.Sequential):
    """ReLU, 1 x 1 convolution, batch norm."""

    def __init__(self, channels, stride):
        super().__init__(nn.ReLU(), nn.Conv2d(channels, channels, 1, stride, bias=False), nn.BatchNorm2d(channels))
''',
    "Bottleneck": '''class Bottleneck(nn.Sequential):
    """A quarter of the channels in between: 1 x 1, convolutions of the `sides` of taps, 1 x 1; ReLU before each, batch
    norm after each. The first side of a tap along an axis has the stride of that axis.
    """

    def __init__(self, channels, sides, stride):
        narrow = max(1, channels // 4)
        shapes = [(1, 1), *sides, (1, 1)]
        widths = [channels, *[narrow] * (len(shapes) - 1), channels]
        layers = []
        for position, (shape, fed, to) in enumerate(zip(shapes, widths, widths[1:])):
            inner = 0 < position < len(shapes) - 1
            steps = [stride if inner and (side > 1 or len(sides) == 1) else 1 for side in shape]
            padding = [side // 2 for side in shape]
            layers += [nn.ReLU(), nn.Conv2d(fed, to, shape, steps, padding, bias=False), nn.BatchNorm2d(to)]
        super().__init__(*layers)
''',
    "MaxPool2": '''class MaxPool2(nn.Module):
    """The maximum of each pixel and those to the right and below; a row and a column of padding there."""

    def __init__(self, stride):
        super().__init__()
        self.stride = stride

    def forward(self, x):
        return F.max_pool2d(F.pad(x, (0, 1, 0, 1), value=float("-inf")), 2, self.stride)
''',
    "Crossed": '''class Crossed(nn.Sequential):
    """ReLU, convolution of a row of taps, convolution of a column of taps, batch norm."""

    def __init__(self, channels, size, stride):
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(channels, channels, (1, size), (1, stride), (0, size // 2), bias=False),
            nn.Conv2d(channels, channels, (size, 1), (stride, 1), (size // 2, 0), bias=False),
            nn.BatchNorm2d(channels),
        )
''',
}

_BODY = '''class Input(nn.Sequential):
    """Makes an input of a cell as wide as the cell: ReLU, 1 x 1 convolution, batch norm."""

    def __init__(self, fed, channels):
        super().__init__(nn.ReLU(), nn.Conv2d(fed, channels, 1, bias=False), nn.BatchNorm2d(channels))


class Cell(nn.Module):
    """States 0 and 1 are the inputs; every further state is the sum of two operations on earlier ones; the output joins
    the states in `joined`, some of them after an operation in `joins`.
    """

    def __init__(self, inputs, edges, sources, joined, joins):
        super().__init__()
        self.inputs = nn.ModuleList(inputs)
        self.edges = nn.ModuleList(edges)
        self.joins = nn.ModuleDict(joins)
        self.sources, self.joined = sources, joined

    def forward(self, before, previous):
        states = [self.inputs[0](before), self.inputs[1](previous)]
        for node in range(len(self.sources) // 2):
            first, second = 2 * node, 2 * node + 1
            states.append(
                self.edges[first](states[self.sources[first]]) + self.edges[second](states[self.sources[second]])
            )
        for state, join in self.joins.items():
            states[int(state)] = join(states[int(state)])
        return torch.cat([states[state] for state in self.joined], dim=1)


def normal_cell(fed, channels):
    """Keeps the size: [N, fed, H, W] -> [N, {normal_width} * channels, H, W]."""
    edges = [
{normal}
    ]
    inputs = [Input(fed, channels), Input(fed, channels)]
    sources = {normal_sources}
    return Cell(inputs, edges, sources, {normal_joined}, {{}})


def reduction_cell(before, previous, channels):
    """Halves the size: [N, ..., H, W] -> [N, {reduce_width} * channels, ceil(H / 2), ceil(W / 2)]."""
    edges = [
{reduce}
    ]
    inputs = [Input(before, channels), Input(previous, channels)]
    sources = {reduce_sources}
    joins = {reduce_joins}
    return Cell(inputs, edges, sources, {reduce_joined}, joins)


class Network(nn.Module):
    """Stem, normal cell, reduction cell, global average pooling, linear layer; `channels`: width of the normal cell."""

    def __init__(self, way, image_channels=3, channels=16):
        super().__init__()
        first, second = 3 * channels // 2, 3 * channels
        self.stem = nn.Sequential(
            nn.Conv2d(image_channels, first, 3, padding=1, bias=False),
            nn.BatchNorm2d(first),
            nn.MaxPool2d(2),
            nn.ReLU(),
            nn.Conv2d(first, second, 3, padding=1, bias=False),
            nn.BatchNorm2d(second),
            nn.MaxPool2d(2),
        )
        self.normal = normal_cell(second, channels)
        self.reduce = reduction_cell(second, {normal_width} * channels, 2 * channels)
        self.classifier = nn.Linear({reduce_width} * 2 * channels, way)

    def forward(self, x):
        x = self.stem(x)
        x = self.reduce(x, self.normal(x, x))
        return self.classifier(x.mean(dim=(-2, -1)))
'''


def module_source(cells: Cells, digest: str) -> str:
    """The text of the file; raises GenotypeError for an operation of another package that has no text."""
    used: set[str] = set()
    parts: dict[str, object] = {}
    for name, cell, stride in (("normal", cells.normal, 1), ("reduce", cells.reduce, 2)):
        lines: list[str] = []
        for position, (row, source) in enumerate(cell.edges):
            made = operation(row).form.constructor(stride if source < 2 else 1)
            if made is None:
                raise GenotypeError(
                    f"the operation {row!r} has no text of its own.", hint="leave --module out for this genotype"
                )
            used.add(made.partition("(")[0])
            lines.append(f"        {made},  # {row}: state {source} -> state {position // 2 + 2}")
        parts[name] = "\n".join(lines)
        parts[f"{name}_sources"] = [source for _, source in cell.edges]
        parts[f"{name}_joined"] = list(cell.concat)
        halved = halved_inputs(cell.concat, stride)
        if halved:
            used.add("FactorisedReduce")
        parts[f"{name}_joins"] = "{" + ", ".join(f'"{state}": FactorisedReduce(channels)' for state in halved) + "}"
        parts[f"{name}_width"] = len(cell.concat)
    head = _HEAD.format(digest=digest, version=__version__, darts=cells.to_darts())
    classes = [text for name, text in _CLASSES.items() if name in used]
    return "\n\n".join([head, *classes, _BODY.format(**parts)])
