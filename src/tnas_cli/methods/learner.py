"""What the outer loop asks of a method, whatever it does inside a task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from tnas_cli.engines.inductive import inductive_logits
from tnas_cli.engines.interface import Adapted, Engine, InnerRule, MetaGradient, Network
from tnas_cli.engines.torch_engine import task_accuracies
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.spaces.parameters import THETA, Parameters, for_tasks
from tnas_cli.update import inner

Labelled = tuple[Tensor, Tensor]


class Learner(ABC):
    """A method on a network: its outer gradient, and its answers to a new task's query images.

    `parameters` are always the meta-parameters, without a task dimension.
    """

    @abstractmethod
    def meta_gradient(self, parameters: Parameters, batch: TaskBatch, progress: float) -> MetaGradient:
        """The outer gradient summed over a meta-batch; `progress` is the share of the training that is done, 0 to 1."""

    @abstractmethod
    def logits(self, parameters: Parameters, batch: TaskBatch) -> Tensor:
        """Logits [T, Q, way] for the query images of tasks that were never seen, with the settings for testing."""

    @abstractmethod
    def both_logits(self, parameters: Parameters, batch: TaskBatch) -> tuple[Tensor, Tensor]:
        """Transductive and inductive logits: batch norm over the query set, as in training, and over the support set
        alone, where an answer does not depend on the other query images.
        """


class AdaptingLearner(Learner):
    """A method that answers by a network with parameters of the task's own."""

    engine: Engine
    network: Network

    @abstractmethod
    def adapt(self, parameters: Parameters, support: Labelled) -> Adapted:
        """Every task's own steps from the meta-parameters, with the settings for testing."""

    def logits(self, parameters: Parameters, batch: TaskBatch) -> Tensor:
        adapted = self.adapt(parameters, (batch.support_x, batch.support_y))
        return self.engine.predict(self.network, adapted.parameters, batch.query_x)

    def both_logits(self, parameters: Parameters, batch: TaskBatch) -> tuple[Tensor, Tensor]:
        adapted = self.adapt(parameters, (batch.support_x, batch.support_y)).parameters
        transductive = self.engine.predict(self.network, adapted, batch.query_x)
        return transductive, inductive_logits(self.network, adapted, batch.support_x, batch.query_x)


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
    """Query accuracy [T] of each batch's tasks."""
    for batch in batches:
        yield task_accuracies(learner.logits(parameters, batch), batch.query_y)


def mean_and_interval(values: Iterable[Tensor]) -> tuple[float, float]:
    """Mean over all values, and the half-width of its 95% interval."""
    joined = torch.cat(list(values))
    return float(joined.double().mean()), interval(joined)


def interval(values: Tensor) -> float:
    """Half-width of the 95% confidence interval of the mean of values [n]: 1.96 standard errors; 0 for one value."""
    if values.numel() < 2:
        return 0.0
    return float(1.96 * values.double().std(correction=1) / values.numel() ** 0.5)
