"""From theta to a genotype, as Algorithm 2 does following DARTS."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from tnas_cli.errors import SettingsError
from tnas_cli.spaces.cell_space import CellSpace
from tnas_cli.spaces.darts import DARTS
from tnas_cli.spaces.edges import edge_count, theta_order
from tnas_cli.spaces.genotype import CELLS, Genotype
from tnas_cli.spaces.registry import space as space_of
from tnas_cli.spaces.shapes import OPEN


def nodes_of(theta: Tensor) -> int:
    """Number of intermediate nodes of a theta [2, edges, operations]."""
    edges, nodes = theta.shape[1], 0
    while edges > 0:
        edges -= nodes + 2
        nodes += 1
    return nodes


def decode(theta: Tensor, max_skips: int | None = None, space: CellSpace = DARTS) -> Genotype:
    """Algorithm 2, line 3: theta [2, edges, operations] -> genotype.

    Softmax each edge; each node keeps the two incoming edges whose best operation other than `none` is strongest, and
    on each of them that operation. Ties go to the earlier edge and the earlier operation. Edges of a node are listed
    by source state.

    max_skips: not in the paper; the most skip connections that each cell may keep, after the architecture refinement of
    P-DARTS (Chen et al., 2019). While a cell keeps more, the kept skip connection with the smallest softmax weight (of
    equal ones, on the latest edge) is forbidden, and the cell is decoded again; every other weight stays as it was.
    Raises SettingsError below 0.
    """
    if max_skips is not None and max_skips < 0:
        raise SettingsError(f"max_skips is {max_skips}.", hint="choose a whole number of at least 0")
    probabilities = theta.detach().double().softmax(-1).cpu().numpy()  # [2, E, O]
    normal, reduce = (_decode_cell(weights, nodes_of(theta), max_skips, space) for weights in probabilities)
    return Genotype(normal, reduce, space.name)


def _decode_cell(
    weights: np.ndarray, nodes: int, max_skips: int | None, space: CellSpace
) -> tuple[tuple[str, int], ...]:
    """One cell from its softmax weights [edges, operations], where forbidden choices are set to -1."""
    rows = space.operations
    weights[:, [row.is_none for row in rows]] = -1
    best, strength = weights.argmax(-1), weights.max(-1)
    while True:
        kept = _kept_edges(strength.tolist(), nodes)
        skips = [row for row in kept if rows[best[row]].is_skip]
        if max_skips is None or len(skips) <= max_skips:
            sources = theta_order(nodes)
            return tuple((rows[best[row]].name, sources[row][0]) for row in kept)
        row = min(skips, key=lambda row: (strength[row], -row))
        weights[row, best[row]] = -1
        best[row], strength[row] = weights[row].argmax(), weights[row].max()


def _kept_edges(strength: list[float], nodes: int) -> list[int]:
    """The rows of the two strongest edges into each node, in theta's order."""
    kept: list[int] = []
    for node in range(nodes):
        first = edge_count(node)
        strongest = sorted(range(first, first + node + 2), key=lambda row: (-strength[row], row))
        kept += sorted(strongest[:2])
    return kept


def one_hot_theta(genotype: Genotype) -> Tensor:
    """The mixture of a genotype, float32 [2, edges, operations]: 1 for the operation of an edge that it keeps, and
    for no connection on any other edge.

    A genotype that keeps an edge twice with different operations gives each its share.
    """
    edges = {pair: row for row, pair in enumerate(theta_order(genotype.nodes))}
    columns = [row.name for row in space_of(genotype.space).operations]
    none = next(column for column, row in enumerate(space_of(genotype.space).operations) if row.is_none)
    mixture = torch.zeros(len(CELLS), len(edges), len(columns))
    for cell, name in enumerate(CELLS):
        for position, (operation, source) in enumerate(genotype.cell(name)):
            mixture[cell, edges[source, position // 2], columns.index(operation)] += 1
    mixture[..., none] = (mixture.sum(-1) == 0).float()
    return mixture / mixture.sum(-1, keepdim=True)


def decidedness(theta: Tensor) -> Tensor:
    """Mean over rows of the largest probability: 1 is decided; 1 / operations is uniform where every entry is a choice.

    theta [..., 2, edges, operations] -> [...].
    """
    return theta.softmax(-1).amax(-1).mean(dim=(-2, -1))


def normalised_entropy(theta: Tensor) -> Tensor:
    """Mean over rows of the entropy of softmax(theta) over that of its uniform choices: 1 is uniform, 0 is decided.

    theta [..., 2, edges, operations] -> [...].
    """
    logs = theta.log_softmax(-1)
    choices = (theta > OPEN).sum(-1).to(theta)
    return (-(logs.exp() * logs).sum(-1) / choices.log()).mean(dim=(-2, -1))


def largest_probability(theta: Tensor) -> float:
    """The single largest probability of all edges of theta [2, edges, operations]."""
    return float(theta.softmax(-1).max())
