"""The baseline without learning: each query image takes the class of the nearest support image, in pixels."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.methods.learner import mean_and_interval


def nearest_neighbour(batches: Iterable[TaskBatch]) -> tuple[float, float]:
    """Mean query accuracy over the tasks and the half-width of its 95% interval, by Euclidean distance of pixels."""
    return mean_and_interval(
        (nearest_classes(batch.support, batch.query_x) == batch.query_y).float().mean(1) for batch in batches
    )


def nearest_classes(support: tuple[Tensor, Tensor], query_x: Tensor) -> Tensor:
    """The class [T, Q] of the nearest support image: support (images [T, S, C, H, W], labels [T, S])."""
    distances = torch.cdist(query_x.flatten(2), support[0].flatten(2))  # [T, Q, S]
    return support[1].gather(1, distances.argmin(-1))
