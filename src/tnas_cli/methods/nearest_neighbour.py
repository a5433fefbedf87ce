"""The baseline without learning: each query image takes the class of the nearest support image, in pixels."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.methods.learner import mean_and_interval


def nearest_neighbour(batches: Iterable[TaskBatch]) -> tuple[float, float]:
    """Mean query accuracy over the tasks and the half-width of its 95% interval, by Euclidean distance of pixels."""
    found = []
    for batch in batches:
        distances = torch.cdist(batch.query_x.flatten(2), batch.support_x.flatten(2))  # [T, Q, S]
        predicted = batch.support_y.gather(1, distances.argmin(-1))  # [T, Q]
        found.append((predicted == batch.query_y).float().mean(1))
    return mean_and_interval(found)
