"""Meta-SGD (Li et al., 2017): MAML whose inner rate is learned for every weight; one step in the publication."""

from __future__ import annotations

from dataclasses import replace

from tnas_cli.engines.interface import Engine, Network
from tnas_cli.methods.plus_plus import inner_loop
from tnas_cli.methods.unrolled import InnerLoop, Unrolled
from tnas_cli.settings.few_shot import TrainSettings


def inner_loop_of(settings: TrainSettings) -> InnerLoop:
    """Rates per weight."""
    return replace(inner_loop(settings), learned_rates="weight")


def learner(engine: Engine, network: Network, settings: TrainSettings) -> Unrolled:
    """First or second order as the settings say."""
    return Unrolled(engine, network, inner_loop_of(settings))
