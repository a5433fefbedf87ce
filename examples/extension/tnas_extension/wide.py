"""A space of wide operations on cells of three nodes: rows of tnas's table, and one operation of its own.

An operation's form is what it computes. This operation has a form that tnas knows, with another size. A new form, with
its PyTorch code, would be a subclass of `tnas_cli.spaces.forms.Form`.
"""

from __future__ import annotations

from tnas_cli.spaces import operations_table as table
from tnas_cli.spaces.cell_space import CellSpace
from tnas_cli.spaces.forms import Separable
from tnas_cli.spaces.operations_table import Operation

DIL_CONV_7X7 = Operation("dil_conv_7x7", "dil conv 7×7", Separable(7, 2, 1), "dilated")

SPACE = CellSpace(
    name="wide",
    title="space of wide operations",
    operations=(
        table.NONE,
        table.AVG_POOL_3X3,
        table.SKIP_CONNECT,
        table.SEP_CONV_5X5,
        table.SEP_CONV_7X7,
        DIL_CONV_7X7,
    ),
    nodes=3,
)
