"""Algorithm 2: adapt the meta-architecture to tasks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor

from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.methods.class_means import Classifier
from tnas_cli.methods.learner import AdaptingLearner, FittedNetwork, Labelled, SteppingLearner
from tnas_cli.spaces.parameters import Parameters, Spec


def adapt(learner: AdaptingLearner, parameters: Parameters, batches: Iterable[TaskBatch]) -> Iterator[FittedNetwork]:
    """Algorithm 2, lines 1 and 2, for batches of tasks: the adapted networks, which answer for query images."""
    for batch in batches:
        yield learner.fit(parameters, batch.support)


def logits_by_step(
    learner: SteppingLearner,
    parameters: Parameters,
    support: Labelled,
    *images: Tensor,
    transductive: bool = True,
    classifier: Classifier = "linear",
) -> list[Tensor]:
    """For each of `images` [T, N, C, H, W] the logits [T, steps + 1, N, way] before each step and after the last one.

    The last logits are those of `fit` to rounding.
    """
    found: list[list[Tensor]] = [[] for _ in images]
    for own in learner.course(parameters, support):
        fitted = learner.fitted(own, support).by(classifier)
        for logits, x in zip(found, images, strict=True):
            logits.append(fitted.transductive(x) if transductive else fitted.inductive(x))
    return [torch.stack(logits, dim=1) for logits in found]


def with_way(parameters: Parameters, shapes: Mapping[str, Spec]) -> Parameters:
    """The same meta-parameters for another number of classes: `shapes` are those of the network that has it.

    Each row of the classifier is the mean of the learned ones. Which class has which row is arbitrary from task to
    task, so the mean is what the rows have in common; the first inner step tells them apart. The same goes for inner
    rates that were learned for each weight.
    """
    changed = dict(parameters)
    for name, spec in shapes.items():
        if tuple(parameters[name].shape) != spec.shape:
            changed[name] = parameters[name].mean(dim=0, keepdim=True).expand(spec.shape).clone()
    return changed
