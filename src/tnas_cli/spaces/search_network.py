"""The search network: one normal and one reduction cell in which every edge mixes all operations (Section 5.2.1).

This file holds its facts, which need no PyTorch; `search_forward.py` computes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tnas_cli.spaces.cell_space import CellSpace
from tnas_cli.spaces.darts import DARTS
from tnas_cli.spaces.description import Branch, CellDescription, TwoCells
from tnas_cli.spaces.edges import edge_count, source_order, theta_order, theta_rows_by_source
from tnas_cli.spaces.forms import Form
from tnas_cli.spaces.genotype import CELLS
from tnas_cli.spaces.operations_table import Operation
from tnas_cli.spaces.shapes import THETA, Spec, Specs, classifier_specs, stem_specs, stem_widths

if TYPE_CHECKING:
    from torch import Tensor

    from tnas_cli.spaces.parameters import Parameters


@dataclass(frozen=True)
class SearchNetwork:
    """g(x; theta, w) for images of any size from 20 to 224 pixels.

    channels: of the normal cell; the reduction cell has twice as many. nodes: intermediate nodes per cell.
    """

    way: int
    in_channels: int
    channels: int = 16
    nodes: int = 4
    space: CellSpace = DARTS

    def specs(self) -> Specs:
        """Shapes of theta [2, edges, operations] (normal, reduction) and of all weights w."""
        edges = edge_count(self.nodes)
        specs = {THETA: Spec((len(CELLS), edges, len(self.space.operations)), "theta")}
        specs |= stem_specs(self.in_channels, self.channels)
        stem_out = stem_widths(self.channels)[1]
        inputs = {"normal": (stem_out, stem_out), "reduce": (stem_out, self.nodes * self.channels)}
        for cell, width in zip(CELLS, (self.channels, 2 * self.channels), strict=True):
            for index, fed in enumerate(inputs[cell]):
                specs[f"{cell}.input{index}"] = Spec((width, fed), fan_in=fed)
            for row in self.own_weights():
                specs |= _of_edges(f"{cell}.{row.name}.", row, width, 1, edges)
            for row in self.halving() if cell == "reduce" else ():
                specs |= _of_edges(f"{cell}.", row, width, 2, 2 * self.nodes)
        return specs | classifier_specs(2 * self.channels * self.nodes, self.way)

    def shares(self, theta: Tensor) -> Tensor:
        """theta [T, 2, edges, operations] -> what each edge's operations weigh, of the same shape, edges source by
        source."""
        return theta.softmax(-1)[:, :, theta_rows_by_source(self.nodes)]

    def own_weights(self) -> list[Operation]:
        """The operations with weights on every edge, in theta's order."""
        return [row for row in self.space.operations if not row.form.weightless(1)]

    def weightless(self) -> list[Operation]:
        """The operations without weights where they keep the size, in theta's order."""
        return [row for row in self.space.operations if row.form.weightless(1) and not row.is_none]

    def halving(self) -> list[Operation]:
        """Those of `weightless` that have weights where they halve the size: the skip connection."""
        return [row for row in self.weightless() if not row.form.weightless(2)]

    def description(self) -> TwoCells | None:
        """Every operation except no connection on every edge, by its share; None where kernels cannot do that."""
        cells = (self._cell("normal", self.channels, 1), self._cell("reduce", 2 * self.channels, 2))
        return TwoCells(self.channels, self.nodes, len(self.space.operations), cells)

    def _cell(self, name: str, width: int, stride: int) -> CellDescription:
        edges, columns, stored = theta_order(self.nodes), self.space.operations, source_order(self.nodes)
        first = CELLS.index(name) * len(edges)
        branches = []
        for index, (source, node) in enumerate(edges):
            for column, row in enumerate(columns):
                if not row.is_none:
                    step = stride if source < 2 else 1
                    prefix = f"{name}." if row.form.weightless(1) else f"{name}.{row.name}."
                    share = (first + index) * len(columns) + column
                    entry = stored.index((source, node))
                    branches.append(Branch(row, source, node, step, prefix, entry, share))
        return CellDescription(name, width, stride, tuple(branches), tuple(range(2, 2 + self.nodes)))

    def logits(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Equation 3 on all edges of both cells: x [T, N, C, H, W], every parameter with a leading T -> [T, N, way]."""
        from tnas_cli.spaces.search_forward import logits

        return logits(self, parameters, x)


def matrices(form: Form, stride: int, width: int = 2) -> Specs:
    """The weights of one edge without those of norms, which are plain within the search network's cells."""
    return {key: spec for key, spec in form.weights(width, stride).items() if spec.start == "uniform"}


def _of_edges(prefix: str, row: Operation, width: int, stride: int, edges: int) -> Specs:
    """The weights of an operation on `edges` edges."""
    return {f"{prefix}{key}": spec.times(edges) for key, spec in matrices(row.form, stride, width).items()}
