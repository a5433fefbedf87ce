"""Small tasks of drawn characters: hard enough that learning shows, small enough for a test."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tnas_cli.episodes import glyphs
from tnas_cli.episodes.tasks import TaskBatch

SIDE = 20
TRAINING, VALIDATION = range(48), range(48, 60)


@functools.cache
def drawings() -> Tensor:
    """Sixty classes of twenty drawings: [60, 20, 1, 20, 20], ink 1 on 0."""
    classes = np.stack([glyphs.draw_class(0, number, SIDE) for number in range(60)])  # [60, 20, H, W, 1]
    return torch.from_numpy(classes).permute(0, 1, 4, 2, 3).float() / 255


def glyph_tasks(
    first: int,
    count: int,
    *,
    classes: Sequence[int] = TRAINING,
    way: int = 3,
    query: int = 2,
    half: int = 0,
    shift: int = 0,
) -> TaskBatch:
    """1-shot tasks first, first + 1, ... of these classes; each is the same, whichever others are drawn with it.

    shift: pixels by which each drawing is moved at most, in both directions.
    """
    tasks, numbers = [], []
    for index in range(first, first + count):
        generator = torch.Generator().manual_seed(1000 + index)
        chosen = torch.tensor(list(classes))[torch.randperm(len(classes), generator=generator)[:way]]
        images = [drawings()[k][torch.randperm(20, generator=generator)[: 1 + query]] for k in chosen]
        task = torch.stack(images)  # [way, 1 + query, 1, H, W]
        numbers.append(chosen)
        tasks.append(_moved(task.flatten(0, 1), shift, generator).view_as(task) if shift else task)
    x = torch.stack(tasks)  # [T, way, 1 + query, 1, H, W]
    y = torch.arange(way).view(1, way, 1).expand(count, way, 1 + query)
    support, query_set = ((x[:, :, of].flatten(1, 2), y[:, :, of].flatten(1)) for of in (slice(1), slice(1, None)))
    return TaskBatch(*support, *query_set, way, half, classes=torch.stack(numbers))


def _moved(x: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Drawings [N, 1, H, W], each moved by at most so many pixels."""
    offsets = torch.randint(-most, most + 1, (len(x), 2), generator=generator).tolist()
    return torch.stack([image.roll(offset, (1, 2)) for image, offset in zip(x, offsets, strict=True)])


class GlyphBatches:
    """Batches of 32 drawings of all training classes, each the same whichever others are drawn.

    shift: as of `glyph_tasks`.
    """

    classes = len(TRAINING)

    def __init__(self, shift: int = 0) -> None:
        self.shift = shift

    def batch(self, number: int) -> tuple[Tensor, Tensor]:
        """x [32, 1, 20, 20] and y [32]."""
        generator = torch.Generator().manual_seed(number)
        labels = torch.randint(len(TRAINING), (32,), generator=generator)
        x = drawings()[labels, torch.randint(20, (32,), generator=generator)]
        return (_moved(x, self.shift, generator) if self.shift else x), labels
