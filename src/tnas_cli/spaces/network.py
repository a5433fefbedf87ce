"""What a network is to everything above the spaces: a function of its parameters, for many tasks at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from tnas_cli.spaces.shapes import Specs

if TYPE_CHECKING:
    from torch import Tensor

    from tnas_cli.spaces.parameters import Parameters


class Network(Protocol):
    """Its facts need no PyTorch, `logits` does.

    One with a `description()` (`spaces.description`) may be computed by other engines than PyTorch. One that is an
    `Embedding`, too, can be trained by methods that compare images.
    """

    @property
    def way(self) -> int:
        """Number of classes."""

    @property
    def in_channels(self) -> int:
        """Channels of an image."""

    def specs(self) -> Specs:
        """Shapes of all parameters, in the order in which they are drawn."""

    def logits(self, parameters: Parameters, x: Tensor) -> Tensor:
        """x [T, N, C, H, W], parameters [T, ...] -> [T, N, way]."""


@runtime_checkable
class Embedding(Network, Protocol):
    """A network that has features before its classifier."""

    def features(self, parameters: Parameters, x: Tensor) -> Tensor:
        """x [T, N, C, H, W], parameters [T, ...] -> [T, N, F]."""
