"""Images with labels: of a data set whose splits share their classes (`cifar10`, `imagenet`), or of one split alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tnas_cli.episodes.cache import ImageCache
from tnas_cli.episodes.sampling import Indices
from tnas_cli.errors import SettingsError
from tnas_cli.runs.seeds import numpy_generator


@dataclass(frozen=True)
class LabelledImages:
    """The images of one split: their positions in the cache [n], and their labels [n] as indices into `classes`."""

    cache: ImageCache
    indices: Indices
    labels: Indices
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.indices)

    def load(self, which: Indices, device: torch.device) -> tuple[Tensor, Tensor]:
        """The images numbered `which` [N]: pixels 0..1 float32 [N, C, H, W] and labels int64 [N]."""
        # Read in the order of the file, which is the order of the disk.
        order = np.argsort(self.indices[which], kind="stable")
        pixels = torch.from_numpy(self.cache.load(self.indices[which][order])).to(device)  # [N, H, W, C]
        back = torch.from_numpy(np.argsort(order, kind="stable")).to(device)
        labels = torch.from_numpy(self.labels[which]).to(device)
        return pixels[back].permute(0, 3, 1, 2).float().div_(255), labels

    def normalise(self, x: Tensor) -> Tensor:
        """(x - mean) / std of the data set, per channel."""
        shape = (1, self.cache.channels, 1, 1)
        return (x - x.new_tensor(self.cache.mean).view(shape)) / x.new_tensor(self.cache.std).view(shape)


def labelled_images(cache: ImageCache, split: str) -> LabelledImages:
    """All images of a split, 'train', 'val', 'test' or 'train+val'; a class is its name, whatever its split.

    Raises SettingsError for a data set whose splits hold different classes, as those for few-shot tasks do.
    """
    names: dict[str, set[str]] = {}
    for name, part in zip(cache.class_names, cache.class_splits, strict=True):
        names.setdefault(part, set()).add(name)
    classes = tuple(sorted(names.get("train", ())))
    if not classes or names.get("test") != set(classes) or not names.get("val", set()) <= set(classes):
        raise SettingsError(
            f"the splits of {cache.dataset} ({cache.protocol}) hold different classes, as few-shot tasks need; "
            "the transfer setting needs the same classes in all.",
            hint="use cifar10 or imagenet: tnas prepare-data cifar10",
        )
    number = {name: label for label, name in enumerate(classes)}
    return _labelled(cache, split, [number[cache.class_names[i]] for i in cache.classes(split)], classes)


def images_of_split(cache: ImageCache, split: str) -> LabelledImages:
    """All images of a split, 'train' or 'train+val', that shares no class with another split."""
    ids = cache.classes(split)
    return _labelled(cache, split, list(range(len(ids))), tuple(cache.class_names[i] for i in ids))


def _labelled(cache: ImageCache, split: str, numbers: list[int], classes: tuple[str, ...]) -> LabelledImages:
    offset, ids = cache.class_offset, cache.classes(split)
    indices = [np.arange(offset[i], offset[i + 1]) for i in ids]
    labels = [np.full(len(own), number) for own, number in zip(indices, numbers, strict=True)]
    return LabelledImages(
        cache, np.concatenate(indices).astype(np.int64), np.concatenate(labels).astype(np.int64), classes
    )


@dataclass(frozen=True)
class Batches:
    """Images in batches of `size` for `epochs`, each epoch in its own order: pairs x [1, N, C, H, W], normalised, and
    y [1, N], like one task. A single image left over at the end of an epoch is left out."""

    images: LabelledImages
    size: int
    epochs: int
    seed: int
    device: torch.device

    def __len__(self) -> int:
        count = len(self.images)
        return self.epochs * (count // self.size + (1 if count % self.size > 1 else 0))

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for epoch in range(self.epochs):
            order = numpy_generator(self.seed, "labelled batches", epoch).permutation(len(self.images))
            for first in range(0, len(order) - 1, self.size):
                x, y = self.images.load(order[first : first + self.size], self.device)
                yield self.images.normalise(x).unsqueeze(0), y.unsqueeze(0)
