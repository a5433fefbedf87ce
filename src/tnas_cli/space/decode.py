"""From theta to a genotype, as Algorithm 2 does following DARTS."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from tnas_cli.space.edges import theta_order
from tnas_cli.space.genotype import CELLS, OPERATIONS, Genotype


def nodes_of(theta: Tensor) -> int:
    """Number of intermediate nodes of a theta [2, edges, 8]."""
    edges, nodes = theta.shape[1], 0
    while edges > 0:
        edges -= nodes + 2
        nodes += 1
    return nodes


def decode(theta: Tensor) -> Genotype:
    """Algorithm 2, line 3: theta [2, edges, 8] -> genotype.

    Softmax each edge; each node keeps the two incoming edges whose best operation other than `none` is strongest, and
    on each of them that operation. Ties go to the earlier edge and the earlier operation. Edges of a node are listed
    by source state.
    """
    probabilities = theta.detach().double().softmax(-1).cpu().numpy()  # [2, E, 8]
    normal, reduce = (_decode_cell(matrix, nodes_of(theta)) for matrix in probabilities)
    return Genotype(normal, reduce)


def _decode_cell(probabilities: np.ndarray, nodes: int) -> tuple[tuple[str, int], ...]:
    edges: list[tuple[str, int]] = []
    rows = theta_order(nodes)
    for node in range(nodes):
        candidates = []
        for row, (source, target) in enumerate(rows):
            if target == node:
                best = 1 + int(np.argmax(probabilities[row, 1:]))
                candidates.append((-float(probabilities[row, best]), source, OPERATIONS[best]))
        kept = sorted(candidates)[:2]
        edges += [(operation, source) for _, source, operation in sorted(kept, key=lambda entry: entry[1])]
    return tuple(edges)


def one_hot_theta(genotype: Genotype) -> Tensor:
    """The mixture of a genotype, float32 [2, edges, 8]: 1 for the operation of an edge it keeps, for `none` elsewhere.

    A genotype that keeps an edge twice with different operations gives each its share.
    """
    rows = {pair: row for row, pair in enumerate(theta_order(genotype.nodes))}
    mixture = torch.zeros(len(CELLS), len(rows), len(OPERATIONS))
    for cell, name in enumerate(CELLS):
        for position, (operation, source) in enumerate(genotype.cell(name)):
            mixture[cell, rows[source, position // 2], OPERATIONS.index(operation)] += 1
    mixture[..., OPERATIONS.index("none")] = (mixture.sum(-1) == 0).float()
    return mixture / mixture.sum(-1, keepdim=True)


def decidedness(theta: Tensor) -> Tensor:
    """Mean over edges of the largest probability: 1/8 is uniform, 1 is decided. theta [..., 2, edges, 8] -> [...]."""
    return theta.softmax(-1).amax(-1).mean(dim=(-2, -1))


def normalised_entropy(theta: Tensor) -> Tensor:
    """Mean over edges of the entropy of softmax(theta) over that of the uniform mixture: 1 is uniform, 0 is decided.

    theta [..., 2, edges, 8] -> [...].
    """
    logs = theta.log_softmax(-1)
    return -(logs.exp() * logs).sum(-1).mean(dim=(-2, -1)) / math.log(theta.shape[-1])


def largest_probability(theta: Tensor) -> float:
    """The single largest probability of all edges of theta [2, edges, 8]."""
    return float(theta.softmax(-1).max())
