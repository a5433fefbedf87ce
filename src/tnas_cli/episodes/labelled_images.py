"""Images with labels: of a data set whose splits share their classes (`cifar10`, `imagenet`), or of one split alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

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
    """All images of a split, 'train' or 'train+val'.

    Raises SettingsError where the two have a class in common, which would then have two labels.
    """
    ids = cache.classes(split)
    classes = tuple(cache.class_names[i] for i in ids)
    if len(set(classes)) < len(classes):
        raise SettingsError(
            f"the splits of {cache.dataset} ({cache.protocol}) share their classes, so those of {split} have no labels "
            "of their own.",
            hint="take a data set for few-shot tasks, or --train-split train",
        )
    return _labelled(cache, split, list(range(len(ids))), classes)


def _labelled(cache: ImageCache, split: str, numbers: list[int], classes: tuple[str, ...]) -> LabelledImages:
    offset, ids = cache.class_offset, cache.classes(split)
    indices = [np.arange(offset[i], offset[i + 1]) for i in ids]
    labels = [np.full(len(own), number) for own, number in zip(indices, numbers, strict=True)]
    return LabelledImages(
        cache, np.concatenate(indices).astype(np.int64), np.concatenate(labels).astype(np.int64), classes
    )


@dataclass(frozen=True)
class Batches:
    """Images in batches of `size`, epoch after epoch without an end, each epoch in its own order. Images that do not
    fill a batch at the end of an epoch are left out; if there are fewer than `size`, all of them make a batch.
    """

    images: LabelledImages
    size: int
    seed: int
    device: torch.device

    @property
    def classes(self) -> int:
        """How many classes the images have."""
        return len(self.images.classes)

    @property
    def per_epoch(self) -> int:
        """How many batches show every image once, but for those left out."""
        return max(1, len(self.images) // self.size)

    def batch(self, number: int) -> tuple[Tensor, Tensor]:
        """The batch of that number, from 0: x [N, C, H, W], normalised, and y [N]; it depends on nothing else."""
        epoch, position = divmod(number, self.per_epoch)
        order = _order(self.seed, epoch, len(self.images))
        x, y = self.images.load(order[position * self.size :][: self.size], self.device)
        return self.images.normalise(x), y


@lru_cache(maxsize=2)
def _order(seed: int, epoch: int, images: int) -> Indices:
    """Numbers of the images in the order of an epoch."""
    return numpy_generator(seed, "labelled batches", epoch).permutation(images)
