"""The operations table: a row per operation. Names of operations are here, in published genotypes, and nowhere else.

To add an operation, add a row; what it computes is its form (`forms.py`), and a new form has a PyTorch form beside it
(`torch_forms.py`). PyTorch computes operations that have no kernel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tnas_cli.errors import GenotypeError, did_you_mean
from tnas_cli.spaces.forms import Bottleneck, Crossed, Form, Identity, Nothing, Pointwise, Pool, Separable

#: Operations of a family are drawn alike.
Family = Literal["separable", "dilated", "pool", "skip", "other"]


@dataclass(frozen=True)
class Operation:
    """name: as genotypes spell it. title: as pictures do. form: what it computes. family: how it is drawn."""

    name: str
    title: str
    form: Form
    family: Family

    @property
    def is_none(self) -> bool:
        """Whether it is no connection at all, which no genotype keeps."""
        return isinstance(self.form, Nothing)

    @property
    def is_skip(self) -> bool:
        """Whether it is a skip connection."""
        return isinstance(self.form, Identity)

    @property
    def is_pool(self) -> bool:
        """Whether it is a pool."""
        return isinstance(self.form, Pool)


NONE = Operation("none", "none", Nothing(), "other")
MAX_POOL_3X3 = Operation("max_pool_3x3", "max pool 3×3", Pool("max"), "pool")
MAX_POOL_2X2 = Operation("max_pool_2x2", "max pool 2×2", Pool("max", 2), "pool")
AVG_POOL_3X3 = Operation("avg_pool_3x3", "avg pool 3×3", Pool("mean"), "pool")
SKIP_CONNECT = Operation("skip_connect", "skip connect", Identity(), "skip")
SEP_CONV_3X3 = Operation("sep_conv_3x3", "sep conv 3×3", Separable(3, 1, 2), "separable")
SEP_CONV_5X5 = Operation("sep_conv_5x5", "sep conv 5×5", Separable(5, 1, 2), "separable")
SEP_CONV_7X7 = Operation("sep_conv_7x7", "sep conv 7×7", Separable(7, 1, 2), "separable")
DIL_CONV_3X3 = Operation("dil_conv_3x3", "dil conv 3×3", Separable(3, 2, 1), "dilated")
DIL_CONV_5X5 = Operation("dil_conv_5x5", "dil conv 5×5", Separable(5, 2, 1), "dilated")
SEP_CONV_3X3_ONCE = Operation("sep_conv_3x3_once", "sep 3×3 once", Separable(3, 1, 1), "separable")
CONV_1X1 = Operation("conv_1x1", "conv 1×1", Pointwise(), "other")
CONV_7X1_1X7 = Operation("conv_7x1_1x7", "conv 7×1 1×7", Crossed(7), "other")
CONV_1X5_5X1 = Operation("conv_1x5_5x1", "conv 1×5 5×1", Crossed(5), "other")
NARROW_CONV_3X3 = Operation("narrow_conv_3x3", "¼ conv 3×3", Bottleneck(((3, 3),)), "other")
NARROW_CONV_1X7_7X1 = Operation("narrow_conv_1x7_7x1", "¼ 1×7 7×1", Bottleneck(((1, 7), (7, 1))), "other")

TABLE = (
    NONE,
    MAX_POOL_3X3,
    AVG_POOL_3X3,
    SKIP_CONNECT,
    SEP_CONV_3X3,
    SEP_CONV_5X5,
    SEP_CONV_7X7,
    DIL_CONV_3X3,
    DIL_CONV_5X5,
    CONV_1X1,
    CONV_7X1_1X7,
    MAX_POOL_2X2,
    SEP_CONV_3X3_ONCE,
    CONV_1X5_5X1,
    NARROW_CONV_3X3,
    NARROW_CONV_1X7_7X1,
)

_ROWS = {row.name: row for row in TABLE}


def operation(name: str) -> Operation:
    """The row of that name; raises GenotypeError, with a suggestion, if there is none."""
    if name not in _ROWS:
        raise GenotypeError(f"unknown operation {name!r}.", hint=did_you_mean(name, _ROWS))
    return _ROWS[name]
