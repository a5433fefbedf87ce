"""Methods that compare a query image's features with those of the support images; nothing adapts inside a task."""

from __future__ import annotations

from abc import abstractmethod
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor

from tnas_cli.engines.interface import MetaGradient, Network
from tnas_cli.engines.parts import in_parts, joined
from tnas_cli.engines.torch_engine import task_accuracies, task_losses
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.errors import SettingsError
from tnas_cli.methods.learner import Learner
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.operations import statistics_of_first
from tnas_cli.spaces.parameters import Parameters, Spec, for_tasks


@runtime_checkable
class Embedding(Protocol):
    """A network that has features before its classifier."""

    def features(self, parameters: Parameters, x: Tensor) -> Tensor:
        """x [T, N, C, H, W], parameters [T, ...] -> [T, N, F]."""


class MetricLearner(Learner):
    """Learns an embedding by the query loss of whole tasks, differentiated in PyTorch.

    A task's support and query images pass the network together, so that batch norm has one set of statistics. In an
    inductive answer the statistics are those of the support images alone, and in CompareNets' relation module those of
    the first pairs.
    """

    way: int

    @abstractmethod
    def scores(self, parameters: Parameters, support: Tensor, support_y: Tensor, query: Tensor) -> Tensor:
        """Logits [T, Q, way] from features [T, S, ...] and [T, Q, ...] and the labels [T, S]."""

    @abstractmethod
    def embed(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Images [T, N, C, H, W], parameters [T, ...] -> features [T, N, ...]."""

    def losses(self, scores: Tensor, labels: Tensor) -> Tensor:
        """The loss of each task [T]: cross-entropy."""
        return task_losses(scores, labels)

    def meta_gradient(self, parameters: Parameters, batch: TaskBatch, progress: float) -> MetaGradient:
        names = list(parameters)

        def part(of: slice) -> tuple[list[Tensor], Tensor, Tensor]:
            leaves = {name: parameters[name].detach().requires_grad_() for name in names}
            scores = self._answer(leaves, batch, of)
            losses = self.losses(scores, batch.query_y[of])
            grads = torch.autograd.grad(losses.sum(), list(leaves.values()), materialize_grads=True)
            return list(grads), losses.detach(), task_accuracies(scores.detach(), batch.query_y[of])

        grads, losses, right = zip(*in_parts(part, batch.query_x), strict=True)
        summed = {name: torch.stack(own).sum(0) for name, own in zip(names, zip(*grads, strict=True), strict=True)}
        return MetaGradient(summed, joined(list(losses)), joined(list(right)))

    def logits(self, parameters: Parameters, batch: TaskBatch) -> Tensor:
        @torch.no_grad()
        def part(of: slice) -> Tensor:
            return self._answer(parameters, batch, of)

        return joined(in_parts(part, batch.query_x))

    def both_logits(self, parameters: Parameters, batch: TaskBatch) -> tuple[Tensor, Tensor]:
        @torch.no_grad()
        def part(of: slice) -> Tensor:
            with statistics_of_first(batch.support_x.shape[1]):
                return self._answer(parameters, batch, of)

        return self.logits(parameters, batch), joined(in_parts(part, batch.query_x))

    def _answer(self, parameters: Parameters, batch: TaskBatch, of: slice) -> Tensor:
        support, query = batch.support_x[of], batch.query_x[of]
        own = for_tasks(parameters, len(support))
        features = self.embed(own, torch.cat([support, query], dim=1))  # [T, S + Q, ...]
        count = support.shape[1]
        return self.scores(own, features[:, :count], batch.support_y[of], features[:, count:])


def one_hot(labels: Tensor, way: int, like: Tensor) -> Tensor:
    """Labels [T, N] -> [T, N, way] in the type of `like`."""
    return F.one_hot(labels, way).to(like.dtype)


def shapes(network: Network, settings: TrainSettings) -> dict[str, Spec]:
    """The network's weights without a classifier, which these methods do not have."""
    return {name: spec for name, spec in network.specs().items() if not name.startswith("classifier.")}


def embedding(network: Network) -> Embedding:
    """The network as an embedding; raises SettingsError for one without features."""
    if not isinstance(network, Embedding):
        raise SettingsError(
            f"a {type(network).__name__} has no features to compare.", hint="give it a method `features`, as 4CONV has"
        )
    return network
