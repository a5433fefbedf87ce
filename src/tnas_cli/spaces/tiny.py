"""A small space: five operations, three nodes. It is quick to try, and shows what a space is made of."""

from __future__ import annotations

from tnas_cli.spaces import operations_table as table
from tnas_cli.spaces.cell_space import CellSpace

SPACE = TINY = CellSpace(
    name="tiny",
    title="small space",
    operations=(
        table.SKIP_CONNECT,
        table.AVG_POOL_3X3,
        table.NONE,
        table.DIL_CONV_3X3,
        table.SEP_CONV_3X3,
    ),
    nodes=3,
)
