"""A data set and its tasks, as methods ask for them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from tnas_cli.episodes import registry
from tnas_cli.episodes.cache import ImageCache
from tnas_cli.episodes.sampling import EVALUATION_SEED
from tnas_cli.episodes.tasks import TaskBatch, evaluation_indices, load_batch, sample_half, sample_indices
from tnas_cli.errors import SettingsError
from tnas_cli.methods.meta_learn import Tasks
from tnas_cli.runs import events
from tnas_cli.runs.device import Machine
from tnas_cli.settings.few_shot import LARGEST_IMAGE, SMALLEST_IMAGE, SearchSettings, TrainSettings

#: Tasks adapted at a time when no gradient of the query set is needed.
TASKS_PER_BATCH = 8


def open_data(dataset: str, protocol: str, machine: Machine, listener: events.Listener) -> ImageCache:
    """The prepared data set, prepared first where that is possible; an empty protocol is its first one.

    Raises SettingsError for images outside of the sizes that the networks take, DataError when there is no data.
    """
    cache = registry.ensure(
        dataset, protocol=protocol or None, root=machine.cache_root, offline=machine.offline, listener=listener
    )
    if not SMALLEST_IMAGE <= cache.size <= LARGEST_IMAGE:
        raise SettingsError(
            f"the images of {cache.dataset} are {cache.size} pixels wide.",
            hint=f"prepare them with --size from {SMALLEST_IMAGE} to {LARGEST_IMAGE}",
        )
    return cache


def image_counts(settings: SearchSettings | TrainSettings) -> tuple[int, int]:
    """Support and query images of a task."""
    return settings.way * settings.shot, settings.way * settings.query


def meta_tasks(cache: ImageCache, settings: SearchSettings | TrainSettings, device: torch.device) -> Tasks:
    """Training tasks drawn by (seed, split, index), and the fixed validation tasks."""

    if settings.method == "auto-maml":
        return _in_halves(cache, settings, device)

    def train(first: int, count: int) -> TaskBatch:
        indices = [
            sample_indices(
                cache, settings.train_split, settings.way, settings.shot, settings.query, settings.seed, index
            )
            for index in range(first, first + count)
        ]
        return load_batch(cache, np.stack(indices), settings.shot).to(device, torch.float32)

    def validate() -> Iterator[TaskBatch]:
        return evaluation_batches(
            cache, "val", settings.way, settings.shot, settings.query, settings.validation_tasks, device
        )

    # A split that is too small is refused now rather than when the first validation is due.
    evaluation_indices(cache, "val", settings.way, settings.shot, settings.query, 1)
    return Tasks(train, validate)


def _in_halves(cache: ImageCache, settings: SearchSettings | TrainSettings, device: torch.device) -> Tasks:
    """Algorithm 3: meta-batches of the two halves of every class's images in turn, validation on the second half."""

    def batch(half: int, purpose: str, first: int, count: int) -> TaskBatch:
        split, way, shot, query = settings.train_split, settings.way, settings.shot, settings.query
        seed = settings.seed if purpose == "train" else EVALUATION_SEED
        indices = [
            sample_half(cache, half, split, way, shot, query, seed, index) for index in range(first, first + count)
        ]
        return load_batch(cache, np.stack(indices), shot, half).to(device, torch.float32)

    def train(first: int, count: int) -> TaskBatch:
        return batch(1 + first // settings.meta_batch % 2, "train", first, count)

    def validate() -> Iterator[TaskBatch]:
        for first in range(0, settings.validation_tasks, TASKS_PER_BATCH):
            yield batch(2, "validate", first, min(TASKS_PER_BATCH, settings.validation_tasks - first))

    batch(1, "train", 0, 1)  # halves that are too small are refused now
    return Tasks(train, validate)


def evaluation_batches(
    cache: ImageCache, split: str, way: int, shot: int, query: int, tasks: int, device: torch.device
) -> Iterator[TaskBatch]:
    """The fixed evaluation tasks of a split in batches, in their order."""
    indices = evaluation_indices(cache, split, way, shot, query, tasks)
    for first in range(0, tasks, TASKS_PER_BATCH):
        yield load_batch(cache, indices[first : first + TASKS_PER_BATCH], shot).to(device, torch.float32)
