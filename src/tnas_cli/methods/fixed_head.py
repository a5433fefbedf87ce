"""A linear layer that no inner step moves, for another number of classes than it was learned with.

Its rows have to differ, since nothing inside a task tells them apart: with equal rows every class would always have the
same probability, and the gradient of the features would be zero.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from tnas_cli.methods.class_means import BIAS, WEIGHT
from tnas_cli.spaces.parameters import Parameters, Spec


def with_way(parameters: Parameters, shapes: Mapping[str, Spec]) -> Parameters:
    """The same meta-parameters for another number of classes: `shapes` are those of the network that has it.

    For fewer classes the first rows remain; which class has which row is arbitrary. Further rows lie around the mean of
    the learned ones, as far away as these do on average, in directions that are drawn; they are the same in every call.
    Their biases are the mean of the learned ones.
    """
    weight, bias, way = parameters[WEIGHT], parameters[BIAS], shapes[WEIGHT].shape[0]
    if way > len(weight):
        weight = torch.cat([weight, _around(weight, way - len(weight))])
        bias = torch.cat([bias, bias.mean().expand(way - len(bias))])
    return {**parameters, WEIGHT: weight[:way].clone(), BIAS: bias[:way].clone()}


def _around(rows: Tensor, count: int) -> Tensor:
    """So many further rows [count, F] around the mean of rows [way, F]."""
    mean = rows.mean(0)
    distance = torch.linalg.vector_norm(rows - mean, dim=1).mean()
    drawn = torch.randn(count, rows.shape[1], generator=torch.Generator().manual_seed(0)).to(rows)
    further: Tensor = mean + distance * F.normalize(drawn, dim=1)
    return further
