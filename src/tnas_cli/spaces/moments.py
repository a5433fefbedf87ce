"""Where batch norms take their moments from: the images at hand, the first of them, or images that came before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from tnas_cli.spaces.network import Network
from tnas_cli.spaces.parameters import Parameters


class Moments(NamedTuple):
    """Mean and biased variance of one batch norm, for each task, branch and channel: [T, E, C, 1, 1, 1] each.

    images: how many images they were taken of.
    """

    mean: Tensor
    variance: Tensor
    images: int

    def of(self, tasks: slice) -> Moments:
        """Those of some of the tasks."""
        return Moments(self.mean[tasks], self.variance[tasks], self.images)


def all_tasks(parts: Sequence[Sequence[Moments]]) -> list[Moments]:
    """The moments of every norm from parts that hold those of some of the tasks each."""
    return [
        Moments(torch.cat([one.mean for one in norm]), torch.cat([one.variance for one in norm]), norm[0].images)
        for norm in zip(*parts, strict=True)
    ]


class Source(Protocol):
    """Gives the batch norms of a forward pass their moments, in the order in which they come."""

    def __call__(self, x: Tensor) -> Moments:
        """The moments to normalise x [T, E, C, N, H, W] by; they may differ from image to image [T, E, C, N, 1, 1]."""


def moments_of(x: Tensor) -> Moments:
    """The moments over images and pixels of x [T, E, C, N, H, W]."""
    variance, mean = torch.var_mean(x, dim=(3, 4, 5), correction=0, keepdim=True)
    return Moments(mean, variance, x.shape[3])


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


@contextmanager
def moments_of_first(images: int) -> Iterator[None]:
    """Within the block every batch norm takes the moments of its first images, so many, and normalises all by them."""
    with _from(lambda x: moments_of(x[:, :, :, :images])):
        yield


@contextmanager
def moments_mixed(scale: Tensor, offset: Tensor) -> Iterator[None]:
    """Within the block each image is normalised by a mixture of its own moments and those of several images, which
    come from wherever they would come from otherwise: TaskNorm-I (Bronskill et al., ICML 2020, Section 4).

    scale and offset [T, norms] of the weight of the latter, sigmoid(scale * images + offset), in the norms' order;
    branches that are computed together are a norm each.
    """
    several, met = source() or moments_of, 0

    def mixture(x: Tensor) -> Moments:
        nonlocal met
        of_all, these = several(x), slice(met, met + x.shape[1])
        met = these.stop
        variance, mean = torch.var_mean(x, dim=(4, 5), correction=0, keepdim=True)  # [T, E, C, N, 1, 1]
        a = torch.sigmoid(scale[:, these] * of_all.images + offset[:, these])[..., None, None, None, None]
        mixed = a * of_all.mean + (1 - a) * mean
        spread_of_all, spread = (of_all.mean - mixed).square(), (mean - mixed).square()
        return Moments(mixed, a * (of_all.variance + spread_of_all) + (1 - a) * (variance + spread), of_all.images)

    with _from(mixture):
        yield


def logits_of(network: Network, parameters: Parameters, x: Tensor, support_x: Tensor | None = None) -> Tensor:
    """Logits [T, N, way] of x [T, N, C, H, W]. Every batch norm takes its moments from x, or from support_x
    [T, S, C, H, W] where it is given; gradients reach the parameters through those moments too.
    """
    if support_x is None:
        return network.logits(parameters, x)
    count = support_x.shape[1]
    with moments_of_first(count):
        return network.logits(parameters, torch.cat([support_x, x], dim=1))[:, count:]


_SOURCE: ContextVar[Source | None] = ContextVar("where batch norms take their moments from", default=None)


@contextmanager
def _from(where: Source) -> Iterator[None]:
    token = _SOURCE.set(where)
    try:
        yield
    finally:
        _SOURCE.reset(token)
