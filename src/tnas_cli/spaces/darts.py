"""DARTS's space, which the paper searches: eight operations on the edges of cells of four nodes (Section 5.2.1)."""

from __future__ import annotations

from tnas_cli.spaces import operations_table as table
from tnas_cli.spaces.cell_space import CellSpace

SPACE = DARTS = CellSpace(
    name="darts",
    title="DARTS's space",
    operations=(
        table.NONE,
        table.MAX_POOL_3X3,
        table.AVG_POOL_3X3,
        table.SKIP_CONNECT,
        table.SEP_CONV_3X3,
        table.SEP_CONV_5X5,
        table.DIL_CONV_3X3,
        table.DIL_CONV_5X5,
    ),
    nodes=4,
    citation=("liu2019darts",),
)
