"""A discrete architecture: which two operations feed each intermediate node of the normal and the reduction cell."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tnas_cli.errors import GenotypeError, SettingsError, did_you_mean
from tnas_cli.plain import NotPlainError, json_value
from tnas_cli.spaces import registry
from tnas_cli.spaces.genotype_text import find
from tnas_cli.spaces.operations_table import Operation

#: The cells of an architecture: the first keeps the size, the second halves it.
CELLS = ("normal", "reduce")

#: (operation, source state); states 0 and 1 are the cell's inputs, 2... its intermediate nodes.
Edge = tuple[str, int]


@dataclass(frozen=True)
class Genotype:
    """Two incoming edges per intermediate node for each cell; the cell's output concatenates all its nodes.

    space: the name of the space whose operations the edges carry. Raises GenotypeError for anything outside it.
    """

    normal: tuple[Edge, ...]
    reduce: tuple[Edge, ...]
    space: str = registry.USUAL

    def __post_init__(self) -> None:
        if len(self.normal) != len(self.reduce):
            raise GenotypeError(
                f"the normal cell has {len(self.normal)} edges and the reduction cell {len(self.reduce)}.",
                hint="both cells need two edges for each of the same number of nodes",
            )
        choices = tuple(row.name for row in self._operations() if not row.is_none)
        for name in CELLS:
            _check_cell(name, self.cell(name), choices)

    def _operations(self) -> tuple[Operation, ...]:
        try:
            return registry.space(self.space).operations
        except SettingsError as error:
            raise GenotypeError(error.message, hint=error.hint) from error

    @property
    def nodes(self) -> int:
        """Number of intermediate nodes per cell."""
        return len(self.normal) // 2

    def rows(self, cell: str) -> tuple[tuple[Operation, int], ...]:
        """The edges of the cell of that name with the operations themselves."""
        rows = {row.name: row for row in self._operations()}
        return tuple((rows[name], source) for name, source in self.cell(cell))

    def cell(self, name: str) -> tuple[Edge, ...]:
        """The edges of the cell called 'normal' or 'reduce', two per node."""
        return self.normal if name == "normal" else self.reduce

    def joined(self, name: str) -> tuple[int, ...]:
        """The states that the output of the cell of that name concatenates: all nodes."""
        return tuple(range(2, 2 + self.nodes))

    @property
    def digest(self) -> str:
        """Eight hexadecimal digits that name this architecture."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()[:8]

    @property
    def without_weights(self) -> dict[str, int]:
        """How many edges of both cells have no weights, by kind, as records carry it."""
        kept = [row for name in CELLS for row, _ in self.rows(name)]
        return {"skip_connections": sum(row.is_skip for row in kept), "pools": sum(row.is_pool for row in kept)}

    def to_json(self) -> dict[str, Any]:
        """The form that records carry: {"normal": [[operation, source], ...], "reduce": [...]}.

        The "space" is added if it is not the default one.
        """
        found: dict[str, Any] = {name: [[operation, source] for operation, source in self.cell(name)] for name in CELLS}
        return found if self.space == registry.USUAL else found | {"space": self.space}

    def to_darts(self) -> str:
        """The form of DARTS's `genotypes.py`, to compare and to paste; with the space if it is not the default one."""
        concat = list(range(2, 2 + self.nodes))
        normal, reduce = (str(list(self.cell(name))) for name in CELLS)
        space = "" if self.space == registry.USUAL else f", space={self.space!r}"
        return f"Genotype(normal={normal}, normal_concat={concat}, reduce={reduce}, reduce_concat={concat}{space})"

    @classmethod
    def from_json(cls, value: object) -> Genotype:
        """Read the form of `to_json`; raises GenotypeError and names what is wrong."""
        if not isinstance(value, Mapping) or not all(name in value for name in CELLS):
            raise GenotypeError(
                "a genotype needs the keys 'normal' and 'reduce'.", hint='see "tnas decode --help" for both text forms'
            )
        normal, reduce = (_edges(name, value[name]) for name in CELLS)
        found = cls(normal, reduce, str(value.get("space", registry.USUAL)))
        for name in CELLS:
            states, all_nodes = value.get(f"{name}_concat"), list(range(2, 2 + found.nodes))
            if states is not None and (not isinstance(states, Sequence) or list(states) != all_nodes):
                raise GenotypeError(
                    f"{name}_concat={states} does not list every node {all_nodes}.",
                    hint="tnas train-eval (from scratch), tnas supervised and tnas transfer take such cells",
                )
        return found

    @classmethod
    def parse(cls, text: str) -> Genotype:
        """Read JSON or the one Genotype(...) of a text; nothing in it is executed. Raises GenotypeError."""
        stripped = text.strip()
        if stripped.startswith("{"):
            try:
                value = json_value(stripped)
            except NotPlainError as error:
                raise GenotypeError(
                    f"not a genotype: broken JSON ({error}).", hint="pass JSON or DARTS's Genotype(...)"
                ) from error
            return cls.from_json(value.get("genotype", value))
        found = find(text)
        if len(found) != 1:
            said = "holds no Genotype(...)" if not found else f"holds {len(found)} genotypes"
            raise GenotypeError(f"not a genotype: {stripped[:60]!r} {said}.", hint="pass JSON or DARTS's Genotype(...)")
        return cls.from_json(found[0].arguments)


def by_edge(edges: Sequence[Any]) -> Sequence[Any]:
    """Edges in a row; they may also come node by node, [[edge, edge], ...]."""
    return [edge for node in edges for edge in node] if edges and all(map(_is_node, edges)) else edges


def _is_node(value: Any) -> bool:
    return is_list(value) and len(value) > 0 and all(map(is_list, value))


def is_list(value: Any) -> bool:
    """Whether a value is a list or tuple, and not a text."""
    return isinstance(value, Sequence) and not isinstance(value, str)


def _edges(cell: str, value: Any) -> tuple[Edge, ...]:
    if not is_list(value):
        raise GenotypeError(
            f"the {cell} cell is {value!r}, not a list of edges.", hint="an edge is [operation, source]"
        )
    edges: list[Edge] = []
    for position, edge in enumerate(by_edge(value)):
        well_formed = isinstance(edge, Sequence) and len(edge) == 2 and isinstance(edge[0], str)
        if not well_formed or not isinstance(edge[1], int) or isinstance(edge[1], bool):
            raise GenotypeError(
                f"edge {position} of the {cell} cell is {edge!r}.", hint="an edge is [operation, source state]"
            )
        edges.append((edge[0], edge[1]))
    return tuple(edges)


def _check_cell(name: str, edges: tuple[Edge, ...], choices: tuple[str, ...]) -> None:
    if not edges or len(edges) % 2:
        raise GenotypeError(f"the {name} cell has {len(edges)} edges.", hint="each node needs exactly two edges")
    for position, (operation, source) in enumerate(edges):
        node = position // 2
        if operation not in choices:
            raise GenotypeError(
                f"unknown operation {operation!r} in edge {position} of the {name} cell.",
                hint=did_you_mean(operation, choices),
            )
        if not 0 <= source < node + 2:
            raise GenotypeError(
                f"edge {position} of the {name} cell comes from state {source}, but node {node} sees states 0 to "
                f"{node + 1}.",
                hint="correct the source state of that edge",
            )
