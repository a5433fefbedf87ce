"""The engine for the few-shot tasks of some settings."""

from __future__ import annotations

import torch

from tnas_cli.engines.choose import choose_engine
from tnas_cli.engines.interface import Engine, Network
from tnas_cli.episodes.cache import ImageCache
from tnas_cli.runs.device import Machine
from tnas_cli.runs.events import Listener
from tnas_cli.settings.search import SearchSettings
from tnas_cli.settings.train import TrainSettings


def engine_for_tasks(
    network: Network,
    settings: SearchSettings | TrainSettings,
    cache: ImageCache,
    device: torch.device,
    machine: Machine,
    listener: Listener,
    *,
    by_engine: bool = True,
) -> Engine:
    """The engine that was asked for, or the fastest; PyTorch for a method that no engine computes (`by_engine`).

    Raises what `choose_engine` raises.
    """
    return choose_engine(
        machine.engine if by_engine else "torch",
        network,
        device,
        second_order=settings.order == "second",
        side=cache.size,
        images=(settings.way * settings.shot, settings.way * settings.query),
        listener=listener,
    )
