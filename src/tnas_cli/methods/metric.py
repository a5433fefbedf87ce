"""Methods that compare a query image's features with those of the support images; nothing adapts inside a task."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from tnas_cli.engines.interface import Embedding, Engine, MetaGradient, Network
from tnas_cli.engines.parts import in_equal_parts, in_parts, joined, summed
from tnas_cli.engines.torch_engine import TorchEngine, task_accuracies, task_losses
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.errors import SettingsError
from tnas_cli.methods.class_means import WEIGHT
from tnas_cli.methods.head import is_head
from tnas_cli.methods.learner import Fitted, Labelled, Learner
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.moments import Moments, all_tasks, moments_given, moments_kept
from tnas_cli.spaces.parameters import Parameters, Spec, for_tasks

TORCH = TorchEngine()


class MetricLearner(Learner):
    """Learns an embedding by the query loss of whole tasks; PyTorch differentiates at least the comparison.

    A task's support and query images pass the network together, so that batch norm has one set of moments. For an
    inductive answer they come from the support set, where each image is compared with the classes of that set.
    """

    way: int
    engine: Engine = TORCH

    @abstractmethod
    def scores(self, parameters: Parameters, support: Tensor, support_y: Tensor, query: Tensor) -> Tensor:
        """Logits [T, Q, way] from features [T, S, ...] and [T, Q, ...] and the labels [T, S]."""

    @abstractmethod
    def embed(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Images [T, N, C, H, W], parameters [T, ...] -> features [T, N, ...]."""

    def embed_together(self, parameters: Parameters, x: Tensor) -> Tensor:
        """The same, of all images of a task at once, by whatever is fastest."""
        return self.embed(parameters, x)

    def as_network(self, own: Parameters, support: Labelled) -> tuple[Network, Parameters] | None:
        """A network and its parameters [T, ...] that give the same inductive answers without the support images; None
        where every answer compares with these."""
        return None

    def losses(self, scores: Tensor, labels: Tensor) -> Tensor:
        """The loss of each task [T]: cross-entropy."""
        return task_losses(scores, labels)

    def compared(self, parameters: Parameters, support: Labelled, query: Labelled) -> tuple[Tensor, Tensor]:
        """Logits [T, Q, way] and the loss of each task [T], from labelled features; a method whose loss needs more than
        the logits has its own.
        """
        scores = self.scores(parameters, *support, query[0])
        return scores, self.losses(scores, query[1])

    def judged(self, own: Parameters, batch: TaskBatch, progress: float) -> tuple[Tensor, Tensor]:
        """Logits [T, Q, way] for the query images, and the loss of each task [T], at parameters [T, ...]."""
        support, query = self._embedded(own, batch.support, batch.query_x)
        return self.compared(own, support, (query, batch.query_y))

    def meta_gradient(self, parameters: Parameters, batch: TaskBatch, progress: float) -> MetaGradient:
        names = list(parameters)

        def part(of: slice) -> tuple[list[Tensor], Tensor, Tensor]:
            leaves = {name: parameters[name].detach().requires_grad_() for name in names}
            scores, losses = self.judged(for_tasks(leaves, of.stop - of.start), batch.part(of), progress)
            grads = torch.autograd.grad(losses.sum(), list(leaves.values()), materialize_grads=True)
            return list(grads), losses.detach(), task_accuracies(scores.detach(), batch.query_y[of])

        grads, losses, right = zip(*self.engine.in_parts(part, batch.query_x), strict=True)
        gradients = dict(zip(names, summed(grads), strict=True))
        return MetaGradient(gradients, joined(list(losses)), joined(list(right)))

    def fit(self, parameters: Parameters, support: Labelled) -> Compared:
        return self.fitted(for_tasks(parameters, len(support[0])), support)

    def fitted(self, own: Parameters, support: Labelled) -> Compared:
        return Compared(self, own, support)

    def together(self, own: Parameters, support: Labelled, query: Tensor) -> Tensor:
        """Logits [T, Q, way], by parameters [T, ...]; support and query images pass the network together."""
        (features, labels), query = self._embedded(own, support, query)
        return self.scores(own, features, labels, query)

    def _embedded(self, own: Parameters, support: Labelled, query: Tensor) -> tuple[Labelled, Tensor]:
        """The support features [T, S, ...] with their labels, and the query features [T, Q, ...]."""
        features = self.embed_together(own, torch.cat([support[0], query], dim=1))  # [T, S + Q, ...]
        count = support[0].shape[1]
        return (features[:, :count], support[1]), features[:, count:]


@dataclass(frozen=True)
class FeatureLearner(MetricLearner):
    """Compares the features of any network that has them; the engine computes them, and their gradient."""

    network: Embedding
    way: int
    engine: Engine = TORCH

    @classmethod
    def of(cls, engine: Engine, network: Network, settings: TrainSettings) -> Self:
        """For a network and settings; raises SettingsError for a network without features."""
        return cls(embedding(network), settings.way, engine)

    def embed(self, parameters: Parameters, x: Tensor) -> Tensor:
        return self.network.features(parameters, x)

    def embed_together(self, parameters: Parameters, x: Tensor) -> Tensor:
        return self.engine.embedding(self.network, parameters, x)


@dataclass(frozen=True)
class Compared(Fitted):
    """Tasks that answer by comparing with their support images."""

    learner: MetricLearner
    parameters: Parameters
    support: Labelled

    @property
    def own(self) -> Parameters:
        return self.parameters

    def transductive(self, x: Tensor) -> Tensor:
        @torch.no_grad()
        def part(of: slice) -> Tensor:
            return self.learner.together(*self._of(of), x[of])

        return joined(self.learner.engine.in_parts(part, x))

    def inductive(self, x: Tensor) -> Tensor:
        features, moments = self._measured

        @torch.no_grad()
        def part(of: slice) -> Tensor:
            own, (_, labels) = self._of(of)
            given = [norm.of(of) for norm in moments]

            def some(images: Tensor) -> Tensor:
                with moments_given(given):
                    return self.learner.scores(own, features[of], labels, self.learner.embed(own, images))

            return in_equal_parts(some, x[of])

        return joined(in_parts(part, x))

    @cached_property
    def _measured(self) -> tuple[Tensor, list[Moments]]:
        """The support images' features [T, S, ...], and the moments of a pass that compares these with themselves."""

        @torch.no_grad()
        def part(of: slice) -> tuple[Tensor, list[Moments]]:
            own, (x, labels) = self._of(of)
            with moments_kept() as kept:
                features = self.learner.embed(own, x)
                self.learner.scores(own, features, labels, features)
            return features, kept

        features, moments = zip(*in_parts(part, self.support[0]), strict=True)
        return joined(list(features)), all_tasks(moments)

    def _of(self, tasks: slice) -> tuple[Parameters, Labelled]:
        """The parameters and the support sets of some of the tasks."""
        own = {name: tensor[tasks] for name, tensor in self.parameters.items()}
        return own, (self.support[0][tasks], self.support[1][tasks])


def shapes(network: Network, settings: TrainSettings) -> dict[str, Spec]:
    """The network's weights without a classifier, which these methods do not have."""
    return {name: spec for name, spec in network.specs().items() if not is_head(name)}


def embedding(network: Network) -> Embedding:
    """The network as an embedding; raises SettingsError for one without features."""
    if not isinstance(network, Embedding):
        raise SettingsError(
            f"a {type(network).__name__} has no features to compare.", hint="give it a method `features`, as 4CONV has"
        )
    return network


def feature_width(network: Network) -> int:
    """How many features a network has; raises SettingsError for one without features, or without a linear layer that
    says how many there are.
    """
    embedding(network)
    classifier = network.specs().get(WEIGHT)
    if classifier is None:
        raise SettingsError(
            f"a {type(network).__name__} does not say how many features it has.",
            hint=f"give its `specs` a linear layer {WEIGHT!r} [way, features], as 4CONV has",
        )
    return classifier.shape[1]
