"""Tasks whose batch norms take the moments for an inductive answer from several passes of the support set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tnas_cli.engines.interface import Engine, Network
from tnas_cli.engines.parts import in_equal_parts, in_parts, joined
from tnas_cli.methods.learner import Fitted, Labelled
from tnas_cli.spaces.moments import Moments, moments_given, moments_kept
from tnas_cli.spaces.parameters import Parameters, Spec, for_tasks

#: How much of the running moments a pass replaces.
REPLACED = 0.9

_MEAN, _VARIANCE = "running{}.mean", "running{}.variance"


def running(before: Sequence[Moments], new: Sequence[Moments]) -> list[Moments]:
    """The running moments of every norm after one more pass; before the first, which has none, they are 0 and 1."""
    before = before or [Moments(torch.zeros_like(one.mean), torch.ones_like(one.variance), one.images) for one in new]
    return [
        Moments(old.mean.lerp(one.mean, REPLACED), old.variance.lerp(one.variance, REPLACED), one.images)
        for old, one in zip(before, new, strict=True)
    ]


def named(moments: Sequence[Moments]) -> Parameters:
    """The moments as tensors with names [T, ...], to be kept with a task's weights."""
    means = {_MEAN.format(number): norm.mean for number, norm in enumerate(moments)}
    return means | {_VARIANCE.format(number): norm.variance for number, norm in enumerate(moments)}


def specs_of_moments(network: Network, size: int) -> dict[str, Spec]:
    """The shapes of `named`, for images of size x size pixels; nothing is computed."""
    weights = {name: torch.empty(spec.shape, device="meta") for name, spec in network.specs().items()}
    image = torch.empty(1, 1, network.in_channels, size, size, device="meta")
    with torch.no_grad(), moments_kept() as kept:
        network.logits(for_tasks(weights, 1), image)
    return {name: Spec(tuple(tensor.shape[1:])) for name, tensor in named(kept).items()}


@dataclass(frozen=True)
class FittedByRunning(Fitted):
    """Tasks that answer by a network, whose parameters [T, ...] include the running moments.

    by_support: in meta-training the support images' moments answered for query images.
    """

    engine: Engine
    network: Network
    parameters: Parameters
    support: Labelled
    by_support: bool = False

    @property
    def own(self) -> Parameters:
        return self.parameters

    @property
    def weights(self) -> Parameters:
        """The network's weights [T, ...]."""
        return {name: self.parameters[name] for name in self.network.specs()}

    @property
    def moments(self) -> list[Moments]:
        """The running moments of every norm, in their order."""
        images, count = self.support[0].shape[1], (len(self.parameters) - len(self.network.specs())) // 2
        return [
            Moments(self.parameters[_MEAN.format(number)], self.parameters[_VARIANCE.format(number)], images)
            for number in range(count)
        ]

    def transductive(self, x: Tensor) -> Tensor:
        return self.engine.predict(self.network, self.weights, x)

    def inductive(self, x: Tensor) -> Tensor:
        weights, moments = self.weights, self.moments

        @torch.no_grad()
        def part(of: slice) -> Tensor:
            own, given = {name: tensor[of] for name, tensor in weights.items()}, [norm.of(of) for norm in moments]

            def some(images: Tensor) -> Tensor:
                with moments_given(given):
                    return self.network.logits(own, images)

            return in_equal_parts(some, x[of])

        return joined(in_parts(part, x))

    def as_trained(self, x: Tensor) -> Tensor:
        return self.inductive(x) if self.by_support else self.transductive(x)
