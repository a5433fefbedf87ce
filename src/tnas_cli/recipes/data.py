"""A data set by name, for any recipe."""

from __future__ import annotations

from typing import TypeVar

from tnas_cli.episodes import registry
from tnas_cli.episodes.cache import ImageCache
from tnas_cli.errors import SettingsError
from tnas_cli.runs import events
from tnas_cli.runs.device import Machine
from tnas_cli.runs.endings import CACHES, has_ending
from tnas_cli.settings.meta_learning import LARGEST_IMAGE, SMALLEST_IMAGE
from tnas_cli.settings.search import SearchSettings
from tnas_cli.settings.supervised import SupervisedSettings
from tnas_cli.settings.train import TrainSettings
from tnas_cli.settings.transfer import TransferSettings

Chosen = TypeVar("Chosen", SearchSettings, TrainSettings, SupervisedSettings, TransferSettings)


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
    return settings.replace(protocol=cache.protocol, **({"dataset": str(cache.path)} if file else {}))


def image_counts(settings: SearchSettings | TrainSettings) -> tuple[int, int]:
    """Support and query images of a task."""
    return settings.way * settings.shot, settings.way * settings.query
