"""A meta-architecture as `adapt` and `decode` need it: network, parameters, settings and data of a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from tnas_cli.episodes.cache import ImageCache
from tnas_cli.errors import CheckpointError, SettingsError
from tnas_cli.methods.head import head_of
from tnas_cli.methods.registry import search_method
from tnas_cli.methods.state_file import parameters_of
from tnas_cli.methods.t_nas import search_network
from tnas_cli.plain import NOT_AS_WRITTEN
from tnas_cli.records.account import InputAccount
from tnas_cli.records.codec import decode
from tnas_cli.records.parts import DataFacts, Preparation
from tnas_cli.runs import checkpoint
from tnas_cli.settings.search import SearchSettings
from tnas_cli.spaces.parameters import Parameters
from tnas_cli.spaces.space import SearchedNetwork

KIND = checkpoint.META_ARCHITECTURE


@dataclass(frozen=True)
class MetaArchitecture:
    """theta~ and w~, with what they were searched on. `size` is the side of the images."""

    path: Path
    network: SearchedNetwork
    parameters: Parameters
    settings: SearchSettings
    data: DataFacts
    size: int
    tasks_done: int
    run: str

    @property
    def head(self) -> Literal["zero"] | None:
        """'zero' where each task begins with a linear layer of zeros."""
        return head_of(search_method(self.settings.method).about, self.settings)


def describe_data(cache: ImageCache) -> DataFacts:
    """The facts that a checkpoint keeps about its data set, enough to prepare other images in the same way."""
    return DataFacts(
        dataset=cache.dataset,
        protocol=cache.protocol,
        size=cache.size,
        channels=cache.channels,
        mean=tuple(cache.mean),
        std=tuple(cache.std),
        fingerprint=cache.fingerprint,
        bright_ground=cache.bright_ground,
    )


def preparation_of(cache: ImageCache) -> Preparation:
    """How the images of a data set were prepared for a network."""
    return Preparation(
        size=cache.size,
        channels=cache.channels,
        mean=tuple(cache.mean),
        std=tuple(cache.std),
        resize=cache.resize or None,
        bright_ground=cache.bright_ground,
        account=told(cache.account),
    )


def told(account: InputAccount | None) -> InputAccount | None:
    """What is worth telling of an account, with a few names."""
    return account.brief() if account is not None and account.lines() else None


def load_meta_architecture(path: Path, device: torch.device) -> MetaArchitecture:
    """Read `best.pt` or `last.pt`; raises CheckpointError."""
    saved = checkpoint.load(path, KIND)
    try:
        settings = SearchSettings.from_dict(saved.about["settings"])
        data, progress, run = decode(DataFacts, saved.about["data"]), saved.about["progress"], str(saved.about["run"])
        size, tasks_done = int(saved.about["data"]["size"]), int(progress["tasks_done"])
        network = search_network(settings, data.channels)
        shapes = search_method(settings.method).shapes(network, settings)
        parameters = parameters_of(saved, shapes, device)
    except (*NOT_AS_WRITTEN, SettingsError) as error:
        raise CheckpointError(
            f"{path} does not describe its search ({error}).", hint="pass a best.pt written by `tnas search`"
        ) from error
    return MetaArchitecture(path, network, parameters, settings, data, size, tasks_done, run)
