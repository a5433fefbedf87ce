"""What a method learns from: episodes of a data set, episodes of each half of its images in turn, labelled batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from tnas_cli.episodes.cache import ImageCache
from tnas_cli.episodes.labelled_images import Batches, images_of_split
from tnas_cli.episodes.sampling import EVALUATION_SEED, Indices
from tnas_cli.episodes.tasks import (
    Beside,
    TaskBatch,
    classes_of,
    evaluation_indices,
    load_batch,
    sample_among,
    sample_half,
    sample_indices,
)
from tnas_cli.errors import CheckpointError, SettingsError
from tnas_cli.methods.meta_learn import Tasks
from tnas_cli.runs.seeds import numpy_generator
from tnas_cli.settings.search import SearchSettings
from tnas_cli.settings.train import TrainSettings

#: Tasks loaded and adapted at a time when no gradient of the query set is needed.
TASKS_PER_BATCH = 8

Settings = SearchSettings | TrainSettings


class Stream(ABC):
    """Turns a data set into the tasks that a method learns from and the tasks that validate it."""

    @abstractmethod
    def tasks(self, cache: ImageCache, settings: Settings, device: torch.device) -> Tasks:
        """Tasks drawn by (seed, index); raises SettingsError or DataError now if the data set is too small."""

    def images_of_class(self, images: int) -> int:
        """How many of a class's images a training task can hold."""
        return images


@dataclass(frozen=True)
class Episodes(Stream):
    """Training tasks of `settings.train_split`, and the fixed validation tasks of other classes."""

    def tasks(self, cache: ImageCache, settings: Settings, device: torch.device) -> Tasks:
        split, way, shot, query = settings.train_split, settings.way, settings.shot, settings.query

        def train(first: int, count: int) -> TaskBatch:
            indices = [
                sample_indices(cache, split, way, shot, query, settings.seed, index)
                for index in range(first, first + count)
            ]
            return load_batch(cache, np.stack(indices), shot).to(device, torch.float32)

        def validate() -> Iterator[TaskBatch]:
            return evaluation_batches(cache, "val", way, shot, query, settings.validation_tasks, device)

        # A split that is too small is refused now rather than when the first validation is due.
        evaluation_indices(cache, "val", way, shot, query, 1)
        return Tasks(train, validate)


@dataclass(frozen=True)
class HardEpisodes(Stream):
    """Episodes that say which classes they hold, and such of given classes alone (`hard_tasks.py`)."""

    def tasks(self, cache: ImageCache, settings: Settings, device: torch.device) -> Tasks:
        split, way, shot, query = settings.train_split, settings.way, settings.shot, settings.query
        known = set(cache.classes(split).tolist())

        def loaded(indices: list[Indices]) -> TaskBatch:
            stacked = np.stack(indices)
            classes = torch.from_numpy(classes_of(cache, stacked)).to(device)
            return replace(load_batch(cache, stacked, shot).to(device, torch.float32), classes=classes)

        def train(first: int, count: int) -> TaskBatch:
            numbers = range(first, first + count)
            return loaded([sample_indices(cache, split, way, shot, query, settings.seed, n) for n in numbers])

        def hard(first: int, count: int, among: Sequence[int]) -> TaskBatch:
            if not known.issuperset(among):
                raise CheckpointError(
                    f"the checkpoint keeps class {max(set(among) - known)}, which is not in the split {split}.",
                    hint="the checkpoint was changed after it was written: take an untouched copy",
                )
            numbers = range(first, first + count)
            return loaded([sample_among(cache, among, split, way, shot, query, settings.seed, n) for n in numbers])

        return replace(Episodes().tasks(cache, settings, device), train=train, hard=hard)


@dataclass(frozen=True)
class EpisodesInHalves(Stream):
    """Algorithm 3: meta-batches of the two halves of every class's images in turn, validation on the second half."""

    def tasks(self, cache: ImageCache, settings: Settings, device: torch.device) -> Tasks:
        split, way, shot, query = settings.train_split, settings.way, settings.shot, settings.query

        def batch(half: int, purpose: str, first: int, count: int) -> TaskBatch:
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

    def images_of_class(self, images: int) -> int:
        return images // 2


@dataclass(frozen=True)
class EpisodesBeside(Stream):
    """Episodes, and beside each training task labelled images of all training classes.

    images: how many there are beside the tasks of a meta-batch together. A task has at least `fewest`, so that norms
    have enough to take their moments from.
    """

    images: int = 64
    fewest: int = 16

    def tasks(self, cache: ImageCache, settings: Settings, device: torch.device) -> Tasks:
        episodes, size = Episodes().tasks(cache, settings, device), max(self.fewest, self.images // settings.meta_batch)
        batches = LabelledBatches(size).open(cache, settings, device)

        def train(first: int, count: int) -> TaskBatch:
            x, y = _stacked(batches, first, count)
            # One number for all tasks of a meta-batch, whoever computes them.
            steps = [number // settings.meta_batch for number in range(first, first + count)]
            chance = [numpy_generator(settings.seed, "labelled images beside", step).random() for step in steps]
            beside = Beside(x, y, torch.tensor(chance, device=device))
            return replace(episodes.train(first, count), beside=beside)

        return replace(episodes, train=train, labelled=batches)


@dataclass(frozen=True)
class LabelledBatches:
    """Images of all training classes in batches, each image with its class among all of them."""

    size: int = 64

    def open(self, cache: ImageCache, settings: Settings, device: torch.device) -> Batches:
        """The batches of `settings.train_split`, by the seed.

        Raises SettingsError if its classes are no more than a task has, or if they have no labels.
        """
        images = images_of_split(cache, settings.train_split)
        if len(images.classes) <= settings.way:
            raise SettingsError(
                f"{settings.method} learns to tell all training classes apart, but {cache.dataset} has only "
                f"{len(images.classes)} of them, no more than a task.",
                hint=f"add --way {len(images.classes) - 1}, or take a data set with more classes"
                if len(images.classes) > 2
                else "take a data set with more classes",
            )
        return Batches(images, self.size, settings.seed, device)


@dataclass(frozen=True)
class BatchesAsTasks(Stream):
    """For a method that learns without tasks: a labelled batch takes the place of a training task, as its support and
    its query images. Validation is by tasks, as for all methods.
    """

    labelled: LabelledBatches = field(default_factory=LabelledBatches)

    def tasks(self, cache: ImageCache, settings: Settings, device: torch.device) -> Tasks:
        batches = self.labelled.open(cache, settings, device)

        def train(first: int, count: int) -> TaskBatch:
            x, y = _stacked(batches, first, count)
            return TaskBatch(x, y, x, y, settings.way)

        return replace(Episodes().tasks(cache, settings, device), train=train, labelled=batches)


def _stacked(batches: Batches, first: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """So many batches from number `first` on: x [count, N, C, H, W] and y [count, N]."""
    x, y = zip(*map(batches.batch, range(first, first + count)), strict=True)
    return torch.stack(x), torch.stack(y)


def evaluation_batches(
    cache: ImageCache, split: str, way: int, shot: int, query: int, tasks: int, device: torch.device, begin: int = 0
) -> Iterator[TaskBatch]:
    """The fixed evaluation tasks of a split in batches, in their order, from number `begin` on."""
    indices = evaluation_indices(cache, split, way, shot, query, tasks)
    for first in range(begin, tasks, TASKS_PER_BATCH):
        yield load_batch(cache, indices[first : first + TASKS_PER_BATCH], shot).to(device, torch.float32)
