"""The network of a genotype in PyTorch, for many tasks at once."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tnas_cli.spaces import operations as ops
from tnas_cli.spaces.cells import halved_inputs
from tnas_cli.spaces.decoded_network import DecodedNetwork
from tnas_cli.spaces.description import CellDescription
from tnas_cli.spaces.operations_table import SKIP_CONNECT
from tnas_cli.spaces.parameters import Parameters
from tnas_cli.spaces.stem import linear, pooled, stem
from tnas_cli.spaces.torch_forms import affine_norm


def logits(network: DecodedNetwork, parameters: Parameters, x: Tensor) -> Tensor:
    """x [T, N, C, H, W], every parameter with a leading T -> logits [T, N, way]."""
    return linear(parameters, features(network, parameters, x))


def features(network: DecodedNetwork, parameters: Parameters, x: Tensor) -> Tensor:
    """What the linear layer sees: x [T, N, C, H, W], every parameter with a leading T -> [T, N, F]."""
    s = stem(parameters, x)
    normal, reduce = network.description().cells
    reduced = _cell(parameters, reduce, s, _cell(parameters, normal, s, s))
    return pooled(reduced.flatten(1, 2))


def _cell(w: Parameters, cell: CellDescription, before: Tensor, previous: Tensor) -> Tensor:
    """Concatenation of the joined states: [T, 1, joined * C, N, h', w']."""
    states = []
    for index, x in enumerate((before, previous)):
        name = f"{cell.name}.input{index}"
        states.append(affine_norm(w, name, ops.pointwise(F.relu(x), w[name].unsqueeze(1))))
    for pair in zip(cell.branches[::2], cell.branches[1::2], strict=True):
        first, second = (
            b.operation.form.torch().decoded(states[b.source], w, b.weights.removesuffix("."), b.stride) for b in pair
        )
        states.append(first + second)
    for state in halved_inputs(cell.joined, cell.stride):
        states[state] = SKIP_CONNECT.form.torch().decoded(states[state], w, f"{cell.name}.join{state}", cell.stride)
    return torch.cat([states[state] for state in cell.joined], dim=2)
