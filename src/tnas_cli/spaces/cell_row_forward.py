"""A row of cells in PyTorch, for many tasks at once."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tnas_cli.spaces import operations as ops
from tnas_cli.spaces.cell_row import CellRow
from tnas_cli.spaces.cells import halved_inputs
from tnas_cli.spaces.description import Branch, CellDescription
from tnas_cli.spaces.operations_table import SKIP_CONNECT
from tnas_cli.spaces.parameters import Parameters
from tnas_cli.spaces.stem import pooled
from tnas_cli.spaces.torch_forms import affine_norm


def features(network: CellRow, parameters: Parameters, x: Tensor) -> Tensor:
    """What the linear layer sees: x [T, N, C, H, W], every parameter with a leading T -> [T, N, F]."""
    y = ops.convolve(x.transpose(1, 2), parameters["stem.conv"]).unsqueeze(1)  # [T, 1, 3 C, N, H, W]
    before = previous = affine_norm(parameters, "stem", y).contiguous()
    for position, cell in enumerate(network.descriptions()):
        larger = network.larger_before(position)
        before, previous = previous, _cell(parameters, cell, before, previous, larger)
    return pooled(previous.flatten(1, 2))


def _cell(w: Parameters, cell: CellDescription, before: Tensor, previous: Tensor, larger: bool) -> Tensor:
    """Concatenation of the joined states: [T, 1, joined * C, N, h', w']."""
    states = []
    for index, x in enumerate((before, previous)):
        name = f"{cell.name}.input{index}"
        halve = larger and index == 0
        y = (ops.factorised_reduce if halve else ops.pointwise)(F.relu(x), w[name].unsqueeze(1))
        states.append(affine_norm(w, name, y))
    for first, second in zip(cell.branches[::2], cell.branches[1::2], strict=True):
        states.append(_edge(w, first, states) + _edge(w, second, states))
    for state in halved_inputs(cell.joined, cell.stride):
        states[state] = SKIP_CONNECT.form.torch().decoded(states[state], w, f"{cell.name}.join{state}", cell.stride)
    return torch.cat([states[state] for state in cell.joined], dim=2)


def _edge(w: Parameters, branch: Branch, states: list[Tensor]) -> Tensor:
    form, x = branch.operation.form.torch(), states[branch.source]
    if branch.operation.is_pool:
        return form.shared(x, branch.stride)  # with a norm
    return form.decoded(x, w, branch.weights.removesuffix("."), branch.stride)
