"""What the outer loop asks of a method, whatever it does inside a task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from tnas_cli.engines.interface import Adapted, Answering, Engine, InnerRule, MetaGradient, Network
from tnas_cli.engines.torch_engine import task_accuracies
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.spaces.parameters import THETA, Parameters, for_tasks
from tnas_cli.update import inner

Labelled = tuple[Tensor, Tensor]


class Fitted(ABC):
    """Tasks whose support sets a method has seen. It answers images [T, N, C, H, W] by logits [T, N, way]."""

    @property
    @abstractmethod
    def own(self) -> Parameters:
        """The parameters [T, ...] that each task answers with."""

    @abstractmethod
    def transductive(self, x: Tensor) -> Tensor:
        """Answers to all images together: batch norm takes its moments from them, as in the publications."""

    @abstractmethod
    def inductive(self, x: Tensor) -> Tensor:
        """Answers to each image alone: batch norm takes its moments from the support set."""

    def both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Transductive and inductive answers."""
        return self.transductive(x), self.inductive(x)


class Learner(ABC):
    """A method on a network: its outer gradient, and its answers to a new task's query images.

    `parameters` are always the meta-parameters, without a task dimension.
    """

    @abstractmethod
    def meta_gradient(self, parameters: Parameters, batch: TaskBatch, progress: float) -> MetaGradient:
        """The outer gradient summed over a meta-batch; `progress` is the share of the training that is done, 0 to 1."""

    @abstractmethod
    def fit(self, parameters: Parameters, support: Labelled) -> Fitted:
        """Tasks that were never seen, from their support sets, with the settings for testing."""

    @abstractmethod
    def fitted(self, own: Parameters, support: Labelled) -> Fitted:
        """The same tasks once more, from the parameters [T, ...] that `fit` found."""


@dataclass(frozen=True)
class FittedNetwork(Fitted):
    """Tasks that answer by a network with adapted parameters. support_losses [T, steps + 1], where they were noted."""

    engine: Engine
    network: Network
    parameters: Parameters
    support_x: Tensor
    support_losses: Tensor | None = None

    @property
    def own(self) -> Parameters:
        return self.parameters

    def transductive(self, x: Tensor) -> Tensor:
        return self.engine.predict(self.network, self.parameters, x)

    def inductive(self, x: Tensor) -> Tensor:
        return self._answering(x)

    @cached_property
    def _answering(self) -> Answering:
        return self.engine.answering(self.network, self.parameters, self.support_x)


class AdaptingLearner(Learner):
    """A method that answers by a network with parameters of the task's own."""

    engine: Engine
    network: Network

    @abstractmethod
    def adapt(self, parameters: Parameters, support: Labelled) -> Adapted:
        """Every task's own steps from the meta-parameters, with the settings for testing."""

    def fit(self, parameters: Parameters, support: Labelled) -> FittedNetwork:
        adapted = self.adapt(parameters, support)
        return FittedNetwork(self.engine, self.network, adapted.parameters, support[0], adapted.support_losses)

    def fitted(self, own: Parameters, support: Labelled) -> FittedNetwork:
        return FittedNetwork(self.engine, self.network, own, support[0])


class SteppingLearner(AdaptingLearner):
    """A method whose parameters between the steps can be looked at."""

    @abstractmethod
    def course(self, parameters: Parameters, support: Labelled) -> Iterator[Parameters]:
        """Every task's own parameters [T, ...] before each step of `adapt` and after the last one, to rounding."""

    @abstractmethod
    def move_w(self, parameters: Parameters, own: Parameters, gradients: Parameters) -> Parameters:
        """One more step of w after `adapt`, as its last one was; theta stays. own, gradients: [T, ...]."""


@dataclass(frozen=True)
class GradientSteps(SteppingLearner):
    """T-NAS (Equations 5 to 8), and without theta MAML (Equations 1 and 2): plain gradient steps at fixed rates."""

    engine: Engine
    network: Network
    rule: InnerRule
    test_rule: InnerRule
    second_order: bool = False

    def meta_gradient(self, parameters: Parameters, batch: TaskBatch, progress: float) -> MetaGradient:
        support, query = (batch.support_x, batch.support_y), (batch.query_x, batch.query_y)
        return self.engine.meta_gradient(
            self.network, parameters, support, query, self.rule, second_order=self.second_order
        )

    def adapt(self, parameters: Parameters, support: Labelled) -> Adapted:
        return self.engine.adapt(self.network, parameters, support, self.test_rule)

    def course(self, parameters: Parameters, support: Labelled) -> Iterator[Parameters]:
        rule, own = self.test_rule, for_tasks(parameters, len(support[0]))
        rates = rule.rates(parameters)
        w = tuple(name for name in rates if name != THETA)
        # Equation 5 moves theta at the new w.
        moves = (w, (THETA,)) if rule.alternating and THETA in rates else (tuple(rates),)
        yield own
        for _ in range(rule.steps):
            for names in moves:
                found = self.engine.gradients(self.network, own, support).gradients
                own = inner.descend(own, {name: found[name] for name in names}, rates)
            yield own

    def move_w(self, parameters: Parameters, own: Parameters, gradients: Parameters) -> Parameters:
        of_w = {name: gradient for name, gradient in gradients.items() if name != THETA}
        return inner.descend(own, of_w, self.test_rule.rates(own))


def accuracies(learner: Learner, parameters: Parameters, batches: Iterable[TaskBatch]) -> Iterator[Tensor]:
    """Query accuracy [T] of each batch's tasks, transductive."""
    for batch in batches:
        fitted = learner.fit(parameters, batch.support)
        yield task_accuracies(fitted.transductive(batch.query_x), batch.query_y)


def mean_and_interval(values: Iterable[Tensor]) -> tuple[float, float]:
    """Mean over all values, and the half-width of its 95% interval."""
    joined = torch.cat(list(values))
    return float(joined.double().mean()), interval(joined)


def interval(values: Tensor) -> float:
    """Half-width of the 95% confidence interval of the mean of values [n]: 1.96 standard errors; 0 for one value."""
    if values.numel() < 2:
        return 0.0
    return float(1.96 * values.double().std(correction=1) / values.numel() ** 0.5)
