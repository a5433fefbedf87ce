"""The network of a genotype: two operations per node, affine batch norm, no norm after pools (Section 5.2.1).

This file holds its facts, which need no PyTorch; `decoded_forward.py` computes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tnas_cli.spaces.cells import Cells, halved_inputs
from tnas_cli.spaces.description import Branch, CellDescription, TwoCells
from tnas_cli.spaces.genotype import Genotype
from tnas_cli.spaces.operations_table import SKIP_CONNECT
from tnas_cli.spaces.shapes import Spec, Specs, classifier_specs, norm_specs, stem_specs, stem_widths

if TYPE_CHECKING:
    from torch import Tensor

    from tnas_cli.spaces.parameters import Parameters


@dataclass(frozen=True)
class DecodedNetwork:
    """f(x; w) for images of any size from 20 to 224 pixels; `channels` is the normal cell's width."""

    genotype: Genotype | Cells
    way: int
    in_channels: int
    channels: int = 16

    def specs(self) -> Specs:
        """Shapes of all weights w."""
        stem_out = stem_widths(self.channels)[1]
        specs = stem_specs(self.in_channels, self.channels)
        normal, reduce = self.description().cells
        inputs = {"normal": (stem_out, stem_out), "reduce": (stem_out, len(normal.joined) * self.channels)}
        for cell in (normal, reduce):
            for index, fed in enumerate(inputs[cell.name]):
                specs[f"{cell.name}.input{index}"] = Spec((cell.width, fed), fan_in=fed)
                specs |= norm_specs(f"{cell.name}.input{index}", cell.width)
            for branch in cell.branches:
                own = branch.operation.form.weights(cell.width, branch.stride)
                specs |= {f"{branch.weights}{key}": spec for key, spec in own.items()}
            for state in halved_inputs(cell.joined, cell.stride):
                own = SKIP_CONNECT.form.weights(cell.width, cell.stride)
                specs |= {f"{cell.name}.join{state}.{key}": spec for key, spec in own.items()}
        return specs | classifier_specs(2 * self.channels * len(reduce.joined), self.way)

    def description(self) -> TwoCells:
        """Two branches for each node."""
        cells = (self._cell("normal", self.channels, 1), self._cell("reduce", 2 * self.channels, 2))
        return TwoCells(self.channels, len(self.genotype.cell("normal")) // 2, 0, cells)

    def _cell(self, name: str, width: int, stride: int) -> CellDescription:
        """The reduction cell halves the size on edges that leave one of its inputs."""
        rows = self.genotype.rows(name)
        branches = (
            Branch(row, source, position // 2, stride if source < 2 else 1, f"{name}.{position}.")
            for position, (row, source) in enumerate(rows)
        )
        return CellDescription(name, width, stride, tuple(branches), self.genotype.joined(name))

    def logits(self, parameters: Parameters, x: Tensor) -> Tensor:
        """x [T, N, C, H, W], every parameter with a leading T -> logits [T, N, way]."""
        from tnas_cli.spaces.decoded_forward import logits

        return logits(self, parameters, x)

    def features(self, parameters: Parameters, x: Tensor) -> Tensor:
        """What the linear layer sees: x [T, N, C, H, W], every parameter with a leading T -> [T, N, F]."""
        from tnas_cli.spaces.decoded_forward import features

        return features(self, parameters, x)
