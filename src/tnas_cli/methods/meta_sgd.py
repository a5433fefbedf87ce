"""Meta-SGD (Li et al., 2017): MAML whose inner rate is learned for every weight; one step in the publication."""

from __future__ import annotations

from dataclasses import replace

from tnas_cli.engines.interface import Engine, Network
from tnas_cli.methods.about import OWN
from tnas_cli.methods.method import TrainMethod
from tnas_cli.methods.plus_plus import inner_loop
from tnas_cli.methods.unrolled import InnerLoop, Unrolled
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.parameters import Spec


def inner_loop_of(settings: TrainSettings) -> InnerLoop:
    """Rates per weight, whatever the settings say."""
    return replace(inner_loop(settings), learned_rates="weight")


def shapes(network: Network, settings: TrainSettings) -> dict[str, Spec]:
    """The network's weights, and a rate for each."""
    return inner_loop_of(settings).shapes(network.specs())


def learner(engine: Engine, network: Network, settings: TrainSettings) -> Unrolled:
    """The learner, of first or second order as the settings say."""
    return Unrolled(engine, network, inner_loop_of(settings), settings.by_support)


METHOD = TrainMethod(
    about=OWN["meta-sgd"][0],
    shapes=shapes,
    learner=learner,
)
