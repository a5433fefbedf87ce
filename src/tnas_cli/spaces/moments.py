"""Where batch norms take their moments from: the images at hand, or moments that other images gave them before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple, Protocol

import torch
from torch import Tensor


class Moments(NamedTuple):
    """Mean and biased variance of one batch norm, for each task, branch and channel: [T, E, C, 1, 1, 1] each."""

    mean: Tensor
    variance: Tensor

    def of(self, tasks: slice) -> Moments:
        """Those of some of the tasks."""
        return Moments(self.mean[tasks], self.variance[tasks])


def all_tasks(parts: Sequence[Sequence[Moments]]) -> list[Moments]:
    """The moments of every norm from parts that hold those of some of the tasks each."""
    norms = zip(*parts, strict=True)
    return [Moments(*(torch.cat(values) for values in zip(*norm, strict=True))) for norm in norms]


class Source(Protocol):
    """Gives the batch norms of a forward pass their moments, in the order in which they come."""

    def __call__(self, x: Tensor) -> Moments:
        """The moments to normalise x [T, E, C, N, H, W] by."""


def moments_of(x: Tensor) -> Moments:
    """The moments over images and pixels of x [T, E, C, N, H, W]."""
    variance, mean = torch.var_mean(x, dim=(3, 4, 5), correction=0, keepdim=True)
    return Moments(mean, variance)


def source() -> Source | None:
    """Where the batch norms of this thread take their moments from; None for the images at hand."""
    return _SOURCE.get()


@contextmanager
def moments_kept() -> Iterator[list[Moments]]:
    """Within the block the moments of every batch norm are noted, in their order."""
    kept: list[Moments] = []

    def note(x: Tensor) -> Moments:
        kept.append(moments_of(x))
        return kept[-1]

    with _from(note):
        yield kept


@contextmanager
def moments_given(moments: Sequence[Moments]) -> Iterator[None]:
    """Within the block the same network's batch norms take these moments, in their order, and none of their images."""
    rest = iter(moments)
    with _from(lambda x: next(rest)):
        yield


_SOURCE: ContextVar[Source | None] = ContextVar("where batch norms take their moments from", default=None)


@contextmanager
def _from(where: Source) -> Iterator[None]:
    token = _SOURCE.set(where)
    try:
        yield
    finally:
        _SOURCE.reset(token)
