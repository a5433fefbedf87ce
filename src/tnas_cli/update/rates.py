"""How a learning rate falls from epoch to epoch."""

from __future__ import annotations

import math

import torch


def cosine(epoch: int, epochs: int, *, start: float, end: float = 0.0) -> float:
    """The rate of an epoch (counted from 0) along half a cosine, from `start` in the first to nearly `end` in the last
    (Loshchilov and Hutter, 2017, Equation 5, without restarts)."""
    return end + (start - end) * (1 + math.cos(math.pi * epoch / epochs)) / 2


def exponential(epoch: int, *, start: float, factor: float) -> float:
    """The rate of an epoch (counted from 0) when each epoch's rate is `factor` times the one before."""
    return float(start * factor**epoch)


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Give all groups of an optimiser this rate."""
    for group in optimiser.param_groups:
        group["lr"] = rate
