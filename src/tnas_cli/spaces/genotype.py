"""A discrete architecture: which two operations feed each intermediate node of the normal and the reduction cell."""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tnas_cli.errors import GenotypeError, SettingsError, did_you_mean
from tnas_cli.spaces import registry
from tnas_cli.spaces.operations_table import SEP_CONV_3X3, Operation

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
                    hint="such cells can be trained by tnas transfer only",
                )
        return found

    @classmethod
    def parse(cls, text: str) -> Genotype:
        """Read JSON or DARTS's text form; nothing in the text is executed. Raises GenotypeError."""
        stripped = text.strip()
        if stripped.startswith("{"):
            try:
                value = json.loads(stripped)
            except json.JSONDecodeError as error:
                raise GenotypeError(
                    f"not a genotype: broken JSON ({error}).", hint="pass JSON or DARTS's Genotype(...)"
                ) from error
            return cls.from_json(value.get("genotype", value))
        return cls.from_json(_darts_arguments(stripped))


def _darts_arguments(text: str) -> dict[str, object]:
    """Keyword arguments of the text 'Genotype(normal=[...], ...)', as literals."""
    edge = (SEP_CONV_3X3.name, 0)
    hint = f"expected Genotype(normal=[{edge}, ...], normal_concat=..., reduce=[...], reduce_concat=...)"
    try:
        node = ast.parse(text.partition("=")[2].strip() if text.split("=")[0].strip().isidentifier() else text)
        call = node.body[0].value  # type: ignore[attr-defined]
        if not (isinstance(call, ast.Call) and getattr(call.func, "id", None) == "Genotype"):
            raise ValueError("no Genotype(...)")
        arguments = {str(k.arg): _literal(k.value) for k in call.keywords}
    except (SyntaxError, ValueError, IndexError, AttributeError, RecursionError, MemoryError) as error:
        raise GenotypeError(f"not a genotype: {text[:60]!r}.", hint=hint) from error
    for name in CELLS:
        concat, edges = arguments.get(f"{name}_concat"), arguments.get(name)
        wanted = list(range(2, 2 + len(edges) // 2)) if isinstance(edges, list | tuple) else None
        if concat is not None and (not isinstance(concat, list | tuple | range) or list(concat) != wanted):
            raise GenotypeError(f"{name}_concat={concat} does not list every node {wanted}.", hint=hint)
    return arguments


def _literal(node: ast.expr) -> object:
    """A literal, or range(a, b) of literals."""
    if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "range" and not node.keywords:
        bounds = [ast.literal_eval(argument) for argument in node.args]
        if all(isinstance(bound, int) and 0 <= bound <= 64 for bound in bounds) and 1 <= len(bounds) <= 2:
            return list(range(*bounds))
    return ast.literal_eval(node)


def _edges(cell: str, value: object) -> tuple[Edge, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise GenotypeError(
            f"the {cell} cell is {value!r}, not a list of edges.", hint="an edge is [operation, source]"
        )
    edges: list[Edge] = []
    for position, edge in enumerate(value):
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
