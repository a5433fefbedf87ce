"""MAML on a fixed network (Equations 1 and 2, or first-order 8): how a decoded network is trained (Section 5.2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch

from tnas_cli.engines.interface import Engine, InnerRule, Network
from tnas_cli.methods.learner import GradientSteps
from tnas_cli.methods.meta_learn import MetaState
from tnas_cli.runs.seeds import torch_generator
from tnas_cli.settings.few_shot import TrainSettings
from tnas_cli.spaces.parameters import Spec, draw
from tnas_cli.update.outer import AdamRule, adam


class HasWeights(Protocol):
    """Anything that says which weights it has."""

    def specs(self) -> Mapping[str, Spec]:
        """Shapes of all weights."""


def start(
    network: HasWeights, settings: TrainSettings, purpose: str, device: torch.device, *, without: str = "none"
) -> MetaState:
    """Random weights, the same for the same seed and purpose, and the outer Adam; those whose names start with
    `without` are left out.
    """
    parameters = draw(network.specs(), torch_generator(settings.seed, purpose))
    parameters = {name: tensor.to(device) for name, tensor in parameters.items() if not name.startswith(without)}
    return MetaState(parameters, adam(parameters, {}, AdamRule(settings.alpha_outer)))


def learner(engine: Engine, network: Network, settings: TrainSettings) -> GradientSteps:
    """MAML, first or second order as the settings say."""
    alpha = settings.alpha_inner
    return GradientSteps(
        engine,
        network,
        InnerRule(alpha, 0.0, settings.inner_steps),
        InnerRule(alpha, 0.0, settings.test_steps),
        second_order=settings.order == "second",
    )
