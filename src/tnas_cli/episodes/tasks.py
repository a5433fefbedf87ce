"""Few-shot tasks as tensors: which images a task holds, and a batch of tasks ready for the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from tnas_cli.episodes.cache import ImageCache
from tnas_cli.episodes.sampling import EVALUATION_TASKS, Indices, draw_task, evaluation_table, table_name


@dataclass(frozen=True)
class Beside:
    """Labelled images of all training classes beside T tasks: x float32 [T, N, C, H, W], y int64 [T, N], and a number
    `chance` [T], drawn from 0 to 1, that decides whether they are used."""

    x: Tensor
    y: Tensor
    chance: Tensor

    def part(self, of: slice | list[int]) -> Beside:
        """Those of some of the tasks."""
        return Beside(self.x[of], self.y[of], self.chance[of])


@dataclass(frozen=True)
class TaskBatch:
    """T tasks of the same way, shot and query.

    support_x float32 [T, S, C, H, W] and support_y int64 [T, S] with S = way * shot, ordered class by class; query_x
    [T, Q, C, H, W] and query_y [T, Q] with Q = way * query. Labels are 0..way-1. `half` is 1 or 2 where all images are
    from the first or the second half of their classes. `beside`: images that a method learns from beside its tasks.
    `classes`: which class of the data set a label is, int64 [T, way], where a method asks for it. `paths`: what each
    task's search network is to be pruned to, the probabilities [T, 2, edges, operations]; None for what its theta says.
    """

    support_x: Tensor
    support_y: Tensor
    query_x: Tensor
    query_y: Tensor
    way: int
    half: int = 0
    beside: Beside | None = None
    classes: Tensor | None = None
    paths: Tensor | None = None

    def __len__(self) -> int:
        return self.support_x.shape[0]

    @property
    def support(self) -> tuple[Tensor, Tensor]:
        """Support images and their labels."""
        return self.support_x, self.support_y

    def part(self, of: slice | list[int]) -> TaskBatch:
        """Some of the tasks, by their positions."""
        beside = None if self.beside is None else self.beside.part(of)
        classes, paths = (None if each is None else each[of] for each in (self.classes, self.paths))
        return replace(
            self,
            support_x=self.support_x[of],
            support_y=self.support_y[of],
            query_x=self.query_x[of],
            query_y=self.query_y[of],
            beside=beside,
            classes=classes,
            paths=paths,
        )

    @property
    def query(self) -> tuple[Tensor, Tensor]:
        """Query images and their labels."""
        return self.query_x, self.query_y

    def to(self, device: torch.device | str, dtype: torch.dtype) -> TaskBatch:
        """The same tasks on `device`, images as `dtype`."""
        return replace(
            self,
            support_x=self.support_x.to(device, dtype),
            support_y=self.support_y.to(device),
            query_x=self.query_x.to(device, dtype),
            query_y=self.query_y.to(device),
        )


def sample_indices(cache: ImageCache, split: str, way: int, shot: int, query: int, seed: int, index: int) -> Indices:
    """Image indices of the `index`-th task of (seed, split), int64 [way, shot + query]: the same in any process.

    Raises SettingsError when the split has too few classes or a class too few images.
    """
    return draw_task(cache.class_offset, cache.classes(split), split, way, shot, query, seed, index)


def sample_among(
    cache: ImageCache, classes: Sequence[int], split: str, way: int, shot: int, query: int, seed: int, index: int
) -> Indices:
    """Like `sample_indices`, of these of the split's classes alone, by their numbers in the cache.

    Raises SettingsError when they are too few or one has too few images.
    """
    ids = np.array(classes, dtype=np.int64)
    return draw_task(cache.class_offset, ids, f"{split}/hard", way, shot, query, seed, index)


def classes_of(cache: ImageCache, indices: Indices) -> Indices:
    """The classes [T, way] of tasks' images [T, way, shot + query], by their numbers in the cache."""
    return np.searchsorted(cache.class_offset, indices[:, :, 0], side="right").astype(np.int64) - 1


def sample_half(
    cache: ImageCache, half: int, split: str, way: int, shot: int, query: int, seed: int, index: int
) -> Indices:
    """Algorithm 3, lines 4 and 13: like `sample_indices`, from the first (1) or second (2) half of each class's images.

    Raises SettingsError when half of a class has too few images.
    """
    sizes = np.diff(cache.class_offset)  # [classes]
    first = sizes // 2
    own = first if half == 1 else sizes - first
    starts = cache.class_offset[:-1] + (0 if half == 1 else first)
    offset = np.concatenate([[0], np.cumsum(own)]).astype(np.int64)  # boundaries as if there were no other images
    drawn = draw_task(offset, cache.classes(split), f"{split}/half{half}", way, shot, query, seed, index)
    number = np.searchsorted(offset, drawn, side="right") - 1  # the class of each image
    return (starts[number] + drawn - offset[number]).astype(np.int64)  # [way, shot + query]


def evaluation_indices(cache: ImageCache, split: str, way: int, shot: int, query: int, tasks: int) -> Indices:
    """The fixed evaluation tasks of a split, int64 [tasks, way, shot + query]: they are the same for every method.

    The test split's tables are stored in the cache; others are derived by the same function.
    Raises SettingsError when the split has too few classes or a class too few images.
    """
    if split == "test" and tasks <= EVALUATION_TASKS:
        stored = cache.evaluation_table(table_name(way, shot, query))
        if stored is not None:
            return stored[:tasks]
    return evaluation_table(cache.class_offset, cache.classes(split), split, way, shot, query, tasks)


def load_batch(cache: ImageCache, indices: Indices, shot: int, half: int = 0) -> TaskBatch:
    """Images of `indices` [T, way, shot + query] as a batch: pixels scaled to 0..1, then (x - mean) / std."""
    tasks, way, images = indices.shape
    pixels = torch.from_numpy(cache.load(indices)).permute(0, 1, 2, 5, 3, 4)  # [T, way, shot + query, C, H, W]
    channels = (cache.channels, 1, 1)
    mean, std = torch.tensor(cache.mean).view(channels), torch.tensor(cache.std).view(channels)
    x = pixels.float().div_(255).sub_(mean).div_(std)  # [T, way, shot + query, C, H, W]
    y = torch.arange(way).view(1, way, 1).expand(tasks, way, images)  # [T, way, shot + query]
    return TaskBatch(
        x[:, :, :shot].flatten(1, 2).contiguous(),  # [T, way * shot, C, H, W]
        y[:, :, :shot].flatten(1),  # [T, way * shot]
        x[:, :, shot:].flatten(1, 2).contiguous(),  # [T, way * query, C, H, W]
        y[:, :, shot:].flatten(1),  # [T, way * query]
        way,
        half,
    )
