"""Published cells by name: those of Tables 7 and 8, and those of the few-shot searches of Tables 3 and 6.

DARTS V1 (first order) and V2 (second order), NASNet-A and AmoebaNet-A are as Liu et al. publish them with DARTS (file
`cnn/genotypes.py` of quark0/darts), so that parameter counts and errors can be compared with Table 7's. Their
AmoebaNet-A takes the numbers of Real et al.'s inputs, which count the other way round; the cells that Real et al.
publish (`model_specs.py` of tensorflow/tpu) are AmoebaNet-A-Real, -B and -C. PNASNet-5 is Liu et al.'s (2018), ENAS
the cell of Pham et al.'s script, ENAS-paper that of their figure, BASE-CIFAR and BASE-ImageNet are Shaw et al.'s,
Auto-Meta is Kim et al.'s figure. The cells of Auto-MAML are those that Lian et al. publish with their code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tnas_cli.spaces import operations_table as table
from tnas_cli.spaces.architecture import Architecture
from tnas_cli.spaces.cells import Cell, Cells
from tnas_cli.spaces.genotype import Edge

_SHORT = {
    "max2": table.MAX_POOL_2X2,
    "max3": table.MAX_POOL_3X3,
    "avg3": table.AVG_POOL_3X3,
    "skip": table.SKIP_CONNECT,
    "sep3": table.SEP_CONV_3X3,
    "sep5": table.SEP_CONV_5X5,
    "sep7": table.SEP_CONV_7X7,
    "dil3": table.DIL_CONV_3X3,
    "dil5": table.DIL_CONV_5X5,
    "one": table.CONV_1X1,
    "once3": table.SEP_CONV_3X3_ONCE,
    "fac5": table.CONV_1X5_5X1,
    "fac7": table.CONV_7X1_1X7,
    "bot3": table.NARROW_CONV_3X3,
    "bot7": table.NARROW_CONV_1X7_7X1,
}


@dataclass(frozen=True)
class Known:
    """Cells with the name they are shown by, and the method that found them, as results and Table 7 name it."""

    name: str
    method: str
    cells: Cells

    @property
    def architecture(self) -> Architecture:
        """A genotype where the default search space holds them."""
        return self.cells.to_genotype() if self.cells.in_search_space else self.cells


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
#: Their source counts 0 as the previous cell; here, as everywhere, 1 is the previous one.
_AMOEBANET_A_REAL = Cells(
    _cell("avg3 1 max3 1 | sep3 0 skip 0 | skip 1 avg3 0 | sep3 1 sep5 2 | avg3 5 sep3 1", (0, 3, 4, 6)),
    _cell("sep3 0 avg3 1 | max3 1 sep7 2 | max3 0 max3 1 | sep3 4 bot7 1 | avg3 0 sep7 1"),
)
#: The source names a dilated 5 x 5 convolution in the reduction cell, and computes it without dilation.
_AMOEBANET_B = Cells(
    _cell("one 0 max3 0 | skip 0 sep3 1 | one 0 sep3 1 | one 2 skip 2 | avg3 0 one 5", (1, 3, 4, 6)),
    _cell("max2 1 max3 1 | skip 2 bot3 0 | sep5 2 max3 2 | skip 3 sep3 0 | avg3 4 one 3", (5, 6)),
)
_AMOEBANET_C = Cells(
    _cell("avg3 1 sep3 1 | skip 1 sep3 1 | avg3 2 sep3 0 | skip 1 sep3 0 | avg3 3 sep3 1", (0, 2, 4, 5, 6)),
    _cell("max3 1 max3 1 | sep7 2 sep3 1 | sep7 1 max3 0 | sep5 4 sep5 4 | max3 0 sep3 0", range(1, 7)),
)
#: One cell for both; its source halves a skip connection by a 1 x 1 convolution.
_PNASNET_5 = Cells(
    _cell("sep5 0 max3 0 | sep7 1 max3 1 | sep5 1 sep3 1 | sep3 4 max3 1 | sep3 0 skip 1"),
    _cell("sep5 0 max3 0 | sep7 1 max3 1 | sep5 1 sep3 1 | sep3 4 max3 1 | sep3 0 one 1"),
)
_ENAS = Cells(
    _cell("avg3 0 sep3 0 | skip 0 sep5 0 | skip 0 sep5 1 | sep3 1 sep5 0 | avg3 0 sep5 1"),
    _cell("sep3 1 sep3 1 | max3 0 avg3 0 | sep5 1 sep5 3 | sep3 1 skip 0 | max3 0 sep5 1", (2, 4, 5, 6)),
)
_ENAS_PAPER = Cells(
    _cell("sep3 1 skip 1 | sep5 1 skip 0 | avg3 0 sep3 1 | sep3 0 avg3 1 | sep5 1 avg3 0"),
    _cell("sep5 0 avg3 1 | sep3 1 avg3 1 | avg3 1 sep3 1 | sep5 4 avg3 1 | sep3 5 sep5 0", (2, 3, 6)),
)
_BASE_CIFAR = Cells(
    _cell("skip 0 dil3 1 | max3 0 dil5 0 | max3 0 sep5 0 | max3 1 dil5 1"),
    _cell("sep3 0 sep5 0 | max3 0 sep3 0 | skip 0 avg3 3 | max3 1 skip 2"),
)
_BASE_IMAGENET = Cells(
    _cell("skip 0 max3 1 | avg3 0 sep5 1 | sep5 0 dil5 3 | sep5 0 sep5 2"),
    _cell("max3 0 sep5 0 | max3 0 avg3 0 | sep5 2 dil5 2 | avg3 0 sep5 3"),
)
_AUTO_META_CELL = _cell("once3 1 max3 1 | fac5 2 max3 2 | once3 2 fac5 3 | once3 3 once3 3 | fac5 3 once3 2", range(7))
#: One cell for both.
AUTO_META = Cells(_AUTO_META_CELL, _AUTO_META_CELL)
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
    Known("AmoebaNet-A-Real", "amoebanet-a", _AMOEBANET_A_REAL),
    Known("AmoebaNet-B", "amoebanet-b", _AMOEBANET_B),
    Known("AmoebaNet-C", "amoebanet-c", _AMOEBANET_C),
    Known("PNASNet-5", "pnas", _PNASNET_5),
    Known("ENAS", "enas", _ENAS),
    Known("ENAS-paper", "enas", _ENAS_PAPER),
    Known("BASE-CIFAR", "base", _BASE_CIFAR),
    Known("BASE-ImageNet", "base", _BASE_IMAGENET),
    Known("Auto-Meta", "auto-meta", AUTO_META),
    Known("Auto-MAML-1shot", "auto-maml", _AUTO_MAML_1SHOT),
    Known("Auto-MAML-5shot", "auto-maml", _AUTO_MAML_5SHOT),
)

#: What DARTS's own `--arch` calls them, and short names.
_ALIASES = {
    "darts": "dartsv2",
    "nasnet": "nasneta",
    "amoebanet": "amoebaneta",
    "pnas": "pnasnet5",
    "pnasnet": "pnasnet5",
}

#: Cells of Table 8 that have no source to take them from.
_UNPUBLISHED = ("NASNet-B", "NASNet-C")


def known(name: str) -> Known | None:
    """The published cells of that name, or None. Case, '-' and '_' do not matter; DARTS is its second version."""
    plain = _plain(name)
    plain = _ALIASES.get(plain, plain)
    return next((entry for entry in KNOWN if _plain(entry.name) == plain), None)


def unpublished(name: str) -> str | None:
    """The name of a row of Table 8 whose cells no public code or genotype file has, or None."""
    return next((row for row in _UNPUBLISHED if _plain(row) == _plain(name)), None)


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")
