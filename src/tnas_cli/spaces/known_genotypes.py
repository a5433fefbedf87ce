"""Published cells by name: those of Tables 7 and 8, and Auto-MAML's two.

DARTS V1 (first order) and V2 (second order), NASNet-A and AmoebaNet-A are as Liu et al. publish them with DARTS (file
`cnn/genotypes.py` of quark0/darts), so that parameter counts and errors can be compared with Table 7's. The cells of
Auto-MAML are those that Lian et al. publish with their code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tnas_cli.spaces import operations_table as table
from tnas_cli.spaces.cells import Cell, Cells
from tnas_cli.spaces.genotype import Edge

_SHORT = {
    "max3": table.MAX_POOL_3X3,
    "avg3": table.AVG_POOL_3X3,
    "skip": table.SKIP_CONNECT,
    "sep3": table.SEP_CONV_3X3,
    "sep5": table.SEP_CONV_5X5,
    "sep7": table.SEP_CONV_7X7,
    "dil3": table.DIL_CONV_3X3,
    "dil5": table.DIL_CONV_5X5,
    "fac7": table.CONV_7X1_1X7,
}


@dataclass(frozen=True)
class Known:
    """Cells with the name they are shown by, and the method that found them, as results and Table 7 name it."""

    name: str
    method: str
    cells: Cells


def _cell(text: str, concat: Sequence[int] = ()) -> Cell:
    """Nodes divided by '|', each two pairs of operation and source; `concat` is empty for all nodes."""
    words = text.replace("|", " ").split()
    edges: list[Edge] = [(_SHORT[name].name, int(source)) for name, source in zip(words[::2], words[1::2], strict=True)]
    return Cell(tuple(edges), tuple(concat or range(2, 2 + len(edges) // 2)))


_DARTS_V1 = Cells(
    _cell("sep3 1 sep3 0 | skip 0 sep3 1 | skip 0 sep3 1 | sep3 0 skip 2"),
    _cell("max3 0 max3 1 | skip 2 max3 0 | max3 0 skip 2 | skip 2 avg3 0"),
)
_DARTS_V2 = Cells(
    _cell("sep3 0 sep3 1 | sep3 0 sep3 1 | sep3 1 skip 0 | skip 0 dil3 2"),
    _cell("max3 0 max3 1 | skip 2 max3 1 | max3 0 skip 2 | skip 2 max3 1"),
)
_NASNET_A = Cells(
    _cell("sep5 1 sep3 0 | sep5 0 sep3 0 | avg3 1 skip 0 | avg3 0 avg3 0 | sep3 1 skip 1"),
    _cell("sep5 1 sep7 0 | max3 1 sep7 0 | avg3 1 sep5 0 | skip 3 avg3 2 | sep3 2 max3 1", (4, 5, 6)),
)
_AMOEBANET_A = Cells(
    _cell("avg3 0 max3 1 | sep3 0 sep5 2 | sep3 0 avg3 3 | sep3 1 skip 1 | skip 0 avg3 1", (4, 5, 6)),
    _cell("avg3 0 sep3 1 | max3 0 sep7 2 | sep7 0 avg3 1 | max3 0 max3 1 | fac7 0 sep3 5", (3, 4, 6)),
)
_AUTO_MAML_1SHOT = Cells(
    _cell("avg3 0 avg3 1 | avg3 1 avg3 2 | avg3 1 avg3 2 | dil3 3 avg3 2"),
    _cell("avg3 0 dil5 1 | avg3 0 dil5 1 | skip 3 dil5 2 | skip 4 skip 3"),
)
_AUTO_MAML_5SHOT = Cells(
    _cell("dil5 1 dil5 0 | dil5 2 dil3 1 | sep5 2 sep3 3 | skip 4 dil3 3"),
    _cell("sep5 0 avg3 1 | avg3 1 skip 2 | skip 2 avg3 1 | skip 2 max3 1"),
)

#: In the order in which they are listed for a user.
KNOWN = (
    Known("DARTS_V1", "darts-first-order", _DARTS_V1),
    Known("DARTS_V2", "darts-second-order", _DARTS_V2),
    Known("NASNet-A", "nasnet-a", _NASNET_A),
    Known("AmoebaNet-A", "amoebanet-a", _AMOEBANET_A),
    Known("Auto-MAML-1shot", "auto-maml", _AUTO_MAML_1SHOT),
    Known("Auto-MAML-5shot", "auto-maml", _AUTO_MAML_5SHOT),
)

#: What DARTS's own `--arch` calls them.
_ALIASES = {"darts": "dartsv2", "nasnet": "nasneta", "amoebanet": "amoebaneta"}


def known(name: str) -> Known | None:
    """The published cells of that name, or None. Case, '-' and '_' do not matter; DARTS is its second version."""
    plain = _plain(name)
    plain = _ALIASES.get(plain, plain)
    return next((entry for entry in KNOWN if _plain(entry.name) == plain), None)


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")
