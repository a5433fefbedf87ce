"""How smooth or decided theta is, in two numbers; and theta from a record, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tnas_cli.errors import DataError
from tnas_cli.spaces.edges import edge_count
from tnas_cli.spaces.genotype import CELLS
from tnas_cli.spaces.registry import USUAL, space
from tnas_cli.spaces.shapes import OPEN

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Smoothness:
    """`largest`: mean over edges of the largest probability, 1/8 where theta is uniform over 8 operations, 1 where it
    is decided. `entropy`: mean over edges of the entropy divided by that of uniform choices, 1 and 0."""

    largest: float
    entropy: float

    def __str__(self) -> str:
        return f"mean largest probability {self.largest:.3f}, normalised entropy {self.entropy:.3f}"


def checked_theta(values: object, where: str, of: str = USUAL) -> Matrix:
    """theta [2, edges, operations] of the space called `of` from a record's lists; raises DataError that names `where`
    for anything else."""
    try:
        theta = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{where} carries no theta.", hint=_HINT) from error
    columns = len(space(of).operations)
    right = theta.ndim == 3 and theta.shape[0] == len(CELLS) and theta.shape[2] == columns
    if not right or theta.shape[1] not in _EDGES or not np.isfinite(theta).all():
        raise DataError(f"theta of {where} has shape {list(theta.shape)}, not [2, 14, {columns}].", hint=_HINT)
    return theta


_HINT = "pass records of `tnas adapt --json` as they were written"
_EDGES = {edge_count(nodes): nodes for nodes in range(1, 20)}


def nodes_of_edges(edges: int) -> int:
    """The number of intermediate nodes of a cell with this many edges."""
    return _EDGES[edges]


def probabilities(theta: Matrix) -> Matrix:
    """Softmax over the operations of each edge: theta [..., operations] -> the same."""
    shifted = np.exp(theta - theta.max(axis=-1, keepdims=True))
    softmax: Matrix = shifted / shifted.sum(axis=-1, keepdims=True)
    return softmax


def smoothness(theta: Matrix) -> Smoothness:
    """Both numbers over all edges of theta [..., operations]."""
    p = probabilities(theta)
    # p log p is 0 at p = 0.
    surprise = -np.log(np.where(p > 0, p, 1.0))
    entropy = (p * surprise).sum(axis=-1) / np.log((theta > OPEN).sum(axis=-1))
    return Smoothness(float(p.max(axis=-1).mean()), float(entropy.mean()))


def range_of(values: Sequence[float]) -> str:
    """'0.235' for one value, '0.221 to 0.249' for several."""
    low, high = min(values), max(values)
    return f"{low:.3f}" if f"{low:.3f}" == f"{high:.3f}" else f"{low:.3f} to {high:.3f}"
