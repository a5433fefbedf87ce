"""Two cells as the literature publishes them: any number of nodes, more operations, and outputs of any states.

A `Genotype` is what a search space can hold: its operations, and every node in the output. Most cells of Tables 7 and 8
(Appendix D) lie outside DARTS's space; `Cells` hold them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tnas_cli.errors import GenotypeError, did_you_mean
from tnas_cli.spaces.genotype import CELLS, Edge, Genotype, by_edge, is_list
from tnas_cli.spaces.operations_table import TABLE, Operation
from tnas_cli.spaces.operations_table import operation as row_of
from tnas_cli.spaces.registry import USUAL
from tnas_cli.spaces.registry import space as space_of

#: What an edge of published cells may carry.
CELL_OPERATIONS = tuple(row.name for row in TABLE if not row.is_none)


def halved_inputs(joined: Iterable[int], stride: int) -> tuple[int, ...]:
    """Of the states that a cell's output joins: the inputs that need a factorised reduction first."""
    return tuple(state for state in joined if state < 2 and stride == 2)


@dataclass(frozen=True)
class Cell:
    """Two incoming edges (operation, source state) per node, and the states that the output concatenates.

    States 0 and 1 are the inputs, state 2 + i is node i. Raises GenotypeError for what cannot be built.
    """

    edges: tuple[Edge, ...]
    concat: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.edges or len(self.edges) % 2:
            raise GenotypeError(f"a cell has {len(self.edges)} edges.", hint="each node needs exactly two edges")
        for position, (operation, source) in enumerate(self.edges):
            if operation not in CELL_OPERATIONS:
                raise GenotypeError(
                    f"unknown operation {operation!r} in edge {position} of a cell.",
                    hint=did_you_mean(operation, CELL_OPERATIONS),
                )
            if not 0 <= source < position // 2 + 2:
                raise GenotypeError(
                    f"edge {position} of a cell comes from state {source}, but its node sees states 0 to "
                    f"{position // 2 + 1}.",
                    hint="correct the source state of that edge",
                )
        states = range(2 + self.nodes)
        repeated = len(set(self.concat)) < len(self.concat)
        if not self.concat or repeated or any(state not in states for state in self.concat):
            raise GenotypeError(
                f"a cell of {self.nodes} nodes concatenates {list(self.concat)}.",
                hint=f"choose at least one of the states {list(states)}, none of them twice",
            )

    @property
    def nodes(self) -> int:
        """Number of intermediate nodes."""
        return len(self.edges) // 2

    @property
    def joins_all_nodes(self) -> bool:
        """Whether the output joins all nodes, as in the search space."""
        return self.concat == tuple(range(2, 2 + self.nodes))


@dataclass(frozen=True)
class Cells:
    """A normal and a reduction cell; `space` is the one in which they may be a genotype."""

    normal: Cell
    reduce: Cell
    space: str = USUAL

    @classmethod
    def of(cls, genotype: Genotype) -> Cells:
        """The cells of a genotype of the search space."""
        concat = tuple(range(2, 2 + genotype.nodes))
        return cls(Cell(genotype.normal, concat), Cell(genotype.reduce, concat), genotype.space)

    def to_genotype(self) -> Genotype:
        """The same cells in the search space; raises GenotypeError if it does not hold them."""
        hint = "tnas train-eval (from scratch), tnas supervised and tnas transfer take such cells"
        known = {row.name for row in space_of(self.space).operations}
        for name, cell in zip(CELLS, (self.normal, self.reduce), strict=True):
            if not cell.joins_all_nodes:
                raise GenotypeError(
                    f"the {name} cell concatenates {list(cell.concat)}; cells of the search space join all their "
                    "nodes.",
                    hint=hint,
                )
            foreign = sorted({operation for operation, _ in cell.edges} - known)
            if foreign:
                raise GenotypeError(
                    f"the {name} cell has {foreign[0]}, which the search space does not have.", hint=hint
                )
        return Genotype(self.normal.edges, self.reduce.edges, self.space)

    @property
    def in_search_space(self) -> bool:
        """Whether `to_genotype` succeeds."""
        try:
            self.to_genotype()
        except GenotypeError:
            return False
        return True

    @property
    def digest(self) -> str:
        """Eight hexadecimal digits that name these cells; those of the genotype where they are one."""
        if self.in_search_space:
            return self.to_genotype().digest
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()[:8]

    def cell(self, name: str) -> tuple[Edge, ...]:
        """The edges of the cell called 'normal' or 'reduce', two per node."""
        return self._named(name).edges

    def joined(self, name: str) -> tuple[int, ...]:
        """The states that the output of the cell of that name concatenates."""
        return self._named(name).concat

    def rows(self, name: str) -> tuple[tuple[Operation, int], ...]:
        """The edges of the cell of that name with the operations themselves."""
        return tuple((row_of(operation), source) for operation, source in self.cell(name))

    def _named(self, name: str) -> Cell:
        return self.normal if name == "normal" else self.reduce

    @property
    def without_weights(self) -> dict[str, int]:
        """How many edges of both cells have no weights, by kind, as records carry it."""
        kept = [row for name in CELLS for row, _ in self.rows(name)]
        return {"skip_connections": sum(row.is_skip for row in kept), "pools": sum(row.is_pool for row in kept)}

    def to_json(self) -> dict[str, Any]:
        """A genotype's form, and the concatenated states."""
        found: dict[str, Any] = {}
        for name, cell in zip(CELLS, (self.normal, self.reduce), strict=True):
            found[name] = [[operation, source] for operation, source in cell.edges]
            found[f"{name}_concat"] = list(cell.concat)
        return found

    def to_darts(self) -> str:
        """The form of DARTS's `genotypes.py`."""
        normal, reduce = self.normal, self.reduce
        return (
            f"Genotype(normal={list(normal.edges)}, normal_concat={list(normal.concat)}, "
            f"reduce={list(reduce.edges)}, reduce_concat={list(reduce.concat)})"
        )

    @classmethod
    def from_json(cls, value: object) -> Cells:
        """Read the form of `to_json`, or a genotype's, whose output joins all nodes. Raises GenotypeError."""
        if not isinstance(value, Mapping) or not all(name in value for name in CELLS):
            raise GenotypeError(
                "cells need the keys 'normal' and 'reduce'.", hint='see "tnas decode --help" for both text forms'
            )
        normal, reduce = (_cell(name, value[name], value.get(f"{name}_concat")) for name in CELLS)
        return cls(normal, reduce, str(value.get("space", USUAL)))


def _cell(name: str, edges: Any, concat: object) -> Cell:
    found: list[Edge] = []
    for edge in by_edge(edges) if is_list(edges) else ():
        if not is_list(edge) or len(edge) != 2 or not isinstance(edge[0], str) or not _is_whole(edge[1]):
            raise GenotypeError(
                f"{edge!r} of the {name} cell is not an edge.", hint="an edge is [operation, source state]"
            )
        found.append((edge[0], edge[1]))
    if concat is None:
        concat = range(2, 2 + len(found) // 2)
    if not isinstance(concat, Sequence) or not all(map(_is_whole, concat)):
        raise GenotypeError(f"{name}_concat is {concat!r}.", hint="it is a list of states: [2, 3, 4, 5]")
    return Cell(tuple(found), tuple(concat))


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
