"""Networks whose batch norms are TaskNorm-I (Bronskill et al., ICML 2020), which depends on no other query image."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from tnas_cli.settings.meta_learning import SMALLEST_IMAGE
from tnas_cli.spaces.moments import moments_kept, moments_mixed
from tnas_cli.spaces.network import Network
from tnas_cli.spaces.parameters import Parameters, draw, for_tasks
from tnas_cli.spaces.shapes import Spec, Specs
from tnas_cli.spaces.space import SearchedNetwork, Space

SCALE, OFFSET = "task_norm.scale", "task_norm.offset"


@dataclass(frozen=True)
class TaskNormed:
    """A network with two numbers more for each of its norms, which begin at 0: image and support set weigh the same.

    They adapt within a task as the other weights do. It has no description, so that PyTorch computes it.
    """

    network: Network

    @property
    def way(self) -> int:
        """Number of classes."""
        return self.network.way

    @property
    def in_channels(self) -> int:
        """Channels of an image."""
        return self.network.in_channels

    def specs(self) -> Specs:
        """The network's, and scale and offset [norms] each."""
        return self.network.specs() | {name: Spec((self._norms,), "zeros") for name in (SCALE, OFFSET)}

    @cached_property
    def _norms(self) -> int:
        """How many batch norms the network has."""
        own = for_tasks(draw(self.network.specs(), torch.Generator().manual_seed(0)), 1)
        side = getattr(self.network, "size", SMALLEST_IMAGE)  # some networks take images of one size only
        with torch.no_grad(), moments_kept() as kept:
            self.network.logits(own, torch.zeros(1, 1, self.in_channels, side, side))
        return sum(norm.mean.shape[1] for norm in kept)

    def logits(self, parameters: Parameters, x: Tensor) -> Tensor:
        """x [T, N, C, H, W], parameters [T, ...] -> [T, N, way]."""
        with moments_mixed(parameters[SCALE], parameters[OFFSET]):
            return self.network.logits(parameters, x)


@dataclass(frozen=True)
class TaskNormedSearch(TaskNormed):
    """The same for a search network."""

    network: SearchedNetwork

    @property
    def channels(self) -> int:
        """Its width."""
        return self.network.channels

    @property
    def nodes(self) -> int:
        """Number of a cell's nodes."""
        return self.network.nodes

    @property
    def space(self) -> Space:
        """Where its operations come from."""
        return self.network.space

    def description(self) -> None:
        """None: no engine but PyTorch's has TaskNorm."""
