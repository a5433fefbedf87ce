"""A few-shot network of published cells in a row, all of one width: how Auto-Meta's cell is built by those who took it
over (MetaNAS's code for Elsken et al., CVPR 2020).

A convolution 3 x 3 of the image with 3 C channels and a norm, n cells of the width C, global average pooling, and one
linear layer. The cells at n // 3 and 2 n // 3 are reduction cells: they halve the size, and do not widen. Each cell is
fed by the two before it. A norm without weights follows a pool, as in that code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tnas_cli.spaces.cells import Cells, halved_inputs
from tnas_cli.spaces.description import Branch, CellDescription
from tnas_cli.spaces.operations_table import SKIP_CONNECT
from tnas_cli.spaces.shapes import Spec, Specs, check_size, classifier_specs, norm_specs

if TYPE_CHECKING:
    from torch import Tensor

    from tnas_cli.spaces.parameters import Parameters

#: The fewest cells of which two are different reduction cells.
FEWEST = 3

#: From this size on, two halvings leave something.
SMALLEST_IMAGE = 4


@dataclass(frozen=True)
class CellRow:
    """`layers` cells of the width `channels`, an even number, for images of size x size pixels.

    Raises SettingsError if the images are too small, and ValueError for a row that cannot be built.
    """

    way: int
    in_channels: int
    size: int
    cells: Cells
    layers: int
    channels: int

    def __post_init__(self) -> None:
        check_size("a row of cells", self.size, SMALLEST_IMAGE)
        if self.layers < FEWEST or self.channels % 2:
            raise ValueError(f"a row of {self.layers} cells with {self.channels} channels")

    def descriptions(self) -> tuple[CellDescription, ...]:
        """The cells from the first to the last; `cell.<number>` is the name of each."""
        return tuple(map(self._cell, range(self.layers)))

    def _cell(self, position: int) -> CellDescription:
        stride = 2 if self._reduces(position) else 1
        kind, name = "reduce" if stride == 2 else "normal", f"cell.{position}"
        branches = (
            Branch(row, source, edge // 2, stride if source < 2 else 1, f"{name}.{edge}.")
            for edge, (row, source) in enumerate(self.cells.rows(kind))
        )
        return CellDescription(name, self.channels, stride, tuple(branches), self.cells.joined(kind))

    def _reduces(self, position: int) -> bool:
        return position in (self.layers // 3, 2 * self.layers // 3)

    def larger_before(self, position: int) -> bool:
        """Whether the first input of a cell has twice the size of the second, and is halved on its way in."""
        return position > 0 and self._reduces(position - 1)

    def specs(self) -> Specs:
        """Shapes of all weights w."""
        width = self.channels
        specs = {"stem.conv": Spec((3 * width, self.in_channels, 3, 3), fan_in=9 * self.in_channels)}
        specs |= norm_specs("stem", 3 * width)
        before = previous = 3 * width
        for position, cell in enumerate(self.descriptions()):
            for index, fed in enumerate((before, previous)):
                halved = index == 0 and self.larger_before(position)
                shape = (2, width // 2, fed) if halved else (width, fed)
                specs[f"{cell.name}.input{index}"] = Spec(shape, fan_in=fed)
                specs |= norm_specs(f"{cell.name}.input{index}", width)
            for branch in cell.branches:
                own = branch.operation.form.weights(width, branch.stride)
                specs |= {f"{branch.weights}{key}": spec for key, spec in own.items()}
            for state in halved_inputs(cell.joined, cell.stride):
                own = SKIP_CONNECT.form.weights(width, cell.stride)
                specs |= {f"{cell.name}.join{state}.{key}": spec for key, spec in own.items()}
            before, previous = previous, len(cell.joined) * width
        return specs | classifier_specs(previous, self.way)

    def logits(self, parameters: Parameters, x: Tensor) -> Tensor:
        """x [T, N, C, size, size], every parameter with a leading T -> logits [T, N, way]."""
        from tnas_cli.spaces.stem import linear

        return linear(parameters, self.features(parameters, x))

    def features(self, parameters: Parameters, x: Tensor) -> Tensor:
        """What the linear layer sees: x [T, N, C, size, size], every parameter with a leading T -> [T, N, F]."""
        from tnas_cli.spaces.cell_row_forward import features

        return features(self, parameters, x)
