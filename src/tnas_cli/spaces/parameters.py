"""Network weights as named tensors: their shapes, how they start, how many numbers they hold.

A network's weights are a plain dictionary, name -> tensor. Adapted per task, each tensor has a leading task dimension.
Both the weights w and the architecture parameters theta live in it, because Equation 7 treats them alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Parameters = dict[str, Tensor]

#: The name under which a search network's architecture parameters stand among its parameters.
THETA = "theta"


@dataclass(frozen=True)
class Spec:
    """Shape of one tensor and its start: 'uniform' is U(-1/sqrt(fan_in), 1/sqrt(fan_in)), as torch's layers start."""

    shape: tuple[int, ...]
    start: Literal["uniform", "ones", "zeros", "theta"] = "uniform"
    fan_in: int = 0

    def draw(self, generator: torch.Generator) -> Tensor:
        """A new float32 tensor."""
        if self.start == "uniform":
            bound = 1 / math.sqrt(self.fan_in)
            return torch.empty(self.shape).uniform_(-bound, bound, generator=generator)
        if self.start == "theta":
            return 1e-3 * torch.randn(self.shape, generator=generator)
        return torch.ones(self.shape) if self.start == "ones" else torch.zeros(self.shape)


def draw(specs: Mapping[str, Spec], generator: torch.Generator) -> Parameters:
    """Initial parameters, float32, in the order of `specs`."""
    return {name: spec.draw(generator) for name, spec in specs.items()}


def count(specs: Mapping[str, Spec]) -> int:
    """How many weights w a network has; theta is not counted."""
    return sum(math.prod(spec.shape) for name, spec in specs.items() if name != THETA)


def for_tasks(parameters: Parameters, tasks: int) -> Parameters:
    """The same parameters once per task: each tensor [...] becomes [T, ...] without a copy."""
    return {name: tensor.expand(tasks, *tensor.shape) for name, tensor in parameters.items()}
