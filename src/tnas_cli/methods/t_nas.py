"""T-NAS (Algorithm 1): meta-learn the weights w~ and the architecture parameters theta~ of the search network."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from tnas_cli.engines.interface import Engine, InnerRule
from tnas_cli.methods.learner import GradientSteps
from tnas_cli.methods.meta_learn import MetaState, Plan, Tasks, meta_learn
from tnas_cli.runs.events import Event
from tnas_cli.runs.seeds import torch_generator
from tnas_cli.settings.few_shot import SearchSettings
from tnas_cli.spaces.parameters import THETA, draw
from tnas_cli.spaces.search_network import SearchNetwork
from tnas_cli.update.outer import AdamRule, adam


def search_network(settings: SearchSettings, in_channels: int) -> SearchNetwork:
    """The network that the settings describe."""
    return SearchNetwork(settings.way, in_channels, settings.channels, settings.nodes)


def start(network: SearchNetwork, settings: SearchSettings, device: torch.device) -> MetaState:
    """Algorithm 1, line 1: random theta and w, and the outer Adam."""
    parameters = draw(network.specs(), torch_generator(settings.seed, "initial weights"))
    parameters = {name: tensor.to(device) for name, tensor in parameters.items()}
    theta_rule = AdamRule(settings.beta_outer, settings.theta_betas, settings.theta_weight_decay)
    return MetaState(parameters, adam(parameters, {THETA: theta_rule}, AdamRule(settings.alpha_outer)))


def learner(engine: Engine, network: SearchNetwork, settings: SearchSettings) -> GradientSteps:
    """Equations 7 and 8, or 5 and 6, as the settings say."""

    def rule(steps: int) -> InnerRule:
        return InnerRule(settings.alpha_inner, settings.beta_inner, steps, settings.alternating)

    return GradientSteps(
        engine,
        network,
        rule(settings.inner_steps),
        rule(settings.test_steps),
        second_order=settings.order == "second",
    )


def t_nas(
    engine: Engine, network: SearchNetwork, state: MetaState, tasks: Tasks, settings: SearchSettings
) -> Iterator[Event]:
    """Algorithm 1, lines 2 to 11."""
    yield from meta_learn(learner(engine, network, settings), state, tasks, Plan.of(settings))
