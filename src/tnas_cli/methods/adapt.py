"""Algorithm 2: adapt the meta-architecture to tasks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from torch import Tensor

from tnas_cli.compute.interface import Adapted
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.methods.learner import AdaptingLearner
from tnas_cli.space.parameters import Parameters


def adapt(
    learner: AdaptingLearner, parameters: Parameters, batches: Iterable[TaskBatch]
) -> Iterator[tuple[Adapted, Tensor]]:
    """Algorithm 2, lines 1 and 2, for batches of tasks: the adapted parameters and the query logits [T, Q, way]."""
    for batch in batches:
        adapted = learner.adapt(parameters, (batch.support_x, batch.support_y))
        yield adapted, learner.engine.predict(learner.network, adapted.parameters, batch.query_x)


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
