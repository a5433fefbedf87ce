"""What an engine computes for a meta-batch of tasks; every engine gives the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from torch import Tensor

from tnas_cli.spaces.network import Embedding as Embedding
from tnas_cli.spaces.network import Network as Network
from tnas_cli.spaces.parameters import THETA, Parameters


@dataclass(frozen=True)
class InnerRule:
    """How a task adapts: rates of w and of theta, number of steps, and whether theta follows w (Equation 5) or both
    move together (Equation 7)."""

    alpha: float
    beta: float
    steps: int
    alternating: bool = False

    def rates(self, parameters: Mapping[str, Tensor]) -> dict[str, float]:
        """The inner rate of every parameter."""
        return {name: self.beta if name == THETA else self.alpha for name in parameters}


@dataclass(frozen=True)
class Adapted:
    """Tasks after their inner steps: parameters [T, ...] and the support loss before each step and after the last
    one, [T, steps + 1]."""

    parameters: Parameters
    support_losses: Tensor


@dataclass(frozen=True)
class MetaGradient:
    """The outer gradient summed over the tasks of a meta-batch, and each task's query loss and accuracy [T].

    weakest: each task's class with the lowest query accuracy [T], of methods with hard tasks."""

    gradients: dict[str, Tensor]
    query_losses: Tensor
    query_accuracies: Tensor
    weakest: Tensor | None = None


@dataclass(frozen=True)
class Gradients:
    """Losses [T] of tasks at parameters of their own, each task's gradient of its own loss [T, ...], and the logits
    [T, N, way]."""

    losses: Tensor
    gradients: Parameters
    logits: Tensor


Part = TypeVar("Part")

#: Images [T, N, C, H, W] -> logits [T, N, way], without gradients.
Answering = Callable[[Tensor], Tensor]


class Engine(Protocol):
    """Computes a meta-batch. `support` and `query` are pairs (images [T, N, C, H, W], labels [T, N])."""

    name: str

    def in_parts(self, function: Callable[[slice], Part], images: Tensor) -> list[Part]:
        """`function` of slices that cover the tasks of images [T, N, C, H, W], in their order: as many tasks at a time
        as suit `embedding`."""

    def meta_gradient(
        self,
        network: Network,
        parameters: Parameters,
        support: tuple[Tensor, Tensor],
        query: tuple[Tensor, Tensor],
        rule: InnerRule,
        *,
        second_order: bool = False,
        by_support: bool = False,
    ) -> MetaGradient:
        """Equation 8, or Equation 6 (and 2) with `second_order`; `parameters` are the meta-parameters, without T.

        by_support: when query images are answered, batch norms take their moments from the support images, and the
        gradient goes through these too.
        """

    def adapt(
        self, network: Network, parameters: Parameters, support: tuple[Tensor, Tensor], rule: InnerRule
    ) -> Adapted:
        """Algorithm 2, lines 1 and 2: every task's own steps from the meta-parameters."""

    def gradients(
        self,
        network: Network,
        parameters: Parameters,
        labelled: tuple[Tensor, Tensor],
        support_x: Tensor | None = None,
    ) -> Gradients:
        """The loss on labelled images and its gradient, at each task's own parameters [T, ...]: the basis
        of methods with an inner loop of their own.

        support_x [T, S, C, H, W]: images from which batch norms take their moments instead."""

    def predict(self, network: Network, parameters: Parameters, x: Tensor) -> Tensor:
        """Transductive logits [T, N, way] at adapted parameters [T, ...]: every batch norm takes its moments from x."""

    def features(self, network: Network, parameters: Parameters, x: Tensor) -> Tensor:
        """What the linear layer `classifier` sees of x at adapted parameters [T, ...]: [T, N, F]; every batch norm
        takes its moments from x."""

    def answering(self, network: Network, parameters: Parameters, support_x: Tensor) -> Answering:
        """Inductive logits at adapted parameters [T, ...]: every batch norm takes its moments from the support images
        [T, S, C, H, W], so that an answer depends on no other query image."""

    def embedding(self, network: Embedding, parameters: Parameters, x: Tensor) -> Tensor:
        """What a linear layer would see of x [T, N, C, H, W]: [T, N, F], with gradients to the parameters [T, ...], of
        which those of `classifier` may be missing. Every batch norm takes its moments from x."""
