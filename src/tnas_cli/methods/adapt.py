"""Algorithm 2: adapt the meta-architecture to tasks; measuring adapted networks on query sets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from tnas_cli.compute.interface import Adapted, Engine, InnerRule, Network
from tnas_cli.compute.torch_engine import task_accuracies
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.space.parameters import Parameters


def adapt(
    engine: Engine, network: Network, parameters: Parameters, batches: Iterable[TaskBatch], rule: InnerRule
) -> Iterator[tuple[Adapted, Tensor]]:
    """Algorithm 2, lines 1 and 2, for batches of tasks: the adapted parameters and the query logits [T, Q, way]."""
    for batch in batches:
        adapted = engine.adapt(network, parameters, (batch.support_x, batch.support_y), rule)
        yield adapted, engine.predict(network, adapted.parameters, batch.query_x)


def accuracies(
    engine: Engine, network: Network, parameters: Parameters, batches: Iterable[TaskBatch], rule: InnerRule
) -> Iterator[Tensor]:
    """Query accuracy [T] of each batch's tasks after adaptation."""
    for batch in batches:
        adapted = engine.adapt(network, parameters, (batch.support_x, batch.support_y), rule)
        yield task_accuracies(engine.predict(network, adapted.parameters, batch.query_x), batch.query_y)


def interval(values: Tensor) -> float:
    """Half-width of the 95% confidence interval of the mean of values [n]: 1.96 standard errors; 0 for one value."""
    if values.numel() < 2:
        return 0.0
    return float(1.96 * values.double().std(correction=1) / values.numel() ** 0.5)


def mean_and_interval(values: Iterable[Tensor]) -> tuple[float, float]:
    """Mean over all values, and the half-width of its 95% interval."""
    joined = torch.cat(list(values))
    return float(joined.double().mean()), interval(joined)


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
