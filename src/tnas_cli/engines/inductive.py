"""Answers that do not depend on the other query images: batch norm by the support set's statistics."""

from __future__ import annotations

import torch
from torch import Tensor

from tnas_cli.engines.interface import Network
from tnas_cli.engines.parts import in_parts, joined
from tnas_cli.spaces.operations import statistics_of_first
from tnas_cli.spaces.parameters import Parameters


def inductive_logits(network: Network, parameters: Parameters, support_x: Tensor, query_x: Tensor) -> Tensor:
    """Logits [T, Q, way] of query images at each task's own parameters [T, ...], in PyTorch.

    Support images [T, S, C, H, W] pass the network with them, and theirs are the statistics of every batch norm.
    """
    count = support_x.shape[1]

    @torch.no_grad()
    def part(of: slice) -> Tensor:
        own = {name: tensor[of] for name, tensor in parameters.items()}
        with statistics_of_first(count):
            return network.logits(own, torch.cat([support_x[of], query_x[of]], dim=1))[:, count:]

    return joined(in_parts(part, torch.cat([support_x, query_x], dim=1)))
