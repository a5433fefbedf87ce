"""A meta-architecture as `adapt` and `decode` need it: network, parameters, settings and data of a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tnas_cli.episodes.cache import ImageCache
from tnas_cli.errors import CheckpointError, SettingsError
from tnas_cli.methods.state_file import parameters_of, shapes_of
from tnas_cli.methods.t_nas import search_network
from tnas_cli.methods.zoo import SEARCH
from tnas_cli.runs import checkpoint
from tnas_cli.settings.few_shot import SearchSettings
from tnas_cli.spaces.parameters import Parameters
from tnas_cli.spaces.search_network import SearchNetwork

KIND = "tnas/meta-architecture"


@dataclass(frozen=True)
class MetaArchitecture:
    """theta~ and w~ with what they were searched on. `data` is the dictionary of `describe_data`."""

    path: Path
    network: SearchNetwork
    parameters: Parameters
    settings: SearchSettings
    data: dict[str, Any]
    tasks_done: int
    run: str


def describe_data(cache: ImageCache) -> dict[str, Any]:
    """What a checkpoint keeps of its data set, enough to prepare other images in the same way."""
    return {
        "dataset": cache.dataset,
        "protocol": cache.protocol,
        "size": cache.size,
        "channels": cache.channels,
        "mean": list(cache.mean),
        "std": list(cache.std),
        "fingerprint": cache.fingerprint,
    }


def load_meta_architecture(path: Path, device: torch.device) -> MetaArchitecture:
    """Read `best.pt` or `last.pt`; raises CheckpointError."""
    saved = checkpoint.load(path, KIND)
    try:
        settings = SearchSettings.from_dict(saved.about["settings"])
        data, progress, run = saved.about["data"], saved.about["progress"], saved.about["run"]
        network = search_network(settings, data["channels"])
        shapes = shapes_of(SEARCH[settings.method].start(network, settings, device).parameters)
        parameters = parameters_of(saved, shapes, device)
    except (KeyError, TypeError, SettingsError) as error:
        raise CheckpointError(
            f"{path} does not describe its search ({error}).", hint="pass a best.pt written by `tnas search`"
        ) from error
    return MetaArchitecture(path, network, parameters, settings, data, progress["tasks_done"], run)
