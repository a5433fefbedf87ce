"""Network weights as named tensors, and how they are drawn.

A network's weights are a plain dictionary, name -> tensor. Adapted per task, each tensor has a leading task dimension.
Both the weights w and the architecture parameters theta live in it, because Equation 7 treats them alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from tnas_cli.spaces.shapes import CLOSED, THETA, Spec, count

__all__ = ["THETA", "Parameters", "Spec", "count", "draw", "for_tasks"]

Parameters = dict[str, Tensor]


def draw(specs: Mapping[str, Spec], generator: torch.Generator) -> Parameters:
    """Initial parameters, float32, in the order of `specs`."""
    return {name: _drawn(spec, generator) for name, spec in specs.items()}


def _drawn(spec: Spec, generator: torch.Generator) -> Tensor:
    if spec.start == "uniform":
        bound = 1 / math.sqrt(spec.fan_in)
        return torch.empty(spec.shape).uniform_(spec.centre - bound, spec.centre + bound, generator=generator)
    if spec.start == "truncated":
        std = spec.deviation
        return torch.nn.init.trunc_normal_(torch.empty(spec.shape), 0.0, std, -2 * std, 2 * std, generator)
    if spec.start == "theta":
        drawn = 1e-3 * torch.randn(spec.shape, generator=generator)
        for row, column in spec.closed:
            drawn[:, row, column] = CLOSED
        return drawn
    return torch.ones(spec.shape) if spec.start == "ones" else torch.zeros(spec.shape)


def for_tasks(parameters: Parameters, tasks: int) -> Parameters:
    """The same parameters once per task: each tensor [...] becomes [T, ...] without a copy."""
    return {name: tensor.expand(tasks, *tensor.shape) for name, tensor in parameters.items()}
