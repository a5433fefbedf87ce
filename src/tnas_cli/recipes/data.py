"""A data set by name, for any recipe."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import numpy as np

from tnas_cli.episodes import registry
from tnas_cli.episodes.cache import ImageCache
from tnas_cli.episodes.sampling import images_hint, way_hint
from tnas_cli.errors import SettingsError
from tnas_cli.runs import events
from tnas_cli.runs.device import Machine
from tnas_cli.runs.endings import CACHES, has_ending
from tnas_cli.settings.grow import GrowSettings
from tnas_cli.settings.meta_learning import LARGEST_IMAGE, SMALLEST_IMAGE
from tnas_cli.settings.search import SearchSettings
from tnas_cli.settings.supervised import SupervisedSettings
from tnas_cli.settings.train import TrainSettings
from tnas_cli.settings.transfer import TransferSettings

Chosen = TypeVar("Chosen", SearchSettings, GrowSettings, TrainSettings, SupervisedSettings, TransferSettings)


def open_data(dataset: str, protocol: str, machine: Machine, listener: events.Listener) -> ImageCache:
    """The prepared data set; prepares it first if possible. An empty protocol is its first one.

    Raises SettingsError for images outside the sizes that the networks take, DataError when there is no data.
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


def settled(settings: Chosen, cache: ImageCache) -> Chosen:
    """The settings with the data that they came to, so that a run continues with these from any folder."""
    file = has_ending(settings.dataset, CACHES)
    return settings.replace(
        protocol=cache.protocol, **({"dataset": str(Path(settings.dataset).absolute())} if file else {})
    )


def check_tasks(settings: SearchSettings | TrainSettings, cache: ImageCache, *splits: str) -> None:
    """Raises SettingsError, with a hint that fits all of these splits, where one has too few classes or images."""
    classes = {split: len(cache.classes(split)) for split in splits}
    fewest = min(splits, key=lambda split: classes[split])
    if settings.way > classes[fewest]:
        raise SettingsError(
            f"--way {settings.way} needs {settings.way} classes, but split {fewest!r} has {classes[fewest]}.",
            hint=way_hint(classes[fewest]),
        )
    images = {split: smallest_class(cache, split) for split in splits}
    fewest, needed = min(splits, key=lambda split: images[split]), settings.shot + settings.query
    if needed > images[fewest]:
        raise SettingsError(
            f"{settings.shot} support + {settings.query} query images make {needed} per class, but a class of split "
            f"{fewest!r} has only {images[fewest]}.",
            hint=images_hint(settings.shot, images[fewest]),
        )


def smallest_class(cache: ImageCache, *splits: str) -> int:
    """How many images the smallest class of these splits has."""
    counts = np.diff(cache.class_offset)
    return min(int(counts[cache.classes(split)].min()) for split in splits)
