"""MAML on a fixed network (Equations 1, 2 and the first-order 8): how a decoded network is trained (Section 5.2.2)."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from tnas_cli.compute.interface import Engine, Network
from tnas_cli.methods.meta_learn import MetaState, Plan, Tasks, meta_learn
from tnas_cli.runs.events import Event
from tnas_cli.runs.seeds import torch_generator
from tnas_cli.settings import TrainSettings
from tnas_cli.space.parameters import draw
from tnas_cli.update.outer import AdamRule, adam


def start(network: Network, settings: TrainSettings, purpose: str, device: torch.device) -> MetaState:
    """Random weights, the same for the same seed and purpose, and the outer Adam."""
    parameters = draw(network.specs(), torch_generator(settings.seed, purpose))
    parameters = {name: tensor.to(device) for name, tensor in parameters.items()}
    return MetaState(parameters, adam(parameters, {}, AdamRule(settings.alpha_outer)))


def maml(engine: Engine, network: Network, state: MetaState, tasks: Tasks, settings: TrainSettings) -> Iterator[Event]:
    """Meta-train for `settings.tasks` tasks; there is no theta."""
    yield from meta_learn(engine, network, state, tasks, Plan.of(settings))
