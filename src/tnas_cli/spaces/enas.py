"""ENAS's micro space (Pham et al., 2018) for T-NAS: theta are logits of decisions instead of operations on edges.

Footnote 1 of the paper names such a representation and says no more; this is our reading. A cell has five nodes, a node
the sum of two sides. For each side a node decides from which earlier state it takes its input, and by which of five
operations: with the distributions a_s over the states and b_s over the operations, node i is

    sum over both sides s, states j < i and operations o of  a_s[j] * b_s[o] * o(state j)

so an edge's share of an operation (Equation 3) is a_s[j] b_s[o], summed over the sides. theta has 2 x 90 numbers that
matter: per cell 2 + 3 + 4 + 5 + 6 states and 5 times 5 operations, on both sides. ENAS samples cells from a controller
instead, and its cell joins its loose ends; here, as in every cell of a search, the output joins all nodes.

theta is stored as [2, 20, 6]: four rows for each node (the states of both sides, then the operations of both sides).
Entries without a choice hold `CLOSED`, whose softmax is 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tnas_cli.errors import SettingsError
from tnas_cli.spaces import operations_table as table
from tnas_cli.spaces.cell_space import CellSpace
from tnas_cli.spaces.edges import source_order
from tnas_cli.spaces.genotype import CELLS, Edge, Genotype
from tnas_cli.spaces.search_network import SearchNetwork
from tnas_cli.spaces.shapes import THETA, Spec, Specs

if TYPE_CHECKING:
    import numpy as np
    from numpy.random import Generator
    from torch import Tensor

#: Rows of theta for each node: the states of both sides, the operations of both sides.
ROWS, SIDES = 4, 2


@dataclass(frozen=True)
class EnasSearchNetwork(SearchNetwork):
    """The search network whose shares come from decisions. PyTorch computes it: no kernel has such shares."""

    def specs(self) -> Specs:
        """Shapes of theta [2, 20, 6] and of all weights w; entries of theta without a choice stay closed."""
        specs = super().specs()
        choices = len(self.space.operations) - 1
        closed = tuple(
            (ROWS * node + row, column)
            for node in range(self.nodes)
            for row in range(ROWS)
            for column in range(node + 2 if row < SIDES else choices, choices + 1)
        )
        return specs | {THETA: Spec((len(CELLS), ROWS * self.nodes, choices + 1), "theta", closed=closed)}

    def description(self) -> None:
        """None: engines weight an edge's operations by the softmax of its own row."""

    def shares(self, theta: Tensor) -> Tensor:
        """theta [T, 2, 20, 6] -> what each edge's operations weigh, [T, 2, edges, 6], edges source by source."""
        import torch

        p = torch.unflatten(
            theta.softmax(-1), 2, (self.nodes, 2, SIDES)
        )  # [T, 2, nodes, states or operations, sides, 6]
        states, operations = p.unbind(3)
        pairs = torch.einsum("tcnsj,tcnso->tcnjo", states, operations)  # [T, 2, nodes, source, operation]
        sources, nodes = zip(*source_order(self.nodes), strict=True)
        return pairs[:, :, list(nodes), list(sources)]


@dataclass(frozen=True)
class EnasSpace(CellSpace):
    """Cells of five nodes, each the sum of two operations on any two earlier states, which may be the same."""

    @property
    def uniform(self) -> float:
        """The mean over theta's rows of the largest probability where nothing is decided yet."""
        choices = len(self.operations) - 1
        return sum(1 / (node + 2) + 1 / choices for node in range(self.nodes)) / (2 * self.nodes)

    def search_network(self, way: int, in_channels: int, channels: int, nodes: int) -> EnasSearchNetwork:
        """Raises SettingsError for another number of nodes."""
        if nodes != self.nodes:
            raise SettingsError(
                f"nodes is {nodes}, but a cell of the space {self.name} has {self.nodes}.", hint="leave --nodes out"
            )
        return EnasSearchNetwork(way, in_channels, channels, nodes, self)

    def decode(self, theta: Tensor, max_skips: int | None = None) -> Genotype:
        """theta [2, 20, 6] -> genotype: the most probable state and operation of a node's first side; and of its second
        side, or the next most probable pair of it where both sides agree, since a sum makes both sides alike.

        Ties go to the earlier state and operation. Raises SettingsError for `max_skips`, which is about edges.
        """
        if max_skips is not None:
            raise SettingsError(
                f"max_skips is {max_skips}, but the space {self.name} decides on states and operations, not on edges.",
                hint="leave --max-skips out",
            )
        normal, reduce = theta.detach().double().softmax(-1).cpu().numpy()
        return Genotype(self._cell(normal), self._cell(reduce), self.name)

    def _cell(self, p: np.ndarray) -> tuple[Edge, ...]:
        """One cell from its probabilities [20, 6]."""
        edges: list[Edge] = []
        for node in range(self.nodes):
            chosen: list[tuple[int, int]] = []
            for side in range(SIDES):
                states, operations = p[ROWS * node + side], p[ROWS * node + SIDES + side]
                pairs = [(j, o) for j in range(node + 2) for o in range(len(self.operations) - 1)]
                left = [pair for pair in pairs if pair not in chosen]
                chosen.append(max(left, key=lambda pair: states[pair[0]] * operations[pair[1]]))
            edges += [(self.operations[operation].name, state) for state, operation in sorted(chosen)]
        return tuple(edges)

    def one_hot(self, genotype: Genotype) -> Tensor:
        """The decisions of a genotype, float32 [2, 20, 6]: 1 for each side's state and operation."""
        import torch

        mixture = torch.zeros(len(CELLS), ROWS * self.nodes, len(self.operations))
        for cell, name in enumerate(CELLS):
            for position, (operation, source) in enumerate(genotype.cell(name)):
                row = ROWS * (position // 2) + position % 2
                mixture[cell, row, source] = 1
                mixture[cell, row + SIDES, self.column(operation)] = 1
        return mixture

    def random(self, generator: Generator, nodes: int) -> Genotype:
        """Any state and operation on each side, all equally likely."""

        def cell() -> tuple[Edge, ...]:
            draws = [(int(generator.random() * (n + 2)), n) for n in range(nodes) for _ in range(SIDES)]
            return tuple((self.choices[int(generator.random() * len(self.choices))], source) for source, _ in draws)

        return Genotype(cell(), cell(), self.name)


SPACE = ENAS = EnasSpace(
    name="enas",
    title="ENAS's micro space",
    operations=(
        table.SEP_CONV_3X3,
        table.SEP_CONV_5X5,
        table.AVG_POOL_3X3,
        table.MAX_POOL_3X3,
        table.SKIP_CONNECT,
        table.NONE,
    ),
    nodes=5,
    citation=("pham2018enas",),
)
