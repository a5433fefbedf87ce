"""The search network: one normal and one reduction cell in which every edge mixes all operations (Section 5.2.1)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from tnas_cli.spaces import operations as ops
from tnas_cli.spaces.edges import edge_count, group_sizes, theta_rows_by_source
from tnas_cli.spaces.genotype import CELLS, OPERATIONS
from tnas_cli.spaces.parameters import THETA, Parameters, Spec
from tnas_cli.spaces.stem import classifier_specs, classify, stem, stem_specs, stem_widths

#: (operation, kernel, dilation, how often ReLU-depthwise-pointwise-norm is applied)
CONVOLUTIONS = (
    ("sep_conv_3x3", 3, 1, 2),
    ("sep_conv_5x5", 5, 1, 2),
    ("dil_conv_3x3", 3, 2, 1),
    ("dil_conv_5x5", 5, 2, 1),
)

_COLUMN = {name: column for column, name in enumerate(OPERATIONS)}


@dataclass(frozen=True)
class SearchNetwork:
    """g(x; theta, w) for images of any size from 20 to 224 pixels.

    channels: of the normal cell; the reduction cell has twice as many. nodes: intermediate nodes per cell.
    """

    way: int
    in_channels: int
    channels: int = 16
    nodes: int = 4

    def specs(self) -> dict[str, Spec]:
        """Shapes of theta [2, edges, 8] (normal, reduction) and of all weights w."""
        edges = edge_count(self.nodes)
        specs = {THETA: Spec((len(CELLS), edges, len(OPERATIONS)), "theta")}
        specs |= stem_specs(self.in_channels, self.channels)
        stem_out = stem_widths(self.channels)[1]
        inputs = {"normal": (stem_out, stem_out), "reduce": (stem_out, self.nodes * self.channels)}
        for cell, width in zip(CELLS, (self.channels, 2 * self.channels), strict=True):
            for index, fed in enumerate(inputs[cell]):
                specs[f"{cell}.input{index}"] = Spec((width, fed), fan_in=fed)
            for name, kernel, _, repeats in CONVOLUTIONS:
                for i in range(repeats):
                    taps = (edges, width, kernel, kernel)
                    specs[f"{cell}.{name}.{i}.depthwise"] = Spec(taps, fan_in=kernel * kernel)
                    specs[f"{cell}.{name}.{i}.pointwise"] = Spec((edges, width, width), fan_in=width)
            if cell == "reduce":
                specs["reduce.skip"] = Spec((2 * self.nodes, 2, width // 2, width), fan_in=width)
        return specs | classifier_specs(2 * self.channels * self.nodes, self.way)

    def logits(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Equation 3 on all edges of both cells: x [T, N, C, H, W], every parameter with a leading T -> [T, N, way]."""
        probabilities = F.softmax(parameters[THETA], dim=-1)  # [T, 2, E, 8]
        probabilities = probabilities[:, :, theta_rows_by_source(self.nodes)]
        s = stem(parameters, x)  # [T, 1, 3C, N, h, w]
        normal = self._cell(parameters, "normal", probabilities[:, 0], s, s)
        reduced = self._cell(parameters, "reduce", probabilities[:, 1], s, normal)
        return classify(parameters, reduced.flatten(1, 2))

    def _cell(self, w: Parameters, cell: str, probabilities: Tensor, before: Tensor, previous: Tensor) -> Tensor:
        """Concatenation of all intermediate nodes: [T, 1, nodes * C, N, h', w'] ."""
        inputs = [
            ops.batch_norm(ops.pointwise(F.relu(x), w[f"{cell}.input{i}"].unsqueeze(1)))
            for i, x in enumerate((before, previous))
        ]
        sizes = group_sizes(self.nodes)
        convolutions = [name for name in w if name.startswith(f"{cell}.") and "conv" in name]
        weights = {name: torch.split(w[name], sizes, dim=1) for name in convolutions}
        mixture = torch.split(probabilities, sizes, dim=1)  # [T, E_group, 8] each
        stride = 2 if cell == "reduce" else 1
        states = torch.cat(inputs, dim=1)  # [T, 2, C, N, h, w]
        reduce_skip = w["reduce.skip"] if cell == "reduce" else None
        pending = self._edges(cell, weights, mixture, 0, states, stride, reduce_skip)
        pending = pending.reshape(pending.shape[0], 2, self.nodes, *pending.shape[2:]).sum(
            1
        )  # [T, nodes, C, N, h', w']
        nodes = []
        for group in range(1, self.nodes):
            done, waiting = torch.split(pending, [1, self.nodes - group], dim=1)
            nodes.append(done)
            pending = waiting + self._edges(cell, weights, mixture, group, done, 1, None)
        nodes.append(pending)
        return torch.cat(nodes, dim=2)

    def _edges(
        self,
        cell: str,
        weights: dict[str, tuple[Tensor, ...]],
        mixture: tuple[Tensor, ...],
        group: int,
        states: Tensor,
        stride: int,
        reduce_skip: Tensor | None,
    ) -> Tensor:
        """Equation 3 on every edge of a group: states [T, S, C, N, h, w] -> [T, E, C, N, h', w'], source by source."""
        tasks, sources, channels = states.shape[:3]
        p = mixture[group]  # [T, E, 8]
        edges = p.shape[1]
        per_source = edges // sources

        rectified = F.relu(states)
        fanned = rectified.unsqueeze(2).expand(-1, -1, per_source, *rectified.shape[2:]).flatten(1, 2)
        mixed: list[Tensor] = []
        for name, _, dilation, repeats in CONVOLUTIONS:
            y, step = fanned, stride
            for i in range(repeats):
                prefix = f"{cell}.{name}.{i}"
                taps, weight = weights[f"{prefix}.depthwise"][group], weights[f"{prefix}.pointwise"][group]
                y = ops.separable(F.relu(y) if i else y, taps, weight, step, dilation)
                last = i == repeats - 1
                gain = p[:, :, _COLUMN[name], None].expand(tasks, edges, channels) if last else None
                y = ops.batch_norm(y, gain)
                step = 1
            mixed.append(y)

        # Pools, and identity at stride 1, are the same for all edges that leave a state: computed once, then mixed.
        shared = [ops.batch_norm(ops.max_pool(states, stride)), ops.batch_norm(ops.avg_pool(states, stride))]
        columns = [_COLUMN["max_pool_3x3"], _COLUMN["avg_pool_3x3"]]
        if reduce_skip is None:
            shared.append(states)
            columns.append(_COLUMN["skip_connect"])
        else:
            skip = _factorised_reduce(rectified, reduce_skip, per_source)
            mixed.append(ops.batch_norm(skip, p[:, :, _COLUMN["skip_connect"], None].expand(tasks, edges, channels)))
        values = torch.stack(shared, dim=2).reshape(tasks * sources, len(shared), -1)  # [T*S, 3, C*N*h*w]
        coefficients = p[:, :, columns].reshape(tasks * sources, per_source, len(shared))
        total = torch.bmm(coefficients, values).reshape(mixed[0].shape)
        for y in mixed:
            total = total + y
        return total


def _factorised_reduce(x: Tensor, weight: Tensor, per_source: int) -> Tensor:
    """On all edges that leave a source in one product: x [T, S, C, N, h, w], weight [T, S * per_source, 2, O/2, C] ->
    [T, S * per_source, O, N, h', w']."""
    by_source = torch.unflatten(weight, 1, (-1, per_source))  # [T, S, per_source, 2, O/2, C]
    side_by_side = by_source.transpose(2, 3).flatten(3, 4)  # [T, S, 2, per_source * O/2, C]
    y = ops.factorised_reduce(x, side_by_side)  # [T, S, 2 * per_source * O/2, N, h', w']
    by_edge = torch.unflatten(y, 2, (2, per_source, -1)).transpose(2, 3)  # [T, S, per_source, 2, O/2, N, h', w']
    return by_edge.flatten(3, 4).flatten(1, 2)
