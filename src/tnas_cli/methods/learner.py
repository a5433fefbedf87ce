"""What the outer loop asks of a method, whatever it does inside a task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from tnas_cli.engines.interface import Adapted, Answering, Engine, InnerRule, MetaGradient, Network
from tnas_cli.engines.torch_engine import task_accuracies
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.errors import DivergedError
from tnas_cli.methods import divergence
from tnas_cli.methods.class_means import WEIGHT, Classifier, as_linear_layer, class_means
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

    def as_trained(self, x: Tensor) -> Tensor:
        """Answers by the moments that answered query images in meta-training."""
        return self.transductive(x)

    @property
    def classifiers(self) -> tuple[Classifier, ...]:
        """What can give inductive answers; 'linear' stands for the only way of methods that have but one."""
        return ("linear",)

    def by(self, classifier: Classifier) -> Fitted:
        """The same tasks, whose inductive answers are given by this classifier, if it is one of `classifiers`."""
        return self

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

    def on(self, batch: TaskBatch) -> Learner:
        """The learner for these tasks, where they say more than their images."""
        return self


@dataclass(frozen=True)
class FittedNetwork(Fitted):
    """Tasks that answer by a network with adapted parameters. support_losses [T, steps + 1], where they were noted.

    by_support: in meta-training the support images' moments answered for query images. classifier: of inductive
    answers, the adapted linear layer or the means of the support images' features.
    """

    engine: Engine
    network: Network
    parameters: Parameters
    support: Labelled
    support_losses: Tensor | None = None
    by_support: bool = False
    classifier: Classifier = "linear"

    @property
    def own(self) -> Parameters:
        return self.parameters

    def transductive(self, x: Tensor) -> Tensor:
        return self.engine.predict(self.network, self.parameters, x)

    def inductive(self, x: Tensor) -> Tensor:
        return self._answering(x)

    def as_trained(self, x: Tensor) -> Tensor:
        return self.inductive(x) if self.by_support else self.transductive(x)

    @property
    def classifiers(self) -> tuple[Classifier, ...]:
        return ("linear", "means") if WEIGHT in self.parameters else ("linear",)

    def by(self, classifier: Classifier) -> FittedNetwork:
        return replace(self, classifier=classifier) if classifier in self.classifiers else self

    @cached_property
    def answering_parameters(self) -> Parameters:
        """The parameters [T, ...] of inductive answers."""
        if self.classifier == "linear":
            return self.parameters
        features = self.engine.features(self.network, self.parameters, self.support[0])
        return self.parameters | as_linear_layer(class_means(features, self.support[1], self.network.way))

    @cached_property
    def _answering(self) -> Answering:
        return self.engine.answering(self.network, self.answering_parameters, self.support[0])


class AdaptingLearner(Learner):
    """A method that answers by a network with parameters of the task's own."""

    engine: Engine
    network: Network

    @property
    def by_support(self) -> bool:
        """Whether the support images' moments answer for query images in meta-training."""
        return False

    @abstractmethod
    def adapt(self, parameters: Parameters, support: Labelled) -> Adapted:
        """Every task's own steps from the meta-parameters, with the settings for testing."""

    def diverged(self, parameters: Parameters, support: Labelled) -> DivergedError | None:
        """Why a task's steps, with the settings for testing, no longer give numbers; None where they do, or where this
        cannot be told.
        """
        return None

    def fit(self, parameters: Parameters, support: Labelled) -> FittedNetwork:
        """Raises DivergedError for the first task with a support loss that is not finite."""
        try:
            adapted = self.adapt(parameters, support)
        except DivergedError as error:  # noticed by the engine
            raise self.diverged(parameters, support) or error from None
        losses = adapted.support_losses
        if not bool(losses.isfinite().all()):
            raise self.diverged(parameters, support) or divergence.in_losses(losses)
        return FittedNetwork(self.engine, self.network, adapted.parameters, support, losses, self.by_support)

    def fitted(self, own: Parameters, support: Labelled) -> FittedNetwork:
        return FittedNetwork(self.engine, self.network, own, support, by_support=self.by_support)


class SteppingLearner(AdaptingLearner):
    """A method whose parameters between the steps can be looked at."""

    @abstractmethod
    def course(self, parameters: Parameters, support: Labelled) -> Iterator[Parameters]:
        """Every task's own parameters [T, ...] before each step of `adapt` and after the last one, to rounding."""

    @abstractmethod
    def move_w(self, parameters: Parameters, own: Parameters, gradients: Parameters) -> Parameters:
        """One more step of w after `adapt`, as its last one was; theta stays. own, gradients: [T, ...]."""

    @abstractmethod
    def rate(self, parameters: Parameters, name: str, step: int) -> Tensor | float:
        """The inner rate of a tensor in a step, counted from 0: a number, or one per weight."""

    @abstractmethod
    def in_training(self) -> SteppingLearner:
        """The same learner, whose `course` takes the steps of the training."""

    def diverged(self, parameters: Parameters, support: Labelled) -> DivergedError | None:
        return divergence.in_the_steps(self, parameters, support)


@dataclass(frozen=True)
class GradientSteps(SteppingLearner):
    """T-NAS (Equations 5 to 8), and without theta MAML (Equations 1 and 2): plain gradient steps at fixed rates."""

    engine: Engine
    network: Network
    rule: InnerRule
    test_rule: InnerRule
    second_order: bool = False
    by_support: bool = False

    def meta_gradient(self, parameters: Parameters, batch: TaskBatch, progress: float) -> MetaGradient:
        support, query = (batch.support_x, batch.support_y), (batch.query_x, batch.query_y)
        how = {"second_order": self.second_order, "by_support": self.by_support}
        return self.engine.meta_gradient(self.network, parameters, support, query, self.rule, **how)

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

    def rate(self, parameters: Parameters, name: str, step: int) -> float:
        return self.test_rule.rates(parameters)[name]

    def in_training(self) -> GradientSteps:
        return replace(self, test_rule=self.rule)


@dataclass(frozen=True)
class OnGradientSteps(SteppingLearner):
    """A method with an outer gradient of its own, whose tasks take plain gradient steps, `steps`."""

    engine: Engine
    network: Network
    steps: GradientSteps

    @property
    def by_support(self) -> bool:
        return self.steps.by_support

    def adapt(self, parameters: Parameters, support: Labelled) -> Adapted:
        return self.steps.adapt(parameters, support)

    def course(self, parameters: Parameters, support: Labelled) -> Iterator[Parameters]:
        return self.steps.course(parameters, support)

    def move_w(self, parameters: Parameters, own: Parameters, gradients: Parameters) -> Parameters:
        return self.steps.move_w(parameters, own, gradients)

    def rate(self, parameters: Parameters, name: str, step: int) -> float:
        return self.steps.rate(parameters, name, step)

    def in_training(self) -> Self:
        return replace(self, steps=self.steps.in_training())


def accuracies(learner: Learner, parameters: Parameters, batches: Iterable[TaskBatch]) -> Iterator[Tensor]:
    """Query accuracy [T] of each batch's tasks, answered as in meta-training."""
    for batch in batches:
        fitted = learner.on(batch).fit(parameters, batch.support)
        yield task_accuracies(fitted.as_trained(batch.query_x), batch.query_y)


def mean_and_interval(values: Iterable[Tensor]) -> tuple[float, float]:
    """Mean over all values, and the half-width of its 95% interval."""
    joined = torch.cat(list(values))
    return float(joined.double().mean()), interval(joined)


def interval(values: Tensor) -> float:
    """Half-width of the 95% confidence interval of the mean of values [n]: 1.96 standard errors; 0 for one value."""
    if values.numel() < 2:
        return 0.0
    return float(1.96 * values.double().std(correction=1) / values.numel() ** 0.5)
