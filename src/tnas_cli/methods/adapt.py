"""Algorithm 2: adapt the meta-architecture to tasks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from tnas_cli.engines.interface import Adapted
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.methods.learner import AdaptingLearner, Labelled, SteppingLearner
from tnas_cli.spaces.parameters import Parameters


def adapt(
    learner: AdaptingLearner, parameters: Parameters, batches: Iterable[TaskBatch]
) -> Iterator[tuple[Adapted, Tensor]]:
    """Algorithm 2, lines 1 and 2, for batches of tasks: the adapted parameters and the query logits [T, Q, way]."""
    for batch in batches:
        adapted = learner.adapt(parameters, (batch.support_x, batch.support_y))
        yield adapted, learner.engine.predict(learner.network, adapted.parameters, batch.query_x)


def logits_by_step(
    learner: SteppingLearner, parameters: Parameters, support: Labelled, *images: Tensor
) -> list[Tensor]:
    """For each of `images` [T, N, C, H, W] the logits [T, steps + 1, N, way] before each step and after the last one.

    Batch norm is over the images that are answered for, as after the last step. The last logits are those of `adapt` to
    rounding.
    """
    found: list[list[Tensor]] = [[] for _ in images]
    for own in learner.course(parameters, support):
        for logits, x in zip(found, images, strict=True):
            logits.append(learner.engine.predict(learner.network, own, x))
    return [torch.stack(logits, dim=1) for logits in found]


def with_way(parameters: Parameters, way: int) -> Parameters:
    """The same meta-parameters with a classifier of `way` rows, each the mean of the learned ones.

    Which class has which row is arbitrary from task to task, so the mean is what the rows have in common; the first
    inner step tells them apart. With the checkpoint's own number of classes nothing changes.
    """
    if parameters["classifier.bias"].shape[0] == way:
        return parameters
    changed = dict(parameters)
    for name in ("classifier.weight", "classifier.bias"):
        mean = parameters[name].mean(dim=0, keepdim=True)
        changed[name] = mean.expand(way, *mean.shape[1:]).clone()
    return changed
