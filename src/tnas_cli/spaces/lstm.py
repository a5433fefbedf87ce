"""An LSTM cell without peepholes, for tasks that have parameters of their own."""

from __future__ import annotations

import torch
from torch import Tensor

from tnas_cli.spaces.parameters import Parameters
from tnas_cli.spaces.shapes import Spec, Specs

GATES = 4


def lstm_specs(prefix: str, fed: int, state: int, width: int) -> Specs:
    """A cell of `width` units, fed with vectors of `fed` numbers; what it receives of the step before has `state`.

    One bias per gate. The weights start as those of `torch.nn.LSTM`.
    """
    return {
        f"{prefix}.input": Spec((GATES * width, fed), fan_in=width),
        f"{prefix}.recurrent": Spec((GATES * width, state), fan_in=width),
        f"{prefix}.gate_bias": Spec((GATES * width,), fan_in=width),
    }


def from_input(w: Parameters, prefix: str, x: Tensor) -> Tensor:
    """What the inputs x [T, N, fed] add to the gates of a step: [T, N, 4 * width]."""
    return torch.baddbmm(w[f"{prefix}.gate_bias"].unsqueeze(1), x, w[f"{prefix}.input"].mT)


def lstm_step(w: Parameters, prefix: str, fed: Tensor, state: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """The output and the cell [T, N, width] each, from `fed` of `from_input`, state [T, N, state] and the last cell.

    The gates are in PyTorch's order: input, forget, candidate, output.
    """
    gates = torch.baddbmm(fed, state, w[f"{prefix}.recurrent"].mT)  # [T, N, 4 * width]
    enter, keep, candidate, leave = gates.chunk(GATES, dim=-1)
    cell = keep.sigmoid() * cell + enter.sigmoid() * candidate.tanh()
    return leave.sigmoid() * cell.tanh(), cell
